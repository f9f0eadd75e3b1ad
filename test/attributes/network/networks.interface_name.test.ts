// networks.interface_name
import { describe, expect, test } from 'vitest';
import { inside, isImpossible, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('networks.interface_name'), () => {
  test('is the name of the interface, others are numbered', async () => {
    const { lines } = await inside(
      'networks:\n  a: { interface_name: lan7 }\n  b: {}\n  c: { interface_name: eth0 }',
      'ls /sys/class/net',
      { top: 'networks: { a: , b: , c: }\n' },
    );
    expect(lines.filter((name) => /^(lan|eth)/.test(name))).toEqual(['eth0', 'eth1', 'lan7']);
  });
});
