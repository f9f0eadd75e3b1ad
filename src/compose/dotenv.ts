// Env files in Compose's own dialect: quotes, escapes, several lines, `export`, inheritance, interpolation.
import { ComposeError, type Position } from '../errors.ts';
import { type Lookup, substitute, TemplateError } from './template.ts';

/** A variable of an env file and the line that sets it. */
export interface EnvEntry {
  readonly value: string;
  readonly at: Position;
}

export interface EnvFileOptions {
  /** Looked up before the file's own variables. */
  readonly lookup: Lookup;
  readonly onUnset: (name: string, at: Position) => void;
}

interface Reading {
  readonly file: string;
  readonly text: string;
  readonly into: Map<string, EnvEntry>;
  readonly options: EnvFileOptions;
  at: number;
  line: number;
}

/** Most variables of a set of files. */
const maxVariables = 100_000;

const blank = /[\t\v\f\r \u0085\u00a0]*/y;
const exportWord = /export\s+/y;
const keyCharacter = /[\p{L}\p{N}_.\-[\]\t\v\f\r \u0085\u00a0]/u;
const escapeSequence = /\\(?:[abcfnrtv$"\\]|0\d{0,3})/g;
const escapes: Readonly<Record<string, string>> = {
  a: '\x07',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
  v: '\v',
  '"': '"',
  '\\': '\\',
  $: '$$',
};

/** Reads an env file into `into`; later entries replace earlier ones. Throws ComposeError `env-file`. */
export function parseEnvFile(
  file: string,
  content: string,
  into: Map<string, EnvEntry>,
  options: EnvFileOptions,
): void {
  const text = content.startsWith('\uFEFF') ? content.slice(1) : content;
  const reading: Reading = { file, text, into, options, at: 0, line: 1 };
  while (skipToStatement(reading)) readStatement(reading);
}

/** Reads an env file of `format: raw`: lines of `KEY=value`, everything after the sign belongs to the value. */
export function parseRawEnvFile(
  file: string,
  content: string,
  into: Map<string, EnvEntry>,
  lookup: Lookup,
): void {
  const lines = (content.startsWith('\uFEFF') ? content.slice(1) : content).split(/\r?\n/);
  lines.forEach((whole, index) => {
    const line = whole.trimStart();
    if (line === '' || line.startsWith('#')) return;
    const at = { file, line: index + 1, column: 1 };
    const sign = line.indexOf('=');
    const key = sign < 0 ? line.trimEnd() : line.slice(0, sign);
    if (key === '' || /\s/.test(key)) {
      throw new ComposeError('env-file', `variable "${key}" contains whitespace or has no name`, { at });
    }
    const value = sign < 0 ? lookup(key) : line.slice(sign + 1);
    if (value !== undefined) into.set(key, { value, at });
    if (into.size > maxVariables) {
      throw new ComposeError('env-file', `there are more than ${maxVariables} variables`, { at });
    }
  });
}

function skipToStatement(reading: Reading): boolean {
  const { text } = reading;
  for (; reading.at < text.length; reading.at++) {
    const character = text.charAt(reading.at);
    if (character === '\n') reading.line += 1;
    else if (character === '#') {
      const end = text.indexOf('\n', reading.at);
      if (end < 0) return false;
      reading.at = end - 1;
    } else if (!/\s|\u0085/.test(character)) return true;
  }
  return false;
}

function readStatement(reading: Reading): void {
  const line = reading.line;
  skip(reading, exportWord);
  const { key, inherited } = readKey(reading);
  const at: Position = { file: reading.file, line, column: 1, endColumn: key.length + 1 };
  if (key.includes(' ')) throw fail(reading, 'a variable name cannot contain a space');
  if (inherited) {
    const value = reading.options.lookup(key);
    if (value !== undefined) reading.into.set(key, { value, at });
    return;
  }
  skip(reading, blank);
  reading.into.set(key, { value: readValue(reading), at });
  if (reading.into.size > maxVariables) throw fail(reading, `there are more than ${maxVariables} variables`);
}

function skip(reading: Reading, pattern: RegExp): void {
  pattern.lastIndex = reading.at;
  reading.at += pattern.exec(reading.text)?.[0].length ?? 0;
}

function readKey(reading: Reading): { key: string; inherited: boolean } {
  const start = reading.at;
  for (let at = start; ; at++) {
    const character = reading.text[at];
    if (character !== undefined && character !== '=' && character !== ':' && character !== '\n') {
      const point = String.fromCodePoint(reading.text.codePointAt(at) ?? 0);
      if (!keyCharacter.test(point)) throw fail(reading, unexpected(reading, start, point));
      at += point.length - 1;
      continue;
    }
    const inherited = character === undefined || character === '\n';
    reading.at = Math.min(at + 1, reading.text.length);
    if (inherited) reading.line += 1;
    return { key: reading.text.slice(start, at).trimEnd(), inherited };
  }
}

function unexpected(reading: Reading, start: number, character: string): string {
  const line = firstLine(reading.text, start);
  return `unexpected character "${character}" in variable name "${line}"`;
}

/** What a message quotes of a text. */
function firstLine(text: string, start: number): string {
  return text.slice(start, start + 200).split('\n', 1)[0] ?? '';
}

function readValue(reading: Reading): string {
  const quote = reading.text[reading.at];
  return quote === '"' || quote === "'" ? readQuoted(reading, quote) : readUnquoted(reading);
}

function readUnquoted(reading: Reading): string {
  const newline = reading.text.indexOf('\n', reading.at);
  const end = newline < 0 ? reading.text.length : newline;
  const whole = reading.text.slice(reading.at, end);
  const comment = whole.indexOf(' #');
  const value = expandValue(reading, (comment < 0 ? whole : whole.slice(0, comment)).trimEnd());
  reading.at = Math.min(end + 1, reading.text.length);
  reading.line += 1;
  return value;
}

function readQuoted(reading: Reading, quote: string): string {
  const start = reading.at;
  const line = reading.line;
  let value = '';
  for (let at = start + 1; at < reading.text.length; at++) {
    const character = reading.text.charAt(at);
    if (character === '\n') reading.line += 1;
    if (character === quote) {
      reading.at = at + 1;
      return quote === '"' ? expandValue(reading, expandEscapes(value)) : value;
    }
    const next = reading.text[at + 1];
    if (character !== '\\' || next === undefined) value += character;
    else {
      // Only the quote itself loses its backslash here; other escapes are told apart later.
      value += next === quote ? next : character + next;
      if (next === '\n') reading.line += 1;
      at += 1;
    }
  }
  reading.line = line;
  throw fail(reading, `unterminated quoted value ${firstLine(reading.text, start)}`);
}

function expandEscapes(value: string): string {
  return value.replace(escapeSequence, (whole) => {
    const kind = whole.charAt(1);
    if (kind !== '0') return escapes[kind] ?? whole;
    // Exactly three octal digits make a character; of anything else only the zero goes.
    const code = whole.length === 5 ? Number.parseInt(whole.slice(2), 8) : Number.NaN;
    return code <= 0xff ? String.fromCharCode(code) : `\\${whole.slice(2)}`;
  });
}

function expandValue(reading: Reading, value: string): string {
  if (!value.includes('$')) return value;
  const { lookup, onUnset } = reading.options;
  const at: Position = { file: reading.file, line: reading.line, column: 1 };
  try {
    return substitute(
      value,
      (name) => lookup(name) ?? reading.into.get(name)?.value,
      (name) => onUnset(name, at),
    );
  } catch (error) {
    if (error instanceof TemplateError) throw fail(reading, error.message);
    throw error;
  }
}

function fail(reading: Reading, message: string): ComposeError {
  const at = { file: reading.file, line: reading.line, column: 1 };
  return new ComposeError('env-file', message, { at });
}
