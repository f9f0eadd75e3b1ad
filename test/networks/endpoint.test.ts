// Decisions about endpoints, ports and firewall elements, without a kernel.
import { describe, expect, it } from 'vitest';
import { formatAddress } from '../../src/networks/address.ts';
import { type Endpoint, hostInterface, planInterfaces } from '../../src/networks/endpoint.ts';
import { portTarget } from '../../src/networks/ports.ts';
import { flagOption, mtuOf, type NetworkRecord, OPTION } from '../../src/networks/record.ts';
import { blockingSockets, parseSocketTable } from '../../src/networks/sockets.ts';
import { networkElements, portElements } from '../../src/networks/table.ts';

function network(name: string, change: Partial<NetworkRecord> = {}): NetworkRecord {
  return {
    version: 1,
    id: name.repeat(64).slice(0, 64),
    name,
    project: 'p',
    key: name,
    driver: 'bridge',
    bridge: `br-${name}`,
    subnets: [{ subnet: '10.0.0.0/24', gateway: '10.0.0.1' }],
    internal: false,
    options: {},
    labels: {},
    configHash: '',
    created: '',
    leases: {},
    ...change,
  };
}

function endpoint(on: NetworkRecord, change: Partial<Endpoint> = {}): Endpoint {
  return { network: on, containerId: 'c', lease: { ipv4: '10.0.0.2', mac: '02:42:0a:00:00:02' }, ...change };
}

describe('interfaces', () => {
  const names = (...endpoints: Endpoint[]): string[] =>
    planInterfaces(endpoints).map(({ interfaceName }) => interfaceName);
  const routed = (...endpoints: Endpoint[]): string[] =>
    planInterfaces(endpoints).flatMap(({ network: { name }, gateways }) =>
      gateways.map((gateway) => `${name} ${formatAddress(gateway)}`),
    );

  it('are called eth0, eth1, … around the names that are given', () => {
    expect(names(endpoint(network('a')), endpoint(network('b')))).toEqual(['eth0', 'eth1']);
    expect(names(endpoint(network('a')), endpoint(network('b'), { interfaceName: 'eth0' }))).toEqual([
      'eth1',
      'eth0',
    ]);
    expect(
      names(endpoint(network('a', { options: { [OPTION.interfacePrefix]: 'lan' } })), endpoint(network('b'))),
    ).toEqual(['lan0', 'eth0']);
  });

  it('have the default route by priority, then by the name of the network', () => {
    expect(routed(endpoint(network('b')), endpoint(network('a')))).toEqual(['a 10.0.0.1']);
    expect(routed(endpoint(network('b'), { gatewayPriority: 1 }), endpoint(network('a')))).toEqual([
      'b 10.0.0.1',
    ]);
  });

  it('never route through an internal network', () => {
    expect(routed(endpoint(network('a', { internal: true }), { gatewayPriority: 9 }))).toEqual([]);
    expect(routed(endpoint(network('a', { internal: true })), endpoint(network('b')))).toEqual([
      'b 10.0.0.1',
    ]);
  });

  it('route each family where it is', () => {
    const both = network('b', {
      subnets: [
        { subnet: '10.0.0.0/24', gateway: '10.0.0.1' },
        { subnet: 'fd00::/64', gateway: 'fd00::1' },
      ],
    });
    const lease = { ipv4: '10.0.0.2', ipv6: 'fd00::2', mac: '02:42:0a:00:00:02' };
    expect(routed(endpoint(network('a')), endpoint(both, { lease }))).toEqual(['a 10.0.0.1', 'b fd00::1']);
  });

  it('have a name on the host that fits, and is the same in every run', () => {
    const name = hostInterface('c1', 'n1');
    expect(name).toHaveLength(15);
    expect(hostInterface('c1', 'n1')).toBe(name);
    expect(hostInterface('c1', 'n2')).not.toBe(name);
    expect(hostInterface('c2', 'n1')).not.toBe(name);
  });
});

describe('published ports', () => {
  it('lead to the first network that is not internal, and are relayed from every bridge of the container', () => {
    const inner = endpoint(network('a', { internal: true }), { lease: { ipv4: '10.1.0.2', mac: '' } });
    const lan = endpoint(network('m', { driver: 'macvlan' }));
    expect(portTarget([inner, endpoint(network('b')), lan])).toEqual({
      ipv4: '10.0.0.2',
      bridges: ['br-a', 'br-b'],
    });
    expect(portTarget([inner])).toEqual({ ipv4: '10.1.0.2', bridges: ['br-a'] });
    expect(portTarget([])).toEqual({ bridges: [] });
  });
});

