// driver and driver_opts of a network
import { readlinkSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { inside, isImpossible, titled } from '../inside.ts';
import { ask, fetched, neighbours, server } from './neighbours.ts';

const network = (settings: string) => `networks:\n  default: { ${settings} }\n`;
const INTERFACES = 'ls /sys/class/net | grep -E "^(eth|lo)"';

describe.skipIf(isImpossible)(titled('driver'), () => {
  test('bridge takes its options as Docker has them', async () => {
    await using stack = await neighbours(
      [server('a', 'networks: [default]'), server('b', 'networks: [default]')],
      {
        top: network(
          'driver: bridge, driver_opts: { com.docker.network.driver.mtu: 1400, com.docker.network.container_iface_prefix: lan, com.docker.network.bridge.enable_icc: "false" }',
        ),
      },
    );
    expect(await ask(stack, 'a', 'cat /sys/class/net/lan0/mtu')).toEqual(['1400']);
    expect(await fetched(stack, 'a', 'b')).toBe('');
    expect(await fetched(stack, 'a', '127.0.0.1')).not.toBe('');
  });

  test('macvlan connects containers without a bridge', async () => {
    await using stack = await neighbours(
      [server('a', 'networks: [default]'), server('b', 'networks: [default]')],
      {
        top: network('driver: macvlan, driver_opts: { macvlan_mode: bridge }'),
      },
    );
    expect(await fetched(stack, 'a', 'b')).toBe((await ask(stack, 'b', 'hostname'))[0]);
  });

  test('macvlan on a parent that does not exist is refused', async () => {
    const { code, stderr } = await inside('networks: [default]', 'true', {
      top: network('driver: macvlan, driver_opts: { parent: nothing7 }'),
      mayFail: true,
    });
    expect(code).not.toBe(0);
    expect(stderr).toMatch(/has the parent nothing7, and there is no such interface/);
    expect(stderr).toMatch(/compose\.yaml:\d+/);
  });

  test.each(['l2', 'l3'])('ipvlan in mode %s connects containers, or is one clear error', async (mode) => {
    const top = network(`driver: ipvlan, driver_opts: { ipvlan_mode: ${mode} }`);
    const seen = await inside(
      'networks: [default]',
      "ip -4 addr show eth0 | awk '/inet/ {print $2}'; ip route",
      { top, mayFail: true },
    );
    if (seen.code === 0) {
      expect(seen.lines[0]).toMatch(/^10\..*\/2\d$/);
      return;
    }
    expect(seen.stderr).toMatch(/the kernel has no ipvlan interfaces/);
    expect(seen.stderr).toMatch(/compose\.yaml:\d+/);
    expect(seen.stderr).toContain('load or build the module ipvlan');
  });

  test('a VLAN as parent is made, or is one clear error', async () => {
    const seen = await inside('networks: [default]', 'true', {
      top: network('driver: macvlan, driver_opts: { parent: lo.77 }'),
      mayFail: true,
    });
    expect(seen.code).not.toBe(0);
    expect(seen.stderr).toMatch(/VLAN|module|parent/);
  });

  test('a mode that does not exist is refused', async () => {
    const { code, stderr } = await inside('networks: [default]', 'true', {
      top: network('driver: macvlan, driver_opts: { macvlan_mode: sideways }'),
      mayFail: true,
    });
    expect(code).not.toBe(0);
    expect(stderr).toContain('known are private, vepa, bridge, passthru');
  });

  test('none is no interface', async () => {
    const { lines } = await inside('networks: [default]', INTERFACES, { top: network('driver: none') });
    expect(lines).toEqual(['lo']);
  });

  test('host is the network of the machine, and goes with no other', async () => {
    const top = network('name: host, external: true');
    const { lines } = await inside('networks: [default]', 'readlink /proc/self/ns/net', { top });
    expect(lines).toEqual([readlinkSync('/proc/self/ns/net')]);
    const both = await inside('networks: [default, other]', 'true', {
      top: `${top}  other: {}\n`,
      mayFail: true,
    });
    expect(both.code).not.toBe(0);
    expect(both.stderr).toContain("uses the host's network default together with others");
  });

  test('that nobody has is refused where it is written', async () => {
    const { code, stderr } = await inside('networks: [default]', 'true', {
      top: network('driver: weave'),
      mayFail: true,
    });
    expect(code).not.toBe(0);
    expect(stderr).toMatch(/has driver "weave", which is not supported/);
    expect(stderr).toMatch(/compose\.yaml:\d+/);
  });

  test('options that mean nothing are warned about', async () => {
    const { warnings } = await inside('networks: [default]', 'true', {
      top: network('driver_opts: { foo: bar }'),
    });
    // A kernel without a packet filter is told of too.
    expect(warnings.filter((line) => line.includes('driver_opts'))).toEqual([
      expect.stringMatching(/driver_opts\.foo: the driver bridge does not know it \(compose\.yaml:\d+\)/),
    ]);
  });
});
