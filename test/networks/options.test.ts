// Driver options, the share of a machine in an overlay, and the rules behind a shared address.
import { describe, expect, it } from 'vitest';
import type { Address } from '../../src/networks/address.ts';
import {
  endpointOptions,
  ineffectiveAddressing,
  ineffectiveOptions,
  refuseOptions,
} from '../../src/networks/options.ts';
import { shareSubnets, tunnelOf } from '../../src/networks/overlay.ts';
import { OPTION } from '../../src/networks/record.ts';
import { vipMessages } from '../../src/networks/vip.ts';

describe('endpoint options', () => {
  const key = 'com.docker.network.endpoint.sysctls';

  it('are settings of the interface, with dots or slashes', () => {
    const value = 'net.ipv4.conf.IFNAME.log_martians=1, net/ipv6/conf/IFNAME/accept_ra=2';
    expect(endpointOptions({ [key]: value }, 'lan0')).toEqual({
      sysctls: { 'net.ipv4.conf.lan0.log_martians': '1', 'net.ipv6.conf.lan0.accept_ra': '2' },
      ineffective: [],
    });
  });

  it.each([
    'kernel.hostname=x',
    'net.ipv4.conf.all.log_martians=1',
    'net.ipv4.conf.IFNAME',
    'net.core.somaxconn=1',
  ])('refuse %s', (value) => {
    expect(() => endpointOptions({ [key]: value }, 'eth0')).toThrow(
      expect.objectContaining({ code: 'invalid-value' }),
    );
  });
});

describe('driver options', () => {
  it('that mean nothing are told, those of plugins are theirs', () => {
    expect(ineffectiveOptions('bridge', { foo: '1' }).map(({ attribute }) => attribute)).toEqual([
      'driver_opts.foo',
    ]);
    expect(ineffectiveOptions('cni', { foo: '1' })).toEqual([]);
    expect(ineffectiveOptions('overlay', {}).map(({ attribute }) => attribute)).toEqual(['driver']);
  });

  it('ipam options, and addresses that plugins give, are told', () => {
    const told = (driver: 'bridge' | 'cni', ipam: Parameters<typeof ineffectiveAddressing>[1]) =>
      ineffectiveAddressing(driver, ipam).map(({ attribute }) => attribute);
    expect(told('bridge', { options: { a: 'b' }, config: [{ subnet: '10.0.0.0/24' }] })).toEqual([
      'ipam.options.a',
    ]);
    expect(told('cni', { config: [{ subnet: '10.0.0.0/24' }] })).toEqual(['ipam.config']);
    expect(told('bridge', { driver: 'none', config: [{ subnet: '10.0.0.0/24' }] })).toEqual(['ipam.config']);
  });

  it('that are no way to the world are refused', () => {
    const mode = (value: string, internal = false) => ({
      name: 'n',
      driver: 'bridge' as const,
      options: { [OPTION.gatewayMode4]: value },
      internal,
    });
    expect(() => refuseOptions(mode('sideways'))).toThrow(expect.objectContaining({ code: 'invalid-value' }));
    expect(() => refuseOptions(mode('isolated'))).toThrow(
      expect.objectContaining({ code: 'conflicting-keys' }),
    );
    for (const one of [mode('isolated', true), mode('routed'), mode('nat-unprotected'), mode('nat')])
      expect(() => refuseOptions(one)).not.toThrow();
  });

  it('that promise secrecy are not dropped', () => {
    const wanted = { name: 'n', driver: 'overlay', internal: false } as const;
    expect(() => refuseOptions({ ...wanted, options: { encrypted: '' } })).toThrow(
      expect.objectContaining({ code: 'unsupported' }),
    );
    expect(() => refuseOptions({ ...wanted, options: { encrypted: 'false' } })).not.toThrow();
  });
});

describe('an overlay', () => {
  const network = (options: Record<string, string>) => ({ name: 'wide', options });

  it('finds this machine among its peers', () => {
    const tunnel = tunnelOf(network({ peers: '192.0.2.1, 192.0.2.2 192.0.2.3', vni: '9', port: '8472' }), [
      '192.0.2.2',
    ]);
    expect(tunnel).toMatchObject({ vni: 9, port: 8472, local: { family: 4, value: 0xc0000202n } });
    expect(tunnel?.machines).toHaveLength(3);
    expect(tunnelOf(network({}), [])).toBeUndefined();
  });

  it('has the same number on every machine unless told otherwise', () => {
    const vni = (name: string) => tunnelOf({ name, options: { peers: '192.0.2.1' } }, [])?.vni;
    expect(vni('wide')).toBe(vni('wide'));
    expect(vni('wide')).not.toBe(vni('narrow'));
  });

  it.each([
    { peers: 'x' },
    { peers: '192.0.2.1', vni: '0' },
    { peers: '192.0.2.1', port: '70000' },
    { peers: '192.0.2.1 ::1' },
  ])('refuses %j', (options) => {
    expect(() => tunnelOf(network(options), [])).toThrow(expect.objectContaining({ code: 'invalid-value' }));
  });

  it('gives each machine its share, and leaves a range that is given', () => {
    const subnets = [{ subnet: '10.9.0.0/24', gateway: '10.9.0.1' }];
    const share = (local: string) =>
      shareSubnets(network({ peers: '192.0.2.1,192.0.2.2,192.0.2.3', local }), subnets, 1, []);
    expect(share('192.0.2.1')).toEqual([
      { subnet: '10.9.0.0/24', gateway: '10.9.0.1', ipRange: '10.9.0.0/26' },
    ]);
    expect(share('192.0.2.3')).toEqual([
      { subnet: '10.9.0.0/24', gateway: '10.9.0.129', ipRange: '10.9.0.128/26' },
    ]);
    const given = [{ subnet: '10.9.0.0/24', gateway: '10.9.0.1', ipRange: '10.9.0.64/26' }];
    expect(shareSubnets(network({ peers: '192.0.2.1' }), given, 1, [])).toEqual(given);
  });
});

describe('a shared address', () => {
  it('has as many draws as it takes to meet a container, none without containers', () => {
    const address: Address = { family: 4, value: 0x0a000009n };
    const count = (behind: ReadonlyMap<number, Address>) =>
      vipMessages('t', [{ bridge: 'br0', address, behind }]).length - vipMessages('t', []).length;
    const replica = (value: bigint): Address => ({ family: 4, value });
    const alone = count(new Map());
    expect(count(new Map([[1, replica(1n)]])) - alone).toBe(1 + 2);
    expect(
      count(
        new Map([
          [1, replica(1n)],
          [9, replica(2n)],
        ]),
      ) - alone,
    ).toBe(1 + 2 * (4 + 2));
  });
});
