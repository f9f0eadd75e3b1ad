// A parser for the YAML that compose files are made of. Whatever is unusual or wrong it leaves to the `yaml` package.
import {
  assembleList,
  assembleMap,
  assembleScalar,
  beginDocument,
  emptyAt,
  finishNode,
  maxDepth,
  type Pair,
  tooDeep,
} from './assemble.ts';
import {
  AMPERSAND,
  BANG,
  COLON,
  char,
  DASH,
  DOUBLE,
  GREATER,
  HASH,
  indicators,
  NEWLINE,
  OPEN_LIST,
  OPEN_MAP,
  PIPE,
  QUOTE,
  SPACE,
  STAR,
  TAB,
  unusual,
} from './cursor.ts';
import { FlowParser, noProperties, type Properties } from './flow.ts';
import { blockScalar } from './literals.ts';
import { makeReport, type Report } from './report.ts';
import { type Node, type Source, type Span, scalar } from './tree.ts';

/** What came of a text: its documents, or where it leaves what is common. */
export type Common = { readonly documents: readonly Node[] } | { readonly unusualAt: number };

/**
 * Reads the documents of a text, unless they need the whole of YAML, or somebody to say what is wrong.
 * Throws a ComposeError for what no parser should go on with.
 */
export function parseCommon(source: Source, report: Report): Common {
  const carriageReturn = source.text.indexOf('\r');
  if (carriageReturn >= 0) return { unusualAt: carriageReturn };
  const findings = makeReport();
  const parser = new Parser(source, findings);
  try {
    const documents = parser.documents();
    findings.moveTo(report);
    return { documents };
  } catch (error) {
    if (error !== unusual) throw error;
    return { unusualAt: parser.position };
  }
}

