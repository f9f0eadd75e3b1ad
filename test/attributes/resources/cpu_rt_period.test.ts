// cpu_rt_period
import { describe, expect, test } from 'vitest';
import { inside, isImpossible, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('cpu_rt_period'), () => {
  test('is written where the kernel has it, else there is one warning with its place', async () => {
    const { lines, warnings } = await inside(
      'cpu_rt_period: 400000',
      'cat /sys/fs/cgroup/cpu/cpu.rt_period_us 2>/dev/null; echo ran',
    );
    if (lines.length === 2) expect([lines, warnings]).toEqual([['400000', 'ran'], []]);
    else expect(warnings).toEqual([expect.stringMatching(/cpu_rt_period: .*compose\.yaml:\d+/)]);
  });
});
