// networks.ipv6_address
import { describe, expect, test } from 'vitest';
import { inside, isImpossible, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('networks.ipv6_address'), () => {
  test('is the address of the interface, usable at once', async () => {
    const { lines } = await inside(
      'networks:\n  front: { ipv6_address: "fd00:77::7" }',
      "ip -6 addr show eth0 scope global | awk '/inet6/ {print $2}'; ping -c1 -W2 fd00:77::1 | grep -c 'bytes from'",
      { top: 'networks:\n  front: { enable_ipv6: true, ipam: { config: [{ subnet: "fd00:77::/64" }] } }\n' },
    );
    expect(lines).toEqual(['fd00:77::7/64', '1']);
  });
});
