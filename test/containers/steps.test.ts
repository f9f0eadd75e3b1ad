// The launch program's TypeScript mirror against the header that the C decoder is made from.
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { decodeLaunch, encodeLaunch, STEPS, step } from '../../src/containers/steps.ts';

const header = readFileSync(new URL('../../core/include/launch.h', import.meta.url), 'utf8');

describe('steps', () => {
  test('are those of launch.h, number by number', () => {
    const rows = [...header.matchAll(/^\s*X\((\d+),\s*(\w+),\s*"([^"]*)",\s*(\w+)\)/gm)];
    const inHeader = rows.map(([, op, name, signature, phase]) => [
      name,
      { op: Number(op), signature, phase: phase?.toLowerCase() },
    ]);
    expect(rows.length).toBeGreaterThan(40);
    expect(STEPS).toEqual(Object.fromEntries(inHeader));
  });

  test('survive encoding and decoding', () => {
    const program = [
      step('NAMESPACES', 0x20000 | 0x2000_0000),
      step('ROOT_OVERLAY', '/r', '/u', '/w', '', '/l1', '/l2'),
      step('FILE', '/run/secrets/ä', 0o440, 0, 33, new Uint8Array([0, 1, 255])),
      step('RLIMIT', 7, 1024, -1),
      step('CAPABILITIES', 2 ** 40, 2 ** 40 + 1, 0, 0, 0),
      step('PIVOT_ROOT'),
      step('EXEC', 'sh', '-c', ''),
    ];
    expect(decodeLaunch(encodeLaunch(program))).toEqual(program);
  });

  test('have the bytes that launch.h describes', () => {
    expect(Buffer.from(encodeLaunch([step('OOM_SCORE_ADJ', -5)])).toString('hex')).toBe(
      `${Buffer.from('TSLP').toString('hex')}010000000100000000000000` +
        `2600000001000000` +
        `08000000fbffffffffffffff00`,
    );
  });

  test('refuse strings with NUL and programs that end early', () => {
    const unfit = expect.objectContaining({ code: 'invalid-value' });
    expect(() => encodeLaunch([step('HOSTNAME', 'a\0b')])).toThrow('HOSTNAME');
    expect(() => encodeLaunch([step('HOSTNAME', 'a\0b')])).toThrow(unfit);
    expect(() => encodeLaunch([step('UMASK', 1e24)])).toThrow(unfit);
    const bytes = encodeLaunch([step('HOSTNAME', 'web')]);
    expect(() => decodeLaunch(bytes.subarray(0, bytes.length - 2))).toThrow('ends early');
    expect(() => decodeLaunch(Buffer.concat([bytes, bytes]))).toThrow('after');
  });
});
