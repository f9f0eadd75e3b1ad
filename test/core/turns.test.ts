// Places for what cannot all be under way at once.
import { describe, expect, it } from 'vitest';
import { Turns } from '../../core/turns.ts';

describe('turns', () => {
  it('let so many go on, and the others in the order in which they came', async () => {
    const turns = new Turns(2);
    const order: number[] = [];
    const come = async (number: number) => {
      await turns.take();
      order.push(number);
    };
    const all = [1, 2, 3, 4].map(come);
    await Promise.all(all.slice(0, 2));
    expect(order).toEqual([1, 2]);
    turns.pass();
    await all[2];
    expect(order).toEqual([1, 2, 3]);
    turns.pass();
    turns.pass();
    await all[3];
    turns.pass();
    await come(5);
    expect(order).toEqual([1, 2, 3, 4, 5]);
  });
});