describe('driver options', () => {
  it('are read as Docker reads them', () => {
    const flag = (value: string): boolean => flagOption({ options: { x: value } }, 'x', true);
    expect(['true', '1', 'T', 'false', '0', 'no'].map(flag)).toEqual([true, true, true, false, false, false]);
    expect(flagOption({ options: {} }, 'x', true)).toBe(true);
    expect(
      [{ [OPTION.mtu]: '1400' }, { [OPTION.mtu]: 'x' }, {}].map((options) => mtuOf({ options })),
    ).toEqual([1400, undefined, undefined]);
  });
});

describe('firewall elements', () => {
  const hex = (bytes: Uint8Array | undefined): string => Buffer.from(bytes ?? []).toString('hex');
  const sets = (record: NetworkRecord): string[] => networkElements(record).map(({ set }) => set);

  it('of a network say how it is isolated', () => {
    expect(sets(network('a'))).toEqual(['bridges', 'same', 'masquerade', 'masquerade6']);
    expect(sets(network('a', { internal: true }))).toEqual(['bridges', 'same', 'internal']);
    expect(sets(network('a', { options: { [OPTION.masquerade]: 'false' } }))).toEqual(['bridges', 'same']);
    expect(sets(network('a', { driver: 'macvlan' }))).toEqual([]);
    expect(hex(networkElements(network('a'))[0]?.elements[0]?.key)).toBe('62722d61'.padEnd(32, '0'));
  });

  const port = { protocol: 'udp', hostIp: '', hostPort: 8080, containerPort: 80, ipv4: '10.0.0.2' } as const;

  it('of a port map (address, protocol, port) to the container', () => {
    const [v4, ...rest] = portElements([port]);
    expect(rest).toEqual([]);
    expect(v4?.set).toBe('dnat4');
    expect(hex(v4?.elements[0]?.key)).toBe('00000000' + '11000000' + '1f900000');
    expect(hex(v4?.elements[0]?.data)).toBe('0a000002' + '00500000');
  });

  it('of a port are for the families that both sides have', () => {
    const of = (change: object): string[] => portElements([{ ...port, ...change }]).map(({ set }) => set);
    expect(of({ ipv6: 'fd00::2' })).toEqual(['dnat4', 'dnat6']);
    expect(of({ hostIp: '0.0.0.0', ipv6: 'fd00::2' })).toEqual(['dnat4']);
    expect(of({ hostIp: '::', ipv6: 'fd00::2' })).toEqual(['dnat6']);
    expect(of({ hostIp: '2001:db8::1' })).toEqual([]);
    expect(of({ hostIp: '127.0.0.1', bridges: ['br-a'] })).toEqual([]);
    expect(of({ hostIp: '192.0.2.1', bridges: ['br-a', 'br-b'] })).toEqual(['dnat4', 'relayed']);
  });
});

describe('socket tables', () => {
  const line = (local: string, state: string, inode: string): string =>
    `   0: ${local} 00000000:0000 ${state} 00000000:00000000 00:00000000 00000000     0        0 ${inode} 1`;
  const rows = parseSocketTable(
    [
      'header',
      line('0100007F:1F90', '0A', '11'),
      line('00000000:1F90', '01', '12'),
      line('00000000000000000000000001000000:1F91', '0A', '13'),
      '',
    ].join('\n'),
  );
  const mapped = parseSocketTable(`header\n${line('0000000000000000FFFF0000010200C0:1F92', '0A', '14')}\n`);
  const blocking = (address: string, port: number, all = rows): string[] =>
    blockingSockets(all, { protocol: 'tcp', address, port }).map(({ inode }) => inode);

  it('are read with addresses in the machine’s order', () => {
    expect(rows.map(({ local, port }) => `${formatAddress(local)} ${port}`)).toEqual([
      '127.0.0.1 8080',
      '0.0.0.0 8080',
      '::1 8081',
    ]);
  });

  it('tell which sockets keep a port from being bound', () => {
    expect(blocking('', 8080)).toEqual(['11']);
    expect(blocking('127.0.0.1', 8080)).toEqual(['11']);
    expect(blocking('192.0.2.1', 8080)).toEqual([]);
    expect(blocking('::1', 8081)).toEqual(['13']);
    expect(blocking('192.0.2.1', 8082, mapped)).toEqual(['14']);
    expect(blocking('', 8083)).toEqual([]);
  });
});
