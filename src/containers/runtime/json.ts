// JSON as other programs write it: numbers beyond 2^53, and null for what is absent.
import { asNumber, type JsonObject } from '../../state/decode.ts';

const NUMBERS_BEYOND = /\d{16}/;
const STRINGS_AND_NUMBERS = /"(?:[^"\\]|\\.)*"|-?\d{16,}/g;

/** JSON.parse() that keeps integers of sixteen and more digits exact, as strings. */
export function parseJson(text: string): unknown {
  if (!NUMBERS_BEYOND.test(text)) return JSON.parse(text);
  return JSON.parse(
    text.replace(STRINGS_AND_NUMBERS, (found) => (found.startsWith('"') ? found : `"${found}"`)),
  );
}

/** An integer; -1, which is unlimited, for one that no limit of this world reaches. */
export function asInteger(value: unknown, what: string): number {
  if (typeof value !== 'string') return asNumber(value, what);
  if (!/^-?\d{16,}$/.test(value)) throw new TypeError(`${what} is no number`);
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : -1;
}

/** An integer of 64 bits. */
export function asExactInteger(value: unknown, what: string): number | bigint {
  return typeof value === 'string' && /^\d{16,20}$/.test(value) ? BigInt(value) : asNumber(value, what);
}

/** Like `optional` of the decoders, but null is absent too. */
export function maybe<K extends string, T>(
  object: JsonObject,
  key: K,
  item: (value: unknown, what: string) => T,
): { readonly [P in K]?: T } {
  const value = object[key];
  return value === undefined || value === null
    ? {}
    : ({ [key]: item(value, key) } as { readonly [P in K]?: T });
}
