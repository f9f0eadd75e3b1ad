// networks.mac_address
import { describe, expect, test } from 'vitest';
import { inside, isImpossible, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('networks.mac_address'), () => {
  test('is the hardware address of that interface', async () => {
    const { lines } = await inside(
      'networks:\n  a: \n  b: { mac_address: "02:42:ac:11:65:43" }',
      'cat /sys/class/net/eth1/address; ip link show eth0 | grep -c 02:42:ac:11:65:43',
      { top: 'networks: { a: , b: }\n' },
    );
    expect(lines).toEqual(['02:42:ac:11:65:43', '0']);
  });

  test('that is none is refused', async () => {
    const { code, stderr } = await inside('networks:\n  default: { mac_address: "02:42:zz" }', 'true', {
      mayFail: true,
    });
    expect(code).not.toBe(0);
    expect(stderr).toContain('02:42:zz');
  });
});
