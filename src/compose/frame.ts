// The lines of a source around a place, with carets under it, as a terminal shows them.
import type { Position } from '../errors.ts';

const TAB_WIDTH = 4;
const MAX_WIDTH = 160;
/** Of a line only this many UTF-16 units around the place are looked at: what is shown is shorter still. */
const MAX_UNITS = 1000;

export type Colour = 'red' | 'yellow' | 'blue' | 'cyan' | 'bold';
export type Paint = (colour: Colour, text: string) => string;

export interface FrameStyle {
  /** Columns for line numbers. */
  readonly gutter: number;
  readonly colour: Colour;
  readonly paint: Paint;
}

/** The text of a line (from 1), undefined when there is none. */
export type LineOf = (number: number) => string | undefined;

/** One line of context on each side of the offending one; nothing when the source has no such line. */
export function frame(at: Position, lineOf: LineOf, style: FrameStyle): string[] {
  const text = lineOf(at.line);
  if (text === undefined) return [];
  const bar = style.paint('blue', '|');
  const row = (number: number, content: string): string =>
    `${style.paint('blue', String(number).padStart(style.gutter))} ${bar}${content === '' ? '' : ` ${content}`}`;
  const { visible, offset, length } = excerpt(text, at);
  const result = [`${' '.repeat(style.gutter)} ${bar}`];
  const before = lineOf(at.line - 1);
  if (before !== undefined && before.trim() !== '') result.push(row(at.line - 1, context(before)));
  result.push(row(at.line, visible));
  result.push(
    `${' '.repeat(style.gutter)} ${bar} ${' '.repeat(offset)}${style.paint(style.colour, '^'.repeat(length))}`,
  );
  const after = lineOf(at.line + 1);
  if (after !== undefined && after.trim() !== '') result.push(row(at.line + 1, context(after)));
  return result;
}

function context(line: string): string {
  return clip(expand(line.slice(0, MAX_UNITS)));
}

/** The part of a line around the offending text, and where the carets go under it, in columns of a terminal. */
function excerpt(text: string, at: Position): { visible: string; offset: number; length: number } {
  const start = Math.min(at.column - 1, text.length);
  const wholeEnd = Math.min(Math.max(at.endColumn ?? at.column + 1, at.column + 1) - 1, text.length);
  const end = Math.min(wholeEnd, start + MAX_UNITS);
  const before = expand(text.slice(Math.max(0, start - MAX_UNITS), start));
  const marked = expand(text.slice(start, end), widthOf(before));
  const after = expand(text.slice(end, end + MAX_UNITS), widthOf(before) + widthOf(marked));
  const offset = widthOf(before);
  const length = Math.max(1, widthOf(marked));
  if (offset + length <= MAX_WIDTH) return { visible: clip(before + marked + after), offset, length };
  const kept = tail(before, 40);
  const shortLength = Math.min(length, MAX_WIDTH - 45);
  return { visible: clip(`…${kept}${marked}${after}`), offset: widthOf(kept) + 1, length: shortLength };
}

function clip(text: string): string {
  let width = 0;
  let result = '';
  for (const { segment } of graphemes(text)) {
    width += widthOf(segment);
    if (width > MAX_WIDTH) return `${result}…`;
    result += segment;
  }
  return result;
}

/** The end of a text that fits into some columns. */
function tail(text: string, width: number): string {
  const parts = [...graphemes(text)].map(({ segment }) => segment);
  let used = 0;
  let from = parts.length;
  while (from > 0 && used + widthOf(parts[from - 1] ?? '') <= width) used += widthOf(parts[--from] ?? '');
  return parts.slice(from).join('');
}

/** Tabs become spaces up to the next stop; other control characters become a visible sign. */
function expand(text: string, from = 0): string {
  if (!/[\p{Cc}\p{Cf}]/u.test(text)) return text;
  let result = '';
  let column = from;
  for (const { segment } of graphemes(text)) {
    const piece = segment === '\t' ? ' '.repeat(TAB_WIDTH - (column % TAB_WIDTH)) : visible(segment);
    result += piece;
    column += widthOf(piece);
  }
  return result;
}

/** Control characters and marks that turn the direction of text would make a terminal lie. */
export function visible(text: string): string {
  return text.replaceAll(/\p{Cc}|[\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]/gu, '\ufffd');
}

/** A text that cannot leave its line or play tricks on the terminal. */
export function oneLine(text: string): string {
  return visible(text.replaceAll(/\s*\n\s*/g, ' '));
}

function graphemes(text: string): Iterable<{ readonly segment: string }> {
  return new Intl.Segmenter(undefined, { granularity: 'grapheme' }).segment(text);
}

/** Columns that a text takes in a terminal. */
export function widthOf(text: string): number {
  if (/^[\x20-\x7e]*$/.test(text)) return text.length;
  let width = 0;
  for (const { segment } of graphemes(text)) width += widthOfGrapheme(segment);
  return width;
}

function widthOfGrapheme(segment: string): number {
  if (/^\p{Mark}|^\p{Cf}/u.test(segment)) return 0;
  if (/\p{Emoji_Presentation}|\ufe0f/u.test(segment)) return 2;
  return isWide(segment.codePointAt(0) ?? 0) ? 2 : 1;
}

/** East Asian wide and full-width blocks. */
function isWide(point: number): boolean {
  if (point < 0x1100) return false;
  return (
    point <= 0x115f ||
    (point >= 0x2e80 && point <= 0x303e) ||
    (point >= 0x3041 && point <= 0xa4cf) ||
    (point >= 0xa960 && point <= 0xa97f) ||
    (point >= 0xac00 && point <= 0xd7a3) ||
    (point >= 0xf900 && point <= 0xfaff) ||
    (point >= 0xfe30 && point <= 0xfe6f) ||
    (point >= 0xff00 && point <= 0xff60) ||
    (point >= 0xffe0 && point <= 0xffe6) ||
    (point >= 0x20000 && point <= 0x3fffd)
  );
}
