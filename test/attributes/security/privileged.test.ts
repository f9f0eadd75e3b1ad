// privileged
import { describe, expect, test } from 'vitest';
import { inside, isImpossible, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('privileged'), () => {
  test('all capabilities, no filter, nothing masked, all devices, /sys writable', async () => {
    const script = `
      grep -E '^(CapEff|Seccomp):' /proc/self/status | cut -f2
      touch /proc/sys/kernel/panic && echo writable
      grep -q ' /sys sysfs rw' /proc/mounts && echo sys
      ls /dev | grep -c .`;
    const { lines, warnings } = await inside('privileged: true', script);
    const [capabilities = '', seccomp, panic, sys, devices] = lines;
    expect(BigInt(`0x${capabilities}`) | 0xa80425fbn).toBe(BigInt(`0x${capabilities}`));
    expect(BigInt(`0x${capabilities}`)).toBeGreaterThan(0xa80425fbn);
    expect([seccomp, panic, sys]).toEqual(['0', 'writable', 'sys']);
    expect(Number(devices)).toBeGreaterThan(17);
    expect(warnings.every((line) => /privileged: this machine does not let us give CAP_/.test(line))).toBe(
      true,
    );
  });
});