/** Text without what can end a plain scalar. */
const blockText = /[^\n:#\t]*/y;

/** Reads documents of block collections. */
class Parser extends FlowParser {
  /** Where a key was looked for last, and where its colon is. */
  private keyAt = -1;
  private keyColon = -1;

  documents(): Node[] {
    const result: Node[] = [];
    this.skip();
    while (this.at < this.text.length || result.length === 0) {
      if (this.at >= this.text.length) return result;
      const isMarked = this.isMarker();
      if (isMarked) this.skipMarker();
      this.assembly = beginDocument(this.source, this.report, this.assembly);
      const isEmpty = this.at >= this.text.length || this.isMarker();
      result.push(isEmpty ? scalar(null, 'null') : this.topLevel());
    }
    return result;
  }

  private topLevel(): Node {
    const node = this.block(0, -1);
    if (node.kind === 'scalar' || (this.at < this.text.length && !this.isMarker())) throw unusual;
    return node;
  }

  private isMarker(): boolean {
    if (this.at !== this.line) return false;
    if (this.text.startsWith('...', this.at) || this.code() === char('%')) throw unusual;
    return this.text.startsWith('---', this.at) && this.isBlankAt(this.at + 3);
  }

  private skipMarker(): void {
    this.at += 3;
    this.endLine();
    this.skip();
  }

  /** The value that starts here, in block style; `parent` is the column of what contains it. */
  private block(minimum: number, parent: number): Node {
    if (this.column < minimum) throw unusual;
    this.depth += 1;
    if (this.depth > maxDepth) return tooDeep(this.span(this.at, this.at + 1), this.assembly);
    const node = this.blockValue(parent, noProperties);
    this.depth -= 1;
    return node;
  }

  private blockValue(parent: number, before: Properties): Node {
    const start = this.at;
    const properties = before === noProperties ? this.properties() : before;
    if (properties !== noProperties && this.isLineDone())
      return this.afterProperties(parent, properties, start);
    const column = this.column;
    const isOwnLine = properties === noProperties || before !== noProperties;
    const node =
      this.isEntry() && isOwnLine ? this.list(column) : this.mapOrInline(parent, properties, isOwnLine);
    return finishNode(node, properties.tag, properties.anchor, this.assembly);
  }

  private isEntry(): boolean {
    return this.code() === DASH && this.isBlankAt(this.at + 1);
  }

  private mapOrInline(parent: number, properties: Properties, isOwnLine: boolean): Node {
    if (this.keyEnd() < 0) return this.inline(parent, properties);
    // Properties on the line of a key belong to the key.
    if (!isOwnLine) throw unusual;
    return this.map(this.column);
  }

  /** Anchor and tag in front of a value. */
  private properties(): Properties {
    let tag: string | undefined;
    let anchor: string | undefined;
    for (let code = this.code(); code === AMPERSAND || code === BANG; code = this.code()) {
      const word = this.word();
      if (!this.isBlankAt(this.at)) throw unusual;
      if (code === AMPERSAND && anchor === undefined && word.length > 1) anchor = word.slice(1);
      else if (code === BANG && tag === undefined && /^!(?:!?[a-zA-Z]+)?$/.test(word)) tag = longTag(word);
      else throw unusual;
      this.skipSpaces();
    }
    if (tag === undefined && anchor === undefined) return noProperties;
    if (anchor !== undefined) this.assembly.anchors.set(anchor, 'open');
    return { tag, anchor };
  }

  /** The value on the lines after its properties, or nothing. */
  private afterProperties(parent: number, properties: Properties, start: number): Node {
    const end = this.at;
    this.skip();
    const isInside = this.at < this.text.length && this.column > parent && !this.isMarker();
    // A list may stand in the column of its key.
    const isListBelow = this.column === parent && this.isEntry() && this.at < this.text.length;
    if (isListBelow) throw unusual;
    if (isInside) return this.blockValue(parent, properties);
    const empty = assembleScalar(
      { text: '', isPlain: true, tag: properties.tag, span: this.span(start, end) },
      this.assembly,
    );
    return finishNode(empty, properties.tag, properties.anchor, this.assembly);
  }

  private list(column: number): Node {
    const start = this.at;
    const items: Node[] = [];
    while (this.at < this.text.length && this.column === column && this.isEntry()) {
      const dash = this.span(this.at, this.at + 1);
      this.assembly.path.push(items.length);
      this.at += 1;
      this.skipSpaces();
      items.push(this.isLineDone() ? this.below(column, dash, false) : this.block(column + 1, column));
      this.assembly.path.pop();
      this.skip();
    }
    this.checkEnd(column);
    return assembleList(items, this.span(start), this.assembly);
  }

  /** What stands on the following lines, further in than `column`. */
  private below(column: number, owner: Span, isKey: boolean): Node {
    this.skip();
    if (this.at >= this.text.length || this.isMarker()) return emptyAt(owner);
    if (this.column > column) return this.block(column + 1, column);
    return isKey && this.column === column && this.isEntry() ? this.block(column, column) : emptyAt(owner);
  }

  /** What follows a container has to stand further out. */
  private checkEnd(column: number): void {
    if (this.at < this.text.length && this.column > column) throw unusual;
  }

  private map(column: number): Node {
    const start = this.at;
    const pairs: Pair[] = [];
    while (this.at < this.text.length && this.column === column && !this.isMarker()) {
      if (this.isEntry()) break;
      const end = this.keyEnd();
      if (end < 0) throw unusual;
      pairs.push(this.pair(column));
      this.skip();
    }
    this.checkEnd(column);
    return assembleMap(pairs, this.span(start), this.assembly);
  }

  private pair(column: number): Pair {
    const code = this.code();
    const isPlain = code !== QUOTE && code !== DOUBLE;
    const key = this.key(isPlain);
    const name = key.kind === 'scalar' ? String(key.value) : '';
    this.skipSpaces();
    this.at += 1;
    this.assembly.path.push(name);
    this.skipSpaces();
    const value = this.isLineDone()
      ? this.below(column, key.at ?? this.span(this.at), true)
      : this.inlineValue(column);
    this.assembly.path.pop();
    return { key, isMergeKey: isPlain && name === '<<', value };
  }

  private key(isPlain: boolean): Node {
    if (!isPlain) return this.quoted(noProperties);
    const start = this.at;
    this.at = this.keyEnd();
    let end = this.at;
    while (this.text.charCodeAt(end - 1) === SPACE) end -= 1;
    const text = this.text.slice(start, end);
    return assembleScalar({ text, isPlain, tag: undefined, span: this.span(start, end) }, this.assembly);
  }

  /** Where the colon of a key is that starts here; -1 when no key does. */
  private keyEnd(): number {
    if (this.keyAt !== this.at) {
      this.keyAt = this.at;
      this.keyColon = this.findKeyEnd();
    }
    return this.keyColon;
  }

  private findKeyEnd(): number {
    const code = this.code();
    if (code === QUOTE || code === DOUBLE) return this.quotedKeyEnd(code);
    if (code === OPEN_LIST || code === OPEN_MAP || code === PIPE || code === GREATER) return -1;
    if (code === STAR || code === AMPERSAND || code === BANG) {
      const rest = this.text.slice(this.at, this.lineEnd());
      if (/\s:(?:\s|$)/.test(rest)) throw unusual;
      return -1;
    }
    if (indicators.has(code) && (!this.startsPlain(code) || code === char('?'))) throw unusual;
    for (let at = this.stop(blockText, this.at); at < this.text.length; at = this.stop(blockText, at + 1)) {
      const next = this.text.charCodeAt(at);
      if (next === NEWLINE) return -1;
      if (next === COLON && this.isBlankAt(at + 1)) return at;
      if (next === TAB) throw unusual;
      if (next === HASH && at > this.at && this.isBlankAt(at - 1)) return -1;
    }
    return -1;
  }

  private startsPlain(code: number): boolean {
    return (code === DASH || code === COLON || code === char('?')) && !this.isBlankAt(this.at + 1);
  }

  private quotedKeyEnd(quote: number): number {
    const end = this.closingQuote(quote);
    const newline = this.text.indexOf('\n', this.at);
    if (newline >= 0 && newline < end) return -1;
    let at = end + 1;
    while (this.text.charCodeAt(at) === SPACE) at += 1;
    return this.text.charCodeAt(at) === COLON && this.isBlankAt(at + 1) ? at : -1;
  }

  /** A value behind a key on its line. */
  private inlineValue(column: number): Node {
    const start = this.at;
    const properties = this.properties();
    if (properties !== noProperties && this.isLineDone()) {
      return this.afterProperties(column, properties, start);
    }
    if (this.isEntry()) throw unusual;
    const node = this.inline(column, properties);
    return finishNode(node, properties.tag, properties.anchor, this.assembly);
  }

  /** A scalar, an alias or a flow collection; nothing else may follow on its last line. */
  private inline(parent: number, properties: Properties): Node {
    const code = this.code();
    if (code === PIPE || code === GREATER) return this.blockScalar(parent, properties);
    let node: Node;
    if (code === QUOTE || code === DOUBLE) node = this.quoted(properties);
    else if (code === STAR) node = this.alias(properties);
    else if (code === OPEN_LIST || code === OPEN_MAP) node = this.flow(parent);
    else node = this.plain(parent, properties);
    this.endLine();
    return node;
  }

  private blockScalar(parent: number, properties: Properties): Node {
    const start = this.at;
    const read = blockScalar(this.text, start, parent);
    if (read === undefined) throw unusual;
    this.at = read.end;
    this.line = read.end;
    const span = this.span(start);
    return assembleScalar({ text: read.value, isPlain: false, tag: properties.tag, span }, this.assembly);
  }

  private plain(parent: number, properties: Properties): Node {
    const code = this.code();
    if (indicators.has(code) && !this.startsPlain(code)) throw unusual;
    const start = this.at;
    let text = this.plainLine();
    let end = this.at;
    for (let blanks = this.continues(parent); blanks >= 0; blanks = this.continues(parent)) {
      text += blanks === 0 ? ' ' : '\n'.repeat(blanks);
      text += this.plainLine();
      end = this.at;
    }
    return assembleScalar(
      { text, isPlain: true, tag: properties.tag, span: this.span(start, end) },
      this.assembly,
    );
  }

  /** The part of a plain scalar on one line; leaves the position behind it. */
  private plainLine(): string {
    const start = this.at;
    let end = this.stop(blockText, start);
    for (; end < this.text.length; end = this.stop(blockText, end + 1)) {
      const code = this.text.charCodeAt(end);
      if (code === NEWLINE || (code === HASH && end > start && this.isBlankAt(end - 1))) break;
      if (code === COLON && this.isBlankAt(end + 1)) throw unusual;
    }
    while (end > start && this.isBlankAt(end - 1)) end -= 1;
    this.at = end;
    return this.text.slice(start, end);
  }

  /** Goes to the next line when the scalar goes on there: the number of empty lines between, or else -1. */
  private continues(parent: number): number {
    let at = this.at;
    while (this.text.charCodeAt(at) === SPACE) at += 1;
    if (this.text.charCodeAt(at) !== NEWLINE) return -1;
    let blanks = -1;
    let line = at;
    while (this.text.charCodeAt(at) === NEWLINE) {
      blanks += 1;
      line = at + 1;
      at = line;
      while (this.text.charCodeAt(at) === SPACE) at += 1;
    }
    const code = this.text.charCodeAt(at);
    if (code === TAB) throw unusual;
    if (Number.isNaN(code) || code === HASH || at - line <= parent) return -1;
    this.at = at;
    this.line = line;
    return blanks;
  }
}

function longTag(word: string): string {
  return word.startsWith('!!') ? `tag:yaml.org,2002:${word.slice(2)}` : word;
}
