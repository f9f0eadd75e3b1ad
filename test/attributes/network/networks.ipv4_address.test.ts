// networks.ipv4_address
import { describe, expect, test } from 'vitest';
import { inside, isImpossible, titled } from '../inside.ts';

const top = 'networks:\n  front: { ipam: { config: [{ subnet: 10.211.7.0/24 }] } }\n';
const addressed = (address: string) => `networks:\n  front: { ipv4_address: ${address} }`;

describe.skipIf(isImpossible)(titled('networks.ipv4_address'), () => {
  test('is the address of the interface', async () => {
    const { lines } = await inside(
      addressed('10.211.7.77'),
      "ip -4 addr show eth0 | awk '/inet/ {print $2}'",
      { top },
    );
    expect(lines).toEqual(['10.211.7.77/24']);
  });

  test('that is in no subnet of the network is refused', async () => {
    const { code, stderr } = await inside(addressed('10.211.8.77'), 'true', { top, mayFail: true });
    expect(code).not.toBe(0);
    expect(stderr).toContain('address 10.211.8.77 is in no subnet of network');
  });
});
