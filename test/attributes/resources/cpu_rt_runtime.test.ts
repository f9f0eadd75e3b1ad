// cpu_rt_runtime
import { describe, expect, test } from 'vitest';
import { inside, isImpossible, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('cpu_rt_runtime'), () => {
  test('is written where the kernel has it, else there is one warning with its place', async () => {
    const { lines, warnings } = await inside(
      'cpu_rt_runtime: 400000',
      'cat /sys/fs/cgroup/cpu/cpu.rt_runtime_us 2>/dev/null; echo ran',
    );
    if (lines.length === 2) expect([lines, warnings]).toEqual([['400000', 'ran'], []]);
    else expect(warnings).toEqual([expect.stringMatching(/cpu_rt_runtime: .*compose\.yaml:\d+/)]);
  });
});
