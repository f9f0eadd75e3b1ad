// The part of the parser that reads what may stand on one line: quotes, aliases, lists and mappings in brackets.
import {
  assembleAlias,
  assembleList,
  assembleMap,
  assembleScalar,
  emptyAt,
  maxDepth,
  type Pair,
  tooDeep,
} from './assemble.ts';
import {
  CLOSE_LIST,
  CLOSE_MAP,
  COLON,
  COMMA,
  Cursor,
  DASH,
  DOUBLE,
  flowIndicators,
  HASH,
  indicators,
  OPEN_LIST,
  OPEN_MAP,
  QUOTE,
  STAR,
  unusual,
} from './cursor.ts';
import { doubleQuoted, singleQuoted } from './literals.ts';
import type { Node } from './tree.ts';

/** Text without what can end a plain scalar in brackets. */
const flowText = /[^\n:#,[\]{}]*/y;

/** What stands in front of a value. */
export interface Properties {
  readonly tag: string | undefined;
  readonly anchor: string | undefined;
}

export const noProperties: Properties = { tag: undefined, anchor: undefined };

/** Reads flow collections and what is in them. */
export class FlowParser extends Cursor {
  protected alias(properties: Properties): Node {
    if (properties !== noProperties) throw unusual;
    const start = this.at;
    const word = this.word();
    if (word.length < 2) throw unusual;
    return assembleAlias(word.slice(1), this.span(start), this.assembly);
  }

  protected quoted(properties: Properties): Node {
    const start = this.at;
    const quote = this.code();
    const end = this.closingQuote(quote);
    const raw = this.text.slice(start + 1, end);
    if (raw.includes('\n')) throw unusual;
    const text = quote === QUOTE ? singleQuoted(raw) : doubleQuoted(raw);
    if (text === undefined) throw unusual;
    this.at = end + 1;
    return assembleScalar(
      { text, isPlain: false, tag: properties.tag, span: this.span(start) },
      this.assembly,
    );
  }

  protected flow(parent: number): Node {
    this.depth += 1;
    if (this.depth > maxDepth) return tooDeep(this.span(this.at, this.at + 1), this.assembly);
    const start = this.at;
    const isList = this.code() === OPEN_LIST;
    this.at += 1;
    const node = isList ? this.flowList(start, parent) : this.flowMap(start, parent);
    this.depth -= 1;
    return node;
  }

  protected flowList(start: number, parent: number): Node {
    const items: Node[] = [];
    for (this.flowSkip(parent); this.code() !== CLOSE_LIST; this.flowNext(parent, CLOSE_LIST)) {
      this.assembly.path.push(items.length);
      items.push(this.flowValue(parent));
      this.assembly.path.pop();
      if (this.code() === COLON) throw unusual;
    }
    this.at += 1;
    return assembleList(items, this.span(start), this.assembly);
  }

  protected flowMap(start: number, parent: number): Node {
    const pairs: Pair[] = [];
    for (this.flowSkip(parent); this.code() !== CLOSE_MAP; this.flowNext(parent, CLOSE_MAP)) {
      const code = this.code();
      const isPlain = code !== QUOTE && code !== DOUBLE;
      if (code === OPEN_LIST || code === OPEN_MAP || code === STAR) throw unusual;
      const keyLine = this.line;
      const key = this.flowValue(parent);
      const name = key.kind === 'scalar' ? String(key.value) : '';
      let value = emptyAt(key.at ?? this.span(start));
      if (this.code() === COLON) {
        if (
          this.line !== keyLine ||
          (isPlain && !this.isBlankAt(this.at + 1) && !flowIndicators.has(this.code(1)))
        ) {
          throw unusual;
        }
        this.at += 1;
        this.flowSkip(parent);
        const next = this.code();
        if (next !== COMMA && next !== CLOSE_MAP) {
          this.assembly.path.push(name);
          value = this.flowValue(parent);
          this.assembly.path.pop();
        }
      }
      pairs.push({ key, isMergeKey: isPlain && name === '<<', value });
    }
    this.at += 1;
    return assembleMap(pairs, this.span(start), this.assembly);
  }

  /** Goes behind a comma, or to the closing bracket. */
  protected flowNext(parent: number, close: number): void {
    const code = this.code();
    if (code === COMMA) {
      this.at += 1;
      this.flowSkip(parent);
    } else if (code !== close) throw unusual;
  }

  protected flowSkip(parent: number): void {
    const line = this.line;
    const before = this.at;
    this.skip();
    if (this.code() === HASH || Number.isNaN(this.code())) throw unusual;
    // A comment has to be set off by a blank; lines have to be further in than what contains the collection.
    const passed = this.text.slice(before, this.at);
    if (passed.startsWith('#') || (this.line !== line && this.column <= parent)) throw unusual;
  }

  protected flowValue(parent: number): Node {
    const code = this.code();
    let node: Node;
    if (code === QUOTE || code === DOUBLE) node = this.quoted(noProperties);
    else if (code === STAR) node = this.alias(noProperties);
    else if (code === OPEN_LIST || code === OPEN_MAP) node = this.flow(parent);
    else node = this.flowPlain(code);
    this.flowSkip(parent);
    const after = this.code();
    if (after !== COMMA && after !== CLOSE_LIST && after !== CLOSE_MAP && after !== COLON) throw unusual;
    return node;
  }

  protected flowPlain(code: number): Node {
    const next = this.code(1);
    const isDash = code === DASH && !this.isBlankAt(this.at + 1) && !flowIndicators.has(next);
    if (indicators.has(code) && !isDash) throw unusual;
    const start = this.at;
    let at = this.stop(flowText, start);
    for (; at < this.text.length; at = this.stop(flowText, at + 1)) {
      const here = this.text.charCodeAt(at);
      const following = this.text.charCodeAt(at + 1);
      const isText = here === COLON && !this.isBlankAt(at + 1) && !flowIndicators.has(following);
      if (!isText && (here !== HASH || this.isBlankAt(at - 1))) break;
    }
    let end = at;
    while (end > start && this.isBlankAt(end - 1)) end -= 1;
    this.at = end;
    const text = this.text.slice(start, end);
    return assembleScalar({ text, isPlain: true, tag: undefined, span: this.span(start) }, this.assembly);
  }
}
