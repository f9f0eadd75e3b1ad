// What rows of the schema accept and what values are, in the words of messages.
import { type Row, TYPE } from './schema-rows.ts';

/** What a row accepts, in words; strings are not named where they only stand for what a variable may hold. */
export function expected(row: Row): string {
  const { types } = row;
  const has = (bit: number): boolean => (types & bit) !== 0;
  const words = [];
  if (row.enum) words.push(listed(row.enum));
  else if (has(TYPE.string) && types !== (TYPE.string | TYPE.boolean)) words.push('a string');
  if (has(TYPE.array)) words.push('a list');
  if (has(TYPE.object)) words.push('a mapping');
  if (has(TYPE.fraction)) words.push('a number');
  else if (has(TYPE.integer)) words.push(`an integer${range(row)}`);
  if (has(TYPE.boolean)) words.push('true or false');
  if (has(TYPE.null)) words.push('empty');
  return joined(words);
}

function range({ minimum, maximum }: Row): string {
  if (minimum === undefined) return '';
  return maximum === undefined ? ` of at least ${minimum}` : ` between ${minimum} and ${maximum}`;
}

/** What a value is, in words. */
export function described(value: unknown): string {
  if (value === null || value === undefined) return 'empty';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'number') return `the number ${value}`;
  if (typeof value === 'boolean') return `the boolean ${value}`;
  if (typeof value === 'string') return 'a string';
  return value instanceof Date ? 'a timestamp' : 'a mapping';
}

/** What keys there are, where these are few. */
export function ownKeys(known: readonly string[]): string {
  if (known.length > 12) return 'keys of your own have to start with `x-`';
  return `known are ${joined(
    known.map((key) => `\`${key}\``),
    'and',
  )}`;
}

/** A text in quotes, cut when it is long. */
export function quoted(text: string): string {
  const short = text.length > 60 ? `${text.slice(0, 57)}…` : text;
  return JSON.stringify(short);
}

/** Texts in quotes, one after the other. */
export function listed(values: readonly string[], word?: string): string {
  return joined(values.slice(0, 12).map(quoted), word);
}

function joined(words: readonly string[], word = 'or'): string {
  if (words.length < 2) return words.join('');
  return `${words.slice(0, -1).join(', ')} ${word} ${words.at(-1)}`;
}
