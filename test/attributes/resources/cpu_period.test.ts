// cpu_period
import { describe, expect, test } from 'vitest';
import { groupFile, ofVersion } from '../groups.ts';
import { inside, isImpossible, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('cpu_period'), () => {
  test('is the limit of the group', async () => {
    const file = groupFile('cpu/cpu.cfs_period_us', 'cpu.max');
    const { lines, warnings } = await inside('cpu_period: 50000', `cat ${file}`);
    expect({ lines, warnings }).toEqual({ lines: [ofVersion('50000', 'max 50000')], warnings: [] });
  });
});
