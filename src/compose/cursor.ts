// A place in a YAML text, and the small steps that a parser takes from it.
import { type Assembly, beginDocument } from './assemble.ts';
import type { Report } from './report.ts';
import type { Source, Span } from './tree.ts';

/** Thrown when the text is not of the common kind; never leaves the parser. */
export const unusual = new Error('not common YAML');

export const NEWLINE = 10;
export const SPACE = 32;
export const TAB = 9;
export const char = (text: string): number => text.charCodeAt(0);
export const [DASH, COLON, HASH, QUOTE, DOUBLE] = [char('-'), char(':'), char('#'), char("'"), char('"')];
export const [STAR, AMPERSAND, BANG, PIPE, GREATER] = [char('*'), char('&'), char('!'), char('|'), char('>')];
export const [OPEN_LIST, CLOSE_LIST, OPEN_MAP, CLOSE_MAP, COMMA] = [
  char('['),
  char(']'),
  char('{'),
  char('}'),
  char(','),
];
/** Characters that no plain scalar starts with. */
export const indicators = new Set([...'-?:,[]{}#&*!|>\'"%@`'].map(char));
export const flowIndicators = new Set([COMMA, OPEN_LIST, CLOSE_LIST, OPEN_MAP, CLOSE_MAP]);

/** Blanks, empty lines and comments. The engine reads a pattern fastest. */
const gap = /(?: *(?:#[^\n]*)?\n){0,1000} *(?:#[^\n]*$)?/y;

/** Reads a text from its beginning to its end. */
export class Cursor {
  protected readonly source: Source;
  protected readonly text: string;
  protected readonly report: Report;
  protected assembly: Assembly;
  /** Where the next token starts, and where its line does. */
  protected at = 0;
  protected line = 0;
  protected depth = 0;

  constructor(source: Source, report: Report) {
    this.source = source;
    this.text = source.text;
    this.report = report;
    this.assembly = beginDocument(source, report);
  }

  /** How far the text was read. */
  get position(): number {
    return this.at;
  }

  protected code(offset = 0): number {
    return this.text.charCodeAt(this.at + offset);
  }

  /** Whether white space or the end of the text is here. */
  protected isBlankAt(at: number): boolean {
    const code = this.text.charCodeAt(at);
    return code === SPACE || code === NEWLINE || Number.isNaN(code) || code === TAB;
  }

  protected span(start: number, end = this.at): Span {
    return { source: this.source, start, end };
  }

  /** Goes to the next token over blanks, empty lines and comments. */
  protected skip(): void {
    for (let end = this.stop(gap, this.at); end > this.at; end = this.stop(gap, this.at)) {
      const newline = this.text.lastIndexOf('\n', end - 1);
      if (newline >= this.at) this.line = newline + 1;
      this.at = end;
    }
    if (this.code() === TAB) throw unusual;
  }

  protected lineEnd(): number {
    const end = this.text.indexOf('\n', this.at);
    return end < 0 ? this.text.length : end;
  }

  protected skipSpaces(): void {
    while (this.code() === SPACE) this.at += 1;
    if (this.code() === TAB) throw unusual;
  }

  /** Whether nothing but a comment follows on the line. */
  protected isLineDone(): boolean {
    const code = this.code();
    if (Number.isNaN(code) || code === NEWLINE) return true;
    return code === HASH && (this.at === this.line || this.text.charCodeAt(this.at - 1) === SPACE);
  }

  protected endLine(): void {
    this.skipSpaces();
    if (!this.isLineDone()) throw unusual;
  }

  protected get column(): number {
    return this.at - this.line;
  }

  protected word(): string {
    const start = this.at;
    while (!this.isBlankAt(this.at) && !flowIndicators.has(this.code())) this.at += 1;
    return this.text.slice(start, this.at);
  }

  /** Where text that a pattern takes ends. */
  protected stop(pattern: RegExp, from: number): number {
    pattern.lastIndex = from;
    pattern.test(this.text);
    return pattern.lastIndex;
  }

  protected closingQuote(quote: number): number {
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
}
