// Prints plain data as YAML, letter by letter as the reference does: two spaces, lists indented, quotes only where needed.
import { resolvePlain } from './scalar.ts';

/** A YAML document that reads back as the same data; mappings are objects or, where order matters, Maps. */
export function printYaml(value: unknown): string {
  if (isScalar(value)) return `${printScalar(value, '')}\n`;
  const lines: string[] = [];
  printInner(value, '', lines);
  return `${lines.join('\n')}\n`;
}

type Entries = readonly (readonly [string, unknown])[];

function entriesOf(value: object): Entries {
  return value instanceof Map ? [...(value as ReadonlyMap<string, unknown>)] : Object.entries(value);
}

/** Whether a value fits behind its key: a scalar or an empty container. */
function isScalar(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return true;
  return Array.isArray(value) ? value.length === 0 : entriesOf(value).length === 0;
}

function printInner(value: unknown, indent: string, lines: string[]): void {
  if (Array.isArray(value)) printList(value, indent, lines);
  else printMap(entriesOf(value as object), indent, lines);
}

function printMap(entries: Entries, indent: string, lines: string[]): void {
  for (const [key, entry] of entries) {
    const head = `${indent}${printKey(key, indent)}:`;
    if (isScalar(entry)) lines.push(`${head} ${printScalar(entry, indent)}`);
    else {
      lines.push(head);
      printInner(entry, `${indent}  `, lines);
    }
  }
}

/** What is longer than this, or has several lines, is no simple key. */
const longestKey = 128;

function printKey(key: string, indent: string): string {
  // Without quotes it would be read as a merge.
  if (key === '<<') return `'<<'`;
  const isSimple = key.length <= longestKey && !lineBreak.test(key);
  return isSimple ? printText(key, indent) : `? ${printText(key, indent)}\n${indent}`;
}

function printList(value: readonly unknown[], indent: string, lines: string[]): void {
  for (const item of value) {
    if (isScalar(item)) {
      lines.push(`${indent}- ${printScalar(item, indent)}`);
      continue;
    }
    const inner: string[] = [];
    printInner(item, `${indent}  `, inner);
    // The first line of the item starts behind the dash.
    const [first = '', ...rest] = inner;
    lines.push(`${indent}- ${first.slice(indent.length + 2)}`, ...rest);
  }
}

function printScalar(value: unknown, indent: string): string {
  if (typeof value === 'string') return printText(value, indent);
  if (value === null || value === undefined) return 'null';
  if (Array.isArray(value)) return '[]';
  if (typeof value === 'object') return value instanceof Date ? `"${value.toISOString()}"` : '{}';
  if (typeof value === 'number') return printNumber(value);
  return String(value);
}

function printNumber(value: number): string {
  if (Number.isNaN(value)) return '.nan';
  if (!Number.isFinite(value)) return value > 0 ? '.inf' : '-.inf';
  return String(value).replace(/e([-+])(\d)$/, 'e$10$2');
}

const lineBreak = /[\n\r\u0085\u2028\u2029]/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what has to be escaped
const special = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]/;
const oldBoolean = /^(?:[yYnN]|[yY]es|YES|[nN]o|NO|[oO]n|ON|[oO]ff|OFF)$/;
const sexagesimal = /^[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+(?:\.[0-9_]*)?$/;
const startsLikeSyntax = /^(?:[#,[\]{}&*!|>'"%@`]|[?:-](?:[ \t]|$)|---|\.\.\.)/;
const looksLikeSyntax = /:(?:[ \t]|$)|[ \t]#/;

function printText(text: string, indent: string): string {
  if (text.includes('\n')) return canBeBlock(text) ? block(text, indent) : quoteDouble(text);
  if (special.test(text) || text.includes('\t') || isOtherType(text)) {
    return quoteDouble(text);
  }
  if (
    text.startsWith(' ') ||
    text.endsWith(' ') ||
    startsLikeSyntax.test(text) ||
    looksLikeSyntax.test(text)
  ) {
    return `'${text.replaceAll("'", "''")}'`;
  }
  return text;
}

/** Whether a text would be read as something else without quotes. */
function isOtherType(text: string): boolean {
  return resolvePlain(text).type !== 'string' || oldBoolean.test(text) || sexagesimal.test(text);
}

const escapes: Readonly<Record<string, string>> = {
  '\u0000': '\\0',
  '\u0007': '\\a',
  '\b': '\\b',
  '\t': '\\t',
  '\n': '\\n',
  '\v': '\\v',
  '\f': '\\f',
  '\r': '\\r',
  '\u001b': '\\e',
  '"': '\\"',
  '\\': '\\\\',
  '\u0085': '\\N',
  '\u2028': '\\L',
  '\u2029': '\\P',
};
const escaped =
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what has to be escaped
  /[\u0000-\u001f"\\\u007f-\u009f\u2028\u2029\ud800-\udfff\ufeff\ufffe\uffff]|[\u{10000}-\u{10ffff}]/gu;

function quoteDouble(text: string): string {
  return `"${text.replace(escaped, (character) => escapes[character] ?? escapeCode(character))}"`;
}

function escapeCode(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  const hex = code.toString(16).toUpperCase();
  if (code <= 0xff) return `\\x${hex.padStart(2, '0')}`;
  return code <= 0xffff ? `\\u${hex.padStart(4, '0')}` : `\\U${hex.padStart(8, '0')}`;
}

/** Block style cannot show odd characters or blanks at the end of a line. */
function canBeBlock(text: string): boolean {
  return !special.test(text) && !/ \n| $/.test(text);
}

function block(text: string, indent: string): string {
  const end = /\n*$/.exec(text)?.[0].length ?? 0;
  const chomp = end === 0 ? '-' : end === 1 && text !== '\n' ? '' : '+';
  const hint = /^[ \n]/.test(text) ? '2' : '';
  const body = end === 0 ? text : text.slice(0, -1);
  const lines = body.split('\n').map((line) => (line === '' ? '' : `${indent}  ${line}`));
  return `|${hint}${chomp}\n${lines.join('\n')}`;
}
