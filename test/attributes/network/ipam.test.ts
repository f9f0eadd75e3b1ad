// ipam
import { describe, expect, test } from 'vitest';
import { inside, isImpossible, titled } from '../inside.ts';

const ADDRESSES = "ip addr show eth0 | awk '/inet/ {print $2}' | grep -v ^fe80";
const ipam = (settings: string, more = '') => ({
  top: `networks:\n  default: { ${more}ipam: { ${settings} } }\n`,
});

describe.skipIf(isImpossible)(titled('ipam'), () => {
  test('config: subnet, gateway, ip_range and aux_addresses', async () => {
    const { lines } = await inside(
      'networks: [default]',
      `${ADDRESSES}; ip route | awk '/^default/ {print $3}'`,
      ipam(
        'config: [{ subnet: 10.211.20.0/24, gateway: 10.211.20.254, ip_range: 10.211.20.128/25, aux_addresses: { a: 10.211.20.128, b: 10.211.20.129 } }]',
      ),
    );
    expect(lines).toEqual(['10.211.20.130/24', '10.211.20.254']);
  });

  test('config: a subnet of each family', async () => {
    const config = 'config: [{ subnet: 10.211.21.0/28 }, { subnet: "fd00:78::/64", gateway: "fd00:78::9" }]';
    const { lines } = await inside('networks: [default]', ADDRESSES, ipam(config, 'enable_ipv6: true, '));
    expect(lines).toEqual(['10.211.21.2/28', 'fd00:78::1/64']);
  });

  test('a subnet that the machine has is refused, with whose it is', async () => {
    const { code, stderr } = await inside('networks: [default]', 'true', {
      ...ipam('config: [{ subnet: 127.0.0.0/8 }]'),
      mayFail: true,
    });
    expect(code).not.toBe(0);
    expect(stderr).toMatch(/overlaps .*lo/);
    expect(stderr).toMatch(/compose\.yaml:\d+/);
  });

  test('driver none: an interface without addresses', async () => {
    const { lines } = await inside(
      'networks: [default]',
      `cat /sys/class/net/eth0/operstate; ${ADDRESSES} || true`,
      ipam('driver: none'),
    );
    expect(lines).toEqual(['up']);
  });

  test('a driver that is not here is refused', async () => {
    const { code, stderr } = await inside('networks: [default]', 'true', {
      ...ipam('driver: infoblox'),
      mayFail: true,
    });
    expect(code).not.toBe(0);
    expect(stderr).toMatch(/the ipam driver "infoblox", which is not here/);
    expect(stderr).toMatch(/compose\.yaml:\d+/);
  });
});
