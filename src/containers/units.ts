// Durations, byte sizes and signals as numbers.
import { constants } from 'node:os';
import { ComposeError } from '../errors.ts';

const UNIT_MS: Readonly<Record<string, number>> = {
  ns: 1e-6,
  us: 1e-3,
  µs: 1e-3,
  μs: 1e-3,
  ms: 1,
  s: 1000,
  m: 60_000,
  h: 3_600_000,
};

/** Milliseconds of a duration as Go prints it (`1m30s`); not rounded. */
export function durationMs(text: string): number {
  if (text === '0') return 0;
  const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ns|us|µs|μs|ms|s|m|h)/g)];
  if (parts.length === 0 || parts.map(([all]) => all).join('') !== text) {
    throw new ComposeError('invalid-value', `${JSON.stringify(text)} is no duration`);
  }
  return parts.reduce((sum, [, number, unit]) => sum + Number(number) * (UNIT_MS[unit ?? ''] ?? 0), 0);
}

/** Bytes of a decimal string; -1 is unlimited. */
export function byteCount(text: string | number): number {
  const bytes = Number(text);
  if (!Number.isFinite(bytes))
    throw new ComposeError('invalid-value', `${JSON.stringify(text)} is no number of bytes`);
  return bytes;
}

/** Number of a signal given as `SIGTERM`, `TERM`, `RTMIN+3` or `15`. */
export function signalNumber(text: string): number {
  const name = text.trim().toUpperCase().replace(/^SIG/, '');
  if (/^\d+$/.test(name)) return checkSignal(Number(name), text);
  const realTime = /^RT(MIN|MAX)(?:([+-])(\d+))?$/.exec(name);
  if (realTime) return checkSignal(realTimeSignal(realTime), text);
  const known: Readonly<Record<string, number>> = constants.signals;
  return checkSignal(known[`SIG${name}`] ?? 0, text);
}

// As the C library counts them: two real-time signals are taken by its threads.
function realTimeSignal([, end, sign, offset]: RegExpExecArray): number {
  const base = end === 'MIN' ? 34 : 64;
  return base + (sign === '-' ? -1 : 1) * Number(offset ?? 0);
}

function checkSignal(signal: number, text: string): number {
  if (signal >= 1 && signal <= 64) return signal;
  throw new ComposeError('invalid-value', `unknown signal ${text}`);
}
