// cpu_quota
import { describe, expect, test } from 'vitest';
import { groupFile, ofVersion } from '../groups.ts';
import { inside, isImpossible, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('cpu_quota'), () => {
  test('is the limit of the group', async () => {
    const file = groupFile('cpu/cpu.cfs_quota_us', 'cpu.max');
    const { lines, warnings } = await inside(
      `cpu_quota: 30000
cpu_period: 50000`,
      `cat ${file}`,
    );
    expect({ lines, warnings }).toEqual({ lines: [ofVersion('30000', '30000 50000')], warnings: [] });
  });
});
