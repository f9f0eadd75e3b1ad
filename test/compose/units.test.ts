// Durations, sizes and numbers: what is accepted, and how it is printed.
import { describe, expect, it } from 'vitest';
import { splitCommand } from '../../src/compose/command.ts';
import {
  byteCount,
  durationMs,
  float32,
  parseBytes,
  parseDuration,
  printDuration,
  printFloat,
} from '../../src/compose/units.ts';

describe('a duration', () => {
  it.each([
    ['90s', '1m30s'],
    ['1h', '1h0m0s'],
    ['1d', '24h0m0s'],
    ['1w2d', '216h0m0s'],
    ['1.5h', '1h30m0s'],
    ['500us', '500µs'],
    ['1.5ms', '1.5ms'],
    ['1500ms', '1.5s'],
    ['0', '0s'],
    ['0s', '0s'],
    ['7ns', '7ns'],
    ['-2m', '-2m0s'],
    ['61.25s', '1m1.25s'],
  ])('%s is %s', (text, expected) => {
    const value = parseDuration(text);
    expect(value === undefined ? undefined : printDuration(value)).toBe(expected);
  });

  it.each(['', '1', '1 s', 's', '.s', '1x', '1m s', '--1s', '99999999999999h'])('is not %j', (text) => {
    expect(parseDuration(text)).toBeUndefined();
  });

  it('has milliseconds', () => {
    expect([durationMs('1m30s'), durationMs('500µs'), durationMs('1.5s')]).toEqual([90_000, 0.5, 1500]);
  });
});

describe('a size', () => {
  it.each<[string, bigint]>([
    ['1024', 1024n],
    ['1k', 1024n],
    ['1KB', 1024n],
    ['1 GiB', 1073741824n],
    ['1.5m', 1572864n],
    ['10b', 10n],
    ['2T', 2199023255552n],
    ['1e3', 1000n],
  ])('%s', (text, bytes) => {
    expect(parseBytes(text)).toBe(bytes);
  });

  it.each(['', 'k', 'large', '-1', '1kk', '1xb', '1  k', '1e999', '0x10'])('is not %j', (text) => {
    expect(parseBytes(text)).toBeUndefined();
  });

  it('is a number of bytes', () => {
    expect([byteCount('1024'), byteCount('-1')]).toEqual([1024, -1]);
  });
});

describe('a number', () => {
  it.each([
    [1.5, '1.5'],
    [2, '2'],
    [1e21, '1e+21'],
    [1e-7, '1e-07'],
    [0.0001, '0.0001'],
    [123456789.5, '123456789.5'],
    [-0, '-0'],
    [Number.POSITIVE_INFINITY, '+Inf'],
  ])('%d prints as %s', (value, text) => {
    expect(printFloat(value)).toBe(text);
  });

  it('of single precision is the shortest that means it', () => {
    expect([float32(0.1), float32(0.3), float32(1 / 3), float32(16777217)]).toEqual([
      0.1, 0.3, 0.33333334, 16777216,
    ]);
  });
});

describe('a command line', () => {
  it.each<[string, string[] | undefined]>([
    ['a b  c', ['a', 'b', 'c']],
    ['a "b c" \'d e\'', ['a', 'b c', 'd e']],
    ['a\\ b "c\\nd"', ['a b', 'cnd']],
    ['a "" \'\'', ['a', '', '']],
    ['a; b', ['a']],
    ['a|b', ['a']],
    ['a 2>&1 x', ['a']],
    ['a $(b c) `d e`', ['a', '$(b c)', '`d e`']],
    ['a #b', ['a', '#b']],
    ['', []],
    ['a (b)', undefined],
    ['a "b', undefined],
    ['a \\', undefined],
    ['a `b', undefined],
  ])('%s', (line, words) => {
    expect(splitCommand(line)).toEqual(words);
  });
});
