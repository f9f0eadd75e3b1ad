// mem_reservation
import { describe, expect, test } from 'vitest';
import { groupFile } from '../groups.ts';
import { inside, isImpossible, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('mem_reservation'), () => {
  test.each([['mem_reservation: 32m'], ['deploy: {resources: {reservations: {memory: 32m}}}']])(
    '%s is the soft limit of the group',
    async (text) => {
      const { lines } = await inside(
        text,
        `cat ${groupFile('memory/memory.soft_limit_in_bytes', 'memory.low')}`,
      );
      expect(lines).toEqual(['33554432']);
    },
  );
});
