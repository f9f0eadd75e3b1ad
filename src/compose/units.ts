// Durations, sizes and numbers: what Compose accepts, how it prints them, and what they are in numbers.
import type { Bytes, Duration } from './project.ts';

const nanoseconds: Readonly<Record<string, bigint>> = {
  ns: 1n,
  us: 1_000n,
  µs: 1_000n,
  μs: 1_000n,
  ms: 1_000_000n,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n,
  d: 86_400_000_000_000n,
  w: 604_800_000_000_000n,
};
const maxInt64 = (1n << 63n) - 1n;

/** Nanoseconds of a duration such as `1m30s`, `1.5h` or `1w2d`; undefined when it is none. */
export function parseDuration(text: string): bigint | undefined {
  const signed = /^([-+]?)(.+)$/s.exec(text);
  const body = signed?.[2];
  if (body === undefined) return undefined;
  if (body === '0') return 0n;
  const part = /(\d*)(?:\.(\d*))?([^\d.]+)/y;
  let total = 0n;
  while (part.lastIndex < body.length) {
    const match = part.exec(body);
    if (match === null) return undefined;
    const value = durationPart(match[1] ?? '', match[2] ?? '', match[3] ?? '');
    if (value === undefined) return undefined;
    total += value;
  }
  if (total > maxInt64) return undefined;
  return signed?.[1] === '-' ? -total : total;
}

function durationPart(whole: string, fraction: string, unit: string): bigint | undefined {
  const factor = Object.hasOwn(nanoseconds, unit) ? nanoseconds[unit] : undefined;
  if (factor === undefined || (whole === '' && fraction === '')) return undefined;
  const digits = fraction.slice(0, 18);
  const share = digits === '' ? 0n : (BigInt(digits) * factor) / 10n ** BigInt(digits.length);
  return BigInt(whole.slice(0, 20) || '0') * factor + share;
}

/** A duration as the reference prints it, for example `1h0m0s`, `1.5s` or `500µs`. */
export function printDuration(value: bigint): Duration {
  const sign = value < 0n ? '-' : '';
  const size = value < 0n ? -value : value;
  if (size === 0n) return '0s';
  if (size < 1_000n) return `${sign}${size}ns`;
  if (size < 1_000_000n) return `${sign}${decimal(size, 1_000n)}µs`;
  if (size < 1_000_000_000n) return `${sign}${decimal(size, 1_000_000n)}ms`;
  const seconds = size / 1_000_000_000n;
  const rest = decimal(size % 60_000_000_000n, 1_000_000_000n);
  if (seconds < 60n) return `${sign}${rest}s`;
  if (seconds < 3600n) return `${sign}${seconds / 60n}m${rest}s`;
  return `${sign}${seconds / 3600n}h${(seconds / 60n) % 60n}m${rest}s`;
}

function decimal(value: bigint, unit: bigint): string {
  const fraction = (value % unit)
    .toString()
    .padStart(unit.toString().length - 1, '0')
    .replace(/0+$/, '');
  return fraction === '' ? `${value / unit}` : `${value / unit}.${fraction}`;
}

/** Milliseconds of a canonical duration; 0 for an unreadable one. */
export function durationMs(duration: Duration): number {
  return Number(parseDuration(duration) ?? 0n) / 1e6;
}

const suffixes: Readonly<Record<string, number>> = { b: 0, k: 1, m: 2, g: 3, t: 4, p: 5 };

/** Bytes of a size such as `64m`, `1.5 GiB` or `1024`; undefined when it is none. */
export function parseBytes(text: string): bigint | undefined {
  const match = /^([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?) ?(b|[kmgtp](?:i?b)?)?$/i.exec(text);
  const amount = Number(match?.[1]);
  if (match === null || Number.isNaN(amount) || amount < 0 || Object.is(amount, -0)) return undefined;
  const power = suffixes[(match[2] ?? 'b').charAt(0).toLowerCase()] ?? 0;
  const bytes = Math.trunc(amount * 1024 ** power);
  return Number.isFinite(bytes) ? BigInt(bytes) : undefined;
}

/** Number of bytes of a canonical size; -1 means unlimited. */
export function byteCount(bytes: Bytes): number {
  return Number(bytes);
}

/** A number as Go's `%v` prints it: exponents from 1e21 and below 1e-4, with two digits. */
export function printFloat(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf';
  if (Object.is(value, -0)) return '-0';
  const size = Math.abs(value);
  const plain = size === 0 || (size >= 1e-4 && size < 1e21);
  if (plain) return String(value);
  return value.toExponential().replace(/e([+-])(\d)$/, 'e$10$2');
}

/** The nearest 32 bit float, as the shortest decimal that still means it. */
export function float32(value: number): number {
  const single = Math.fround(value);
  if (!Number.isFinite(single)) return single;
  for (let digits = 1; digits <= 9; digits++) {
    const short = Number(single.toPrecision(digits));
    if (Math.fround(short) === single) return short;
  }
  return single;
}
