// A parser for the YAML that compose files are made of. Whatever is unusual or wrong it leaves to the `yaml` package.
import {
  type Assembly,
  assembleAlias,
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
import { blockScalar, doubleQuoted, singleQuoted } from './literals.ts';
import { makeReport, type Report } from './report.ts';
import { type Node, type Source, type Span, scalar } from './tree.ts';

/** Thrown when the text is not of the common kind; never leaves this file. */
const unusual = new Error('not common YAML');

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

const NEWLINE = 10;
const SPACE = 32;
const TAB = 9;
const char = (text: string): number => text.charCodeAt(0);
const [DASH, COLON, HASH, QUOTE, DOUBLE] = [char('-'), char(':'), char('#'), char("'"), char('"')];
const [STAR, AMPERSAND, BANG, PIPE, GREATER] = [char('*'), char('&'), char('!'), char('|'), char('>')];
const [OPEN_LIST, CLOSE_LIST, OPEN_MAP, CLOSE_MAP, COMMA] = [
  char('['),
  char(']'),
  char('{'),
  char('}'),
  char(','),
];
/** Characters that no plain scalar starts with. */
const indicators = new Set([...'-?:,[]{}#&*!|>\'"%@`'].map(char));
const flowIndicators = new Set([COMMA, OPEN_LIST, CLOSE_LIST, OPEN_MAP, CLOSE_MAP]);

/** Blanks, empty lines and comments; text without what can end a plain scalar. The engine reads these fastest. */
const gap = /(?: *(?:#[^\n]*)?\n){0,1000} *(?:#[^\n]*$)?/y;
const blockText = /[^\n:#\t]*/y;
const flowText = /[^\n:#,[\]{}]*/y;

interface Properties {
  readonly tag: string | undefined;
  readonly anchor: string | undefined;
}

const noProperties: Properties = { tag: undefined, anchor: undefined };

class Parser {
  private readonly source: Source;
  private readonly text: string;
  private readonly report: Report;
  private assembly: Assembly;
  /** Where the next token starts, and where its line does. */
  private at = 0;
  private line = 0;
  private depth = 0;
  /** Where a key was looked for last, and where its colon is. */
  private keyAt = -1;
  private keyColon = -1;

  constructor(source: Source, report: Report) {
    this.source = source;
    this.text = source.text;
    this.report = report;
    this.assembly = beginDocument(source, report);
  }

  get position(): number {
    return this.at;
  }

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

  private code(offset = 0): number {
    return this.text.charCodeAt(this.at + offset);
  }

  /** Whether white space or the end of the text is here. */
  private isBlankAt(at: number): boolean {
    const code = this.text.charCodeAt(at);
    return code === SPACE || code === NEWLINE || Number.isNaN(code) || code === TAB;
  }

  private span(start: number, end = this.at): Span {
    return { source: this.source, start, end };
  }

  /** Goes to the next token over blanks, empty lines and comments. */
  private skip(): void {
    for (let end = this.stop(gap, this.at); end > this.at; end = this.stop(gap, this.at)) {
      const newline = this.text.lastIndexOf('\n', end - 1);
      if (newline >= this.at) this.line = newline + 1;
      this.at = end;
    }
    if (this.code() === TAB) throw unusual;
  }

  private lineEnd(): number {
    const end = this.text.indexOf('\n', this.at);
    return end < 0 ? this.text.length : end;
  }

  private skipSpaces(): void {
    while (this.code() === SPACE) this.at += 1;
    if (this.code() === TAB) throw unusual;
  }

  /** Whether nothing but a comment follows on the line. */
  private isLineDone(): boolean {
    const code = this.code();
    if (Number.isNaN(code) || code === NEWLINE) return true;
    return code === HASH && (this.at === this.line || this.text.charCodeAt(this.at - 1) === SPACE);
  }

  private endLine(): void {
    this.skipSpaces();
    if (!this.isLineDone()) throw unusual;
  }

  private get column(): number {
    return this.at - this.line;
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

  private word(): string {
    const start = this.at;
    while (!this.isBlankAt(this.at) && !flowIndicators.has(this.code())) this.at += 1;
    return this.text.slice(start, this.at);
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

  /** Where text that a pattern takes ends. */
  private stop(pattern: RegExp, from: number): number {
    pattern.lastIndex = from;
    pattern.test(this.text);
    return pattern.lastIndex;
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

  private closingQuote(quote: number): number {
    for (let at = this.at + 1; at < this.text.length; at++) {
      const code = this.text.charCodeAt(at);
      if (quote === DOUBLE && code === 92) at += 1;
      else if (code === quote) {
        if (quote === DOUBLE || this.text.charCodeAt(at + 1) !== QUOTE) return at;
        at += 1;
      }
    }
    throw unusual;
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

  private alias(properties: Properties): Node {
    if (properties !== noProperties) throw unusual;
    const start = this.at;
    const word = this.word();
    if (word.length < 2) throw unusual;
    return assembleAlias(word.slice(1), this.span(start), this.assembly);
  }

  private quoted(properties: Properties): Node {
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

  private flow(parent: number): Node {
    this.depth += 1;
    if (this.depth > maxDepth) return tooDeep(this.span(this.at, this.at + 1), this.assembly);
    const start = this.at;
    const isList = this.code() === OPEN_LIST;
    this.at += 1;
    const node = isList ? this.flowList(start, parent) : this.flowMap(start, parent);
    this.depth -= 1;
    return node;
  }

  private flowList(start: number, parent: number): Node {
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

  private flowMap(start: number, parent: number): Node {
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
  private flowNext(parent: number, close: number): void {
    const code = this.code();
    if (code === COMMA) {
      this.at += 1;
      this.flowSkip(parent);
    } else if (code !== close) throw unusual;
  }

  private flowSkip(parent: number): void {
    const line = this.line;
    const before = this.at;
    this.skip();
    if (this.code() === HASH || Number.isNaN(this.code())) throw unusual;
    // A comment has to be set off by a blank; lines have to be further in than what contains the collection.
    const passed = this.text.slice(before, this.at);
    if (passed.startsWith('#') || (this.line !== line && this.column <= parent)) throw unusual;
  }

  private flowValue(parent: number): Node {
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

  private flowPlain(code: number): Node {
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

function longTag(word: string): string {
  return word.startsWith('!!') ? `tag:yaml.org,2002:${word.slice(2)}` : word;
}
