// cpus
import { describe, expect, test } from 'vitest';
import { groupFile, ofVersion } from '../groups.ts';
import { inside, isImpossible, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('cpus'), () => {
  test.each([['cpus: 0.25'], ['deploy: {resources: {limits: {cpus: "0.25"}}}']])(
    '%s is quota over period',
    async (text) => {
      const script = `cat ${groupFile('cpu/cpu.cfs_quota_us', 'cpu.max')} ${ofVersion('/sys/fs/cgroup/cpu/cpu.cfs_period_us', '')}`;
      const { lines } = await inside(text, script);
      expect(lines).toEqual(ofVersion(['25000', '100000'], ['25000 100000']));
    },
  );

  test('more than the machine has is refused', async () => {
    const { code, stderr } = await inside('cpus: 4096', 'true', { mayFail: true });
    expect(code).not.toBe(0);
    expect(stderr).toMatch(/4096 cpus/);
  });

  test('a busy loop under a fifth of a core uses a fifth of a core', async () => {
    // By the kernel's own count, so that a busy machine only makes it longer: periods, those that were used up, time that was had.
    const stat = groupFile('cpu/cpu.stat', 'cpu.stat');
    const usage = ofVersion('cat /sys/fs/cgroup/cpuacct/cpuacct.usage', `sed -n 's/^usage_usec //p' ${stat}`);
    const count = (name: string) => `sed -n 's/^${name} //p' ${stat}`;
    const line = `echo $(${count('nr_throttled')}) $(${usage}) $(${count('nr_periods')})`;
    const script = `
      (while :; do :; done) &
      while [ $(${count('nr_throttled')}) -lt 3 ]; do sleep 0.05; done
      ${line}
      while [ $(${count('nr_throttled')}) -lt 15 ]; do sleep 0.05; done
      ${line}
      kill $!`;
    const { lines } = await inside('cpus: 0.2', script);
    const [before = [], after = []] = lines.map((text) => text.split(' ').map(Number));
    const [usedUp = 0, ran = 0, periods = 0] = after.map((value, index) => value - (before[index] ?? 0));
    const ranUs = ran * ofVersion(1e-3, 1);
    const quotaUs = 20_000;
    // All of its share in a period that was used up, and never more than its share; one more at each end.
    expect(ranUs).toBeGreaterThan(0.8 * (usedUp - 2) * quotaUs);
    expect(ranUs).toBeLessThan(1.2 * (periods + 2) * quotaUs);
  });
});
