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
    // Periods that were used up and time that was had, both by the kernel's own count.
    const stat = groupFile('cpu/cpu.stat', 'cpu.stat');
    const usage = ofVersion('cat /sys/fs/cgroup/cpuacct/cpuacct.usage', `sed -n 's/^usage_usec //p' ${stat}`);
    const periods = `sed -n 's/^nr_periods //p' ${stat}`;
    const script = `
      (while :; do :; done) &
      while [ $(${periods}) -lt 5 ]; do sleep 0.05; done
      echo $(${periods}) $(${usage})
      while [ $(${periods}) -lt 25 ]; do sleep 0.05; done
      echo $(${periods}) $(${usage})
      kill $!`;
    const { lines } = await inside('cpus: 0.2', script);
    const [before, after] = lines.map((line) => line.split(' ').map(Number));
    const ran = ((after?.[1] ?? 0) - (before?.[1] ?? 0)) * ofVersion(1e-3, 1);
    const had = ((after?.[0] ?? 0) - (before?.[0] ?? 0)) * 100_000;
    expect(ran / had).toBeGreaterThan(0.1);
    expect(ran / had).toBeLessThan(0.3);
  });
});
