// mac_address
import { describe, expect, test } from 'vitest';
import { inside, isImpossible, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('mac_address'), () => {
  test('is that of the interface on the network of the highest priority', async () => {
    const { lines } = await inside(
      'mac_address: "02:42:ac:11:65:44"\nnetworks:\n  a: { priority: 1 }\n  b: { priority: 5 }',
      'cat /sys/class/net/eth0/address; ip -4 addr show eth0 | grep -o 10.211.9.2/24; ip link show eth1 | grep -c 02:42:ac:11:65:44',
      { top: 'networks:\n  a: {}\n  b: { ipam: { config: [{ subnet: 10.211.9.0/24 }] } }\n' },
    );
    expect(lines).toEqual(['02:42:ac:11:65:44', '10.211.9.2/24', '0']);
  });
});
