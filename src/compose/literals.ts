// Double-quoted and block scalars of YAML, the common forms; undefined for the others.

const simpleEscapes: Readonly<Record<string, string>> = {
  '0': '\0',
  a: '\x07',
  b: '\b',
  t: '\t',
  n: '\n',
  v: '\v',
  f: '\f',
  r: '\r',
  e: '\x1b',
  ' ': ' ',
  '"': '"',
  '/': '/',
  '\\': '\\',
  N: '\u0085',
  _: '\u00a0',
  L: '\u2028',
  P: '\u2029',
};

const lengths: Readonly<Record<string, number>> = { x: 2, u: 4, U: 8 };

/** A text that is put together of millions of pieces in little memory. */
class Pieces {
  private text = '';
  private pieces: string[] = [];

  add(piece: string): void {
    if (this.pieces.push(piece) < 4096) return;
    this.text += this.pieces.join('');
    this.pieces = [];
  }

  toString(): string {
    return this.text + this.pieces.join('');
  }
}

/** The text of a single-quoted scalar on one line. */
export function singleQuoted(raw: string): string {
  if (!raw.includes("'")) return raw;
  const result = new Pieces();
  let done = 0;
  for (let at = raw.indexOf("''"); at >= 0; at = raw.indexOf("''", done)) {
    result.add(raw.slice(done, at + 1));
    done = at + 2;
  }
  result.add(raw.slice(done));
  return result.toString();
}

/** The text of a double-quoted scalar on one line; undefined when it has an escape that YAML does not know. */
export function doubleQuoted(raw: string): string | undefined {
  if (!raw.includes('\\')) return raw;
  const result = new Pieces();
  let done = 0;
  for (let at = raw.indexOf('\\'); at >= 0; at = raw.indexOf('\\', done)) {
    if (at > done) result.add(raw.slice(done, at));
    const kind = raw.charAt(at + 1);
    const length = lengths[kind];
    const escaped =
      length === undefined ? simpleEscapes[kind] : codePoint(raw.slice(at + 2, at + 2 + length), length);
    if (escaped === undefined) return undefined;
    result.add(escaped);
    done = at + 2 + (length ?? 0);
  }
  result.add(raw.slice(done));
  return result.toString();
}

function codePoint(digits: string, length: number): string | undefined {
  if (digits.length !== length || !/^[0-9a-fA-F]+$/.test(digits)) return undefined;
  const code = Number.parseInt(digits, 16);
  return code > 0x10ffff ? undefined : String.fromCodePoint(code);
}

export interface BlockScalar {
  readonly value: string;
  /** Start of the first line that does not belong to it. */
  readonly end: number;
}

const header = /([|>])(?:([-+])?([1-9])?|([1-9])([-+]))[ ]*(?:(?<= )#[^\n]*)?\n/y;

/** A literal or folded scalar; `parent` is the column of what contains it. */
export function blockScalar(text: string, start: number, parent: number): BlockScalar | undefined {
  header.lastIndex = start;
  const match = header.exec(text);
  if (match === null) return undefined;
  const explicit = match[3] ?? match[4];
  const chomp = match[2] ?? match[5] ?? '';
  const first = start + match[0].length;
  const indent = explicit === undefined ? contentIndent(text, first) : Math.max(parent, 0) + Number(explicit);
  if (indent === undefined || indent <= parent) return undefined;
  const lines: string[] = [];
  let at = first;
  while (at < text.length) {
    const end = text.indexOf('\n', at);
    // Without a line break at its end the last line has rules of its own.
    if (end < 0) return undefined;
    const line = lineContent(text.slice(at, end), indent);
    if (line === undefined) break;
    if (line === null) return undefined;
    lines.push(line);
    at = end + 1;
  }
  return finish(lines, { isFolded: match[1] === '>', chomp, end: at });
}

/** The line without its indentation; undefined when it stands further out, null when that cannot be told. */
function lineContent(line: string, indent: number): string | undefined | null {
  const spaces = line.length - line.trimStart().length;
  if (spaces === line.length && !line.includes('\t')) return line.slice(indent);
  const leading = /^ */.exec(line)?.[0].length ?? 0;
  if (leading >= indent) return line.slice(indent);
  return line.charAt(leading) === '\t' ? null : undefined;
}

function contentIndent(text: string, first: number): number | undefined {
  let longestBlank = 0;
  for (let at = first; at < text.length; ) {
    const end = text.indexOf('\n', at);
    const line = text.slice(at, end < 0 ? text.length : end);
    const leading = /^ */.exec(line)?.[0].length ?? 0;
    if (leading < line.length)
      return line.charAt(leading) === '\t' || longestBlank > leading ? undefined : leading;
    longestBlank = Math.max(longestBlank, leading);
    if (end < 0) return undefined;
    at = end + 1;
  }
  return undefined;
}

function finish(
  lines: string[],
  { isFolded, chomp, end }: { isFolded: boolean; chomp: string; end: number },
): BlockScalar | undefined {
  let last = lines.length;
  while (last > 0 && lines[last - 1] === '') last -= 1;
  // Blank lines that are longer than the indentation count as content.
  if (last === 0) return undefined;
  const content = lines.slice(0, last);
  const body = isFolded ? fold(content) : content.join('\n');
  const tail = chomp === '-' ? '' : chomp === '+' ? '\n'.repeat(lines.length - last + 1) : '\n';
  return { value: body + tail, end };
}

/** Joins lines by blanks, except around empty lines and lines that are further in. */
function fold(lines: readonly string[]): string {
  const result = new Pieces();
  let wasText = false;
  let hasText = false;
  let empty = 0;
  for (const line of lines) {
    if (line === '') {
      empty += 1;
      continue;
    }
    const isTextHere = isText(line);
    const isJoined = wasText && isTextHere;
    if (empty > 0) result.add('\n'.repeat(isJoined || !hasText ? empty : empty + 1));
    else if (hasText) result.add(isJoined ? ' ' : '\n');
    result.add(line);
    hasText = true;
    wasText = isTextHere;
    empty = 0;
  }
  return result.toString();
}

function isText(line: string): boolean {
  return line !== '' && !line.startsWith(' ') && !line.startsWith('\t');
}
