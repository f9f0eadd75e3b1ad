// Calls made at the same moment are done as one.
import { describe, expect, it } from 'vitest';
import { Batch } from '../../src/engine/batch.ts';

describe('Batch', () => {
  it('does what comes in one turn together, by key, and answers each', async () => {
    const calls: string[] = [];
    const batch = new Batch<number, number>(async (key, values) => {
      calls.push(`${key}:${values.join(',')}`);
      return values.map((value) => value * 2);
    });
    expect(await Promise.all([batch.add('a', 1), batch.add('b', 2), batch.add('a', 3)])).toEqual([2, 4, 6]);
    expect(calls).toEqual(['a:1,3', 'b:2']);
    expect(await batch.add('a', 4)).toBe(8);
  });

  it('does the values one by one when they fail together, so that only the bad one fails', async () => {
    const batch = new Batch<number, number>(async (_key, values) => {
      if (values.includes(2)) throw new Error('two');
      return values;
    });
    const results = await Promise.allSettled([batch.add('a', 1), batch.add('a', 2), batch.add('a', 3)]);
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
  });
});
