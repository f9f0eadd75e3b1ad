// What an unquoted YAML scalar means to the reference: YAML 1.2 with the numbers and dates of 1.1.
import type { ScalarType, ScalarValue } from './tree.ts';

export interface Resolved {
  readonly value: ScalarValue;
  readonly type: ScalarType;
}

const words = new Map<string, Resolved>([
  ...['', '~', 'null', 'Null', 'NULL'].map((word) => [word, { value: null, type: 'null' }] as const),
  ...['true', 'True', 'TRUE'].map((word) => [word, { value: true, type: 'boolean' }] as const),
  ...['false', 'False', 'FALSE'].map((word) => [word, { value: false, type: 'boolean' }] as const),
  ...['.inf', '.Inf', '.INF', '+.inf', '+.Inf', '+.INF'].map(
    (word) => [word, { value: Number.POSITIVE_INFINITY, type: 'float' }] as const,
  ),
  ...['-.inf', '-.Inf', '-.INF'].map(
    (word) => [word, { value: Number.NEGATIVE_INFINITY, type: 'float' }] as const,
  ),
  ...['.nan', '.NaN', '.NAN'].map((word) => [word, { value: Number.NaN, type: 'float' }] as const),
]);
const integer = /^([-+]?)(?:0[xX]([0-9a-fA-F]+)|0[bB]([01]+)|0[oO]?([0-7]+)|(0|[1-9][0-9]*))$/;
const float = /^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?$/;
const date =
  /^(\d{4})-(\d{1,2})-(\d{1,2})(?:[Tt ]\d{1,2}:\d{1,2}:\d{1,2}(?:\.\d{1,9})?(?:Z|[-+]\d\d:\d\d)?)?$/;
const maxUint64 = (1n << 64n) - 1n;

/** The value of a plain scalar. */
export function resolvePlain(text: string): Resolved {
  const word = words.get(text);
  if (word !== undefined) return word;
  const first = text.charCodeAt(0);
  // Only digits, signs and dots can start a number.
  if ((first >= 0x30 && first <= 0x39) || first === 0x2b || first === 0x2d || first === 0x2e) {
    return resolveNumber(text);
  }
  return { value: text, type: 'string' };
}

function resolveNumber(text: string): Resolved {
  if (isDate(text)) return { value: text, type: 'timestamp' };
  const bare = text.includes('_') && !text.startsWith('.') ? text.replaceAll('_', '') : text;
  const whole = integer.exec(bare);
  const int = whole === null ? undefined : integerOf(whole);
  if (int !== undefined) return { value: int, type: 'int' };
  const size = float.test(bare) ? Number(bare) : Number.NaN;
  // What no number of double precision can hold is text.
  if (Number.isFinite(size)) return { value: size, type: 'float' };
  return { value: text, type: 'string' };
}

function integerOf(match: RegExpExecArray): number | bigint | undefined {
  const [, sign, hex, binary, octal, decimal] = match;
  const size = BigInt(decimal ?? (hex ? `0x${hex}` : binary ? `0b${binary}` : `0o${octal}`));
  if (size > maxUint64 || (sign === '-' && size > 1n << 63n)) return undefined;
  const value = sign === '-' ? -size : size;
  const small = Number(value);
  return Number.isSafeInteger(small) ? small : value;
}

function isDate(text: string): boolean {
  const match = date.exec(text);
  if (match === null) return false;
  const [year, month, day] = [Number(match[1]), Number(match[2]), Number(match[3])];
  const real = new Date(Date.UTC(year, month - 1, day));
  return real.getUTCMonth() === month - 1 && real.getUTCDate() === day;
}

/** The value of a scalar with an explicit tag; undefined when text and tag do not fit. */
export function resolveTagged(tag: string, text: string): Resolved | undefined {
  const short = tag.startsWith('tag:yaml.org,2002:') ? tag.slice('tag:yaml.org,2002:'.length) : tag;
  if (short === 'binary') return { value: Buffer.from(text, 'base64').toString('utf8'), type: 'string' };
  if (!['bool', 'int', 'float', 'null', 'timestamp'].includes(short)) return { value: text, type: 'string' };
  const resolved = resolvePlain(text);
  if (short === 'float' && resolved.type === 'int') return { value: Number(resolved.value), type: 'float' };
  const type = short === 'bool' ? 'boolean' : short;
  return resolved.type === type ? resolved : undefined;
}
