// cpu_shares
import { describe, expect, test } from 'vitest';
import { groupFile, ofVersion } from '../groups.ts';
import { inside, isImpossible, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('cpu_shares'), () => {
  test('is the limit of the group', async () => {
    const file = groupFile('cpu/cpu.shares', 'cpu.weight');
    const { lines, warnings } = await inside('cpu_shares: 2048', `cat ${file}`);
    expect({ lines, warnings }).toEqual({ lines: [ofVersion('2048', '174')], warnings: [] });
  });
});
