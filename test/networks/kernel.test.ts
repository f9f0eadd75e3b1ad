// Networks in a real kernel: bridges, endpoints, the firewall, published ports, in namespaces of the test's own.
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { errnoOf } from '../../core/index.ts';
import { formatAddress, formatSubnet, requireSubnet } from '../../src/networks/address.ts';
import { attach, detach, type Endpoint } from '../../src/networks/endpoint.ts';
import {
  type FirewallState,
  firewallState,
  firewallWarning,
  rebuildFirewall,
  removeFirewall,
} from '../../src/networks/firewall.ts';
import { lease, leaseAll, release } from '../../src/networks/leases.ts';
import { dump, findLink, removeLink, route } from '../../src/networks/links.ts';
import { NETLINK_NETFILTER } from '../../src/networks/netlink.ts';
import { ensureNetwork, findNetwork, removeNetwork, removeNetworks } from '../../src/networks/network.ts';
import { addTable, deleteTable, transaction } from '../../src/networks/nftables.ts';
import {
  type BoundPort,
  bindPorts,
  closePorts,
  dropPortRules,
  type PortTarget,
  type PortWanted,
  portRules,
  reconcileFirewall,
} from '../../src/networks/ports.ts';
import { listNetworks, type NetworkRecord, OPTION } from '../../src/networks/record.ts';
import {
  addRoute,
  dumpAddresses,
  dumpRoutes,
  parseAddresses,
  parseRoutes,
} from '../../src/networks/routes.ts';
import { changeLink, dumpLinks, parseLinks } from '../../src/networks/rtnetlink.ts';
import { tableName } from '../../src/networks/table.ts';
import type { NetworkWanted } from '../../src/networks/wanted.ts';
import { writeRecord } from '../../src/state/record.ts';
import {
  type Agent,
  connect,
  isIsolated,
  isRoot,
  makeWorld,
  runIsolated,
  startAgent,
  type World,
} from './support.ts';

describe.skipIf(isIsolated)('in a network namespace of its own', () => {
  it.skipIf(!isRoot)('all tests of this file pass (needs root)', { timeout: 300_000 }, () => {
    expect(runIsolated(fileURLToPath(import.meta.url))).toBeUndefined();
  });
});

const SILENCE = { patience: 400 };
const containerId = (number: number): string => number.toString(16).padStart(64, '0');

/** What the kernel of this machine can do. */
const firewall = isIsolated ? probeFirewall() : 'full';
const withFirewall = it.skipIf(firewall !== 'full');

function probeFirewall(): FirewallState {
  const { ctx, dispose } = makeWorld();
  const state = rebuildFirewall(ctx, [], []);
  removeFirewall(ctx);
  dispose();
  return state;
}

describe.runIf(isIsolated)(`networks in the kernel (firewall: ${firewall})`, () => {
  let world: World;
  let agents: Agent[] = [];

  beforeAll(() => {
    world = makeWorld();
    route(world.ctx, [changeLink(1, { up: true })]);
    // A new namespace starts with what the machine happens to have.
    writeFileSync('/proc/sys/net/ipv4/ip_forward', '0');
    world.dispose();
  });
  beforeEach(() => {
    world = makeWorld();
    agents = [];
  });
  afterEach(async () => {
    for (const agent of agents) agent.kill();
    closePorts(world.ctx, held.splice(0));
    removeLink(world.ctx, 'cable');
    for (const network of listNetworks(world.ctx)) await removeNetwork(world.ctx, network);
    world.dispose();
    expect(tableExists()).toBe(false);
    await expect.poll(() => linkNames()).toEqual(['lo']);
  });
  afterAll(() => {
    expect(readFileSync('/proc/sys/net/ipv4/ip_forward', 'utf8')).toBe('0\n');
  });

  function linkNames(): string[] {
    const own = parseLinks(dump(world.ctx, dumpLinks())).filter(
      ({ kind, name }) => name === 'lo' || kind !== undefined,
    );
    return own
      .map(({ name }) => name)
      .filter((name) => !/^(sit|tunl|ip6tnl|gre|erspan|ip_vti|ip6_vti)/.test(name));
  }

  const table = (): string => tableName(world.ctx.layout);

  function tableExists(): boolean {
    try {
      world.ctx.core.netlink(
        NETLINK_NETFILTER,
        undefined,
        transaction([deleteTable(table()), addTable(table()), deleteTable(table())]),
      );
      return true;
    } catch (error) {
      if (errnoOf(error) === 'ENOENT') return false;
      throw error;
    }
  }

  function make(name: string, wanted: Partial<NetworkWanted> = {}): Promise<NetworkRecord> {
    return ensureNetwork(world.ctx, { name, project: 'test', key: name, ...wanted });
  }

  async function agent(options?: { host?: boolean }): Promise<Agent> {
    const started = await startAgent(options);
    agents.push(started);
    return started;
  }

  let numbers = 0;
  /** A process in a namespace that is attached to networks, with its addresses on them. */
  async function container(networks: readonly NetworkRecord[], more: Partial<Endpoint> = {}) {
    const id = containerId(++numbers);
    const started = await agent();
    const endpoints: Endpoint[] = [];
    for (const network of networks)
      endpoints.push({ network, lease: await lease(world.ctx, network, id), containerId: id, ...more });
    const interfaces = await attach(world.ctx, started.netns, endpoints);
    return {
      id,
      agent: started,
      interfaces,
      address: endpoints[0]?.lease.ipv4 ?? '',
      address6: endpoints[0]?.lease.ipv6 ?? '',
    };
  }

  /** Another machine, 192.0.2.2 and 2001:db8::2, on a cable to ours, 192.0.2.1 and 2001:db8::1. */
  async function outside(): Promise<Agent> {
    const machine = await agent();
    connect(world.ctx, {
      netns: machine.netns,
      name: 'cable',
      ours: ['192.0.2.1/24', '2001:db8::1/64'],
      theirs: ['192.0.2.2/24', '2001:db8::2/64'],
    });
    return machine;
  }

  /** Whether bridged traffic passes the IP filter too, as some distributions have it. */
  function setBridgeFilter(value: string): void {
    for (const name of ['iptables', 'ip6tables']) {
      const path = `/proc/sys/net/bridge/bridge-nf-call-${name}`;
      if (existsSync(path)) writeFileSync(path, value);
    }
  }

  const held: BoundPort[] = [];

  function drop(bound: readonly BoundPort[]): void {
    for (const port of bound) held.splice(held.indexOf(port), 1);
    closePorts(world.ctx, bound);
  }

  function publish(ports: readonly PortWanted[], target: PortTarget) {
    const bound = bindPorts(world.ctx, ports);
    held.push(...bound);
    return { bound, removal: portRules(world.ctx, { ports: bound, target }) };
  }

  withFirewall('makes a bridge with the gateway address, and finds it again', async () => {
    const network = await make('one');
    const bridge = findLink(world.ctx, network.bridge);
    expect(bridge).toMatchObject({ kind: 'bridge', up: true });
    const addresses = parseAddresses(dump(world.ctx, dumpAddresses())).filter(
      ({ index }) => index === bridge?.index,
    );
    expect(addresses.map(({ address }) => formatAddress(address))).toEqual([network.subnets[0]?.gateway]);
    expect(await make('one')).toEqual(network);
    expect(findNetwork(world.ctx, 'one')).toEqual(network);
    expect(firewallState(world.ctx)).toBe('full');
    expect(firewallWarning(world.ctx)).toBeUndefined();
  });

  withFirewall('makes bridge and table anew when somebody removed them', async () => {
    const network = await make('one');
    removeLink(world.ctx, network.bridge);
    world.ctx.core.netlink(NETLINK_NETFILTER, undefined, transaction([deleteTable(table())]));
    await make('one');
    expect(findLink(world.ctx, network.bridge)?.up).toBe(true);
    expect(tableExists()).toBe(true);
    await make('one');
  });

  it('switches forwarding on with the first network and back with the last', async () => {
    const forwarding = (): string => readFileSync('/proc/sys/net/ipv4/ip_forward', 'utf8').trim();
    expect(forwarding()).toBe('0');
    const [one, two] = [await make('one'), await make('two')];
    expect(forwarding()).toBe('1');
    await removeNetwork(world.ctx, one);
    expect(forwarding()).toBe('1');
    await removeNetwork(world.ctx, two);
    expect(forwarding()).toBe('0');
  });

  it('chooses subnets that no route, address or network overlaps', async () => {
    await outside();
    route(world.ctx, [
      addRoute({
        index: findLink(world.ctx, 'cable')?.index ?? 0,
        family: 4,
        destination: requireSubnet('10.160.0.0/21', 'x'),
      }),
    ]);
    const [one, two] = [await make('one'), await make('two')];
    expect(one.subnets[0]?.subnet).toBe('10.160.8.0/22');
    expect(two.subnets[0]?.subnet).toBe('10.160.12.0/22');
  });

  it('refuses a subnet that a route or a network has, naming it', async () => {
    await outside();
    const conflict = (subnet: string) => make('two', { subnets: [{ subnet }] });
    await expect(conflict('192.0.2.128/25')).rejects.toMatchObject({
      code: 'subnet-conflict',
      message: expect.stringContaining('cable'),
    });
    await make('one', { subnets: [{ subnet: '10.20.0.0/16' }] });
    await expect(conflict('10.20.30.0/24')).rejects.toMatchObject({
      code: 'subnet-conflict',
      message: expect.stringContaining('"one"'),
    });
    expect(findNetwork(world.ctx, 'two')).toBeUndefined();
  });

  it('attaches a container to several networks with names, addresses and one default route', async () => {
    const [one, two] = [
      await make('one', { enableIpv6: true }),
      await make('two', { options: { [OPTION.mtu]: '1400' } }),
    ];
    const { agent: inside, interfaces } = await container([one, two]);
    expect(interfaces.map(({ interfaceName }) => interfaceName)).toEqual(['eth0', 'eth1']);
    expect(findLink(world.ctx, 'lo', inside.netns)?.up).toBe(true);
    expect(findLink(world.ctx, 'eth1', inside.netns)).toMatchObject({ up: true, mtu: 1400 });
    const eth0 = findLink(world.ctx, 'eth0', inside.netns);
    const addresses = parseAddresses(dump(world.ctx, dumpAddresses(), inside.netns))
      .filter(({ index, address }) => index === eth0?.index && address.value >> 118n !== 0x3fan)
      .map(({ address }) => formatAddress(address));
    expect(addresses).toEqual([interfaces[0]?.lease.ipv4, interfaces[0]?.lease.ipv6]);
    const defaults = parseRoutes(dump(world.ctx, dumpRoutes(), inside.netns)).filter(
      ({ destination }) => destination.prefix === 0,
    );
    expect(defaults.map(({ gateway }) => gateway && formatAddress(gateway))).toEqual(
      one.subnets.map(({ gateway }) => gateway),
    );
  });

  it('gives an interface the name and hardware address that are wanted', async () => {
    const network = await make('one');
    const id = containerId(++numbers);
    const started = await agent();
    const got = await lease(world.ctx, network, id, { mac: '02:42:ac:11:65:43' });
    await attach(world.ctx, started.netns, [
      { network, lease: got, containerId: id, interfaceName: 'lan7', linkLocalIps: ['169.254.7.7'] },
    ]);
    const link = findLink(world.ctx, 'lan7', started.netns);
    expect(Buffer.from(link?.mac ?? []).toString('hex')).toBe('0242ac116543');
    const addresses = parseAddresses(dump(world.ctx, dumpAddresses(), started.netns)).filter(
      ({ index }) => index === link?.index,
    );
    expect(addresses.map(({ address }) => formatAddress(address)).sort()).toEqual([got.ipv4, '169.254.7.7']);
  });

  it('leaves nothing when attaching fails', async () => {
    const network = await make('one');
    const started = await agent();
    const got = await lease(world.ctx, network, containerId(++numbers));
    const endpoint = { network, lease: got, containerId: containerId(numbers), interfaceName: 'same' };
    await expect(attach(world.ctx, started.netns, [endpoint, endpoint])).rejects.toThrow();
    expect(findLink(world.ctx, 'same', started.netns)).toBeUndefined();
    await expect.poll(() => linkNames().sort()).toEqual(['lo', network.bridge]);
  });

  it('replaces the interface that an earlier run of the container left behind', async () => {
    const network = await make('one');
    const containerIdOfBoth = containerId(++numbers);
    const got = await lease(world.ctx, network, containerIdOfBoth);
    const [before, now] = [await agent(), await agent()];
    await attach(world.ctx, before.netns, [{ network, lease: got, containerId: containerIdOfBoth }]);
    await attach(world.ctx, now.netns, [{ network, lease: got, containerId: containerIdOfBoth }]);
    expect(findLink(world.ctx, 'eth0', now.netns)?.up).toBe(true);
    expect(findLink(world.ctx, 'eth0', before.netns)).toBeUndefined();
  });

  it('detaches an interface from a running container', async () => {
    const { agent: inside } = await container([await make('one'), await make('two')]);
    detach(world.ctx, inside.netns, 'eth1');
    expect(findLink(world.ctx, 'eth1', inside.netns)).toBeUndefined();
    expect(findLink(world.ctx, 'eth0', inside.netns)?.up).toBe(true);
    detach(world.ctx, inside.netns, 'eth1');
  });

  withFirewall('connects containers of a network and keeps networks apart', async () => {
    const [one, two] = [await make('one', { enableIpv6: true }), await make('two', { enableIpv6: true })];
    const [a, b, c] = [await container([one]), await container([one]), await container([two])];
    await a.agent.tcpServer(80, 'a');
    expect(await b.agent.tcp(a.address, 80)).toBe(`a to ${b.address}`);
    expect(await b.agent.tcp(a.address6, 80)).toBe(`a to ${b.address6}`);
    expect(await c.agent.tcp(a.address, 80, SILENCE)).toBe('no answer');
    expect(await c.agent.tcp(a.address6, 80, SILENCE)).toBe('no answer');
  });

  withFirewall('masquerades outward, and lets nobody in', async () => {
    const machine = await outside();
    const network = await make('one', { enableIpv6: true });
    const inside = await container([network]);
    await machine.tcpServer(80, 'world');
    await inside.agent.tcpServer(80, 'inside');
    expect(await inside.agent.tcp('192.0.2.2', 80)).toBe('world to 192.0.2.1');
    expect(await inside.agent.tcp('2001:db8::2', 80)).toBe('world to 2001:db8::1');
    const index = findLink(world.ctx, 'world', machine.netns)?.index ?? 0;
    const gateway = { family: 4, value: 0xc0000201n } as const;
    route(
      world.ctx,
      [
        addRoute({
          index,
          family: 4,
          destination: requireSubnet(network.subnets[0]?.subnet ?? '', 'x'),
          gateway,
        }),
      ],
      machine.netns,
    );
    expect(await machine.tcp(inside.address, 80, SILENCE)).toBe('no answer');
  });

  it('does not masquerade when told not to', async () => {
    const machine = await outside();
    const network = await make('one', { options: { [OPTION.masquerade]: 'false' } });
    const inside = await container([network]);
    const index = findLink(world.ctx, 'world', machine.netns)?.index ?? 0;
    const gateway = { family: 4, value: 0xc0000201n } as const;
    route(
      world.ctx,
      [
        addRoute({
          index,
          family: 4,
          destination: requireSubnet(network.subnets[0]?.subnet ?? '', 'x'),
          gateway,
        }),
      ],
      machine.netns,
    );
    await machine.tcpServer(80, 'world');
    expect(await inside.agent.tcp('192.0.2.2', 80)).toBe(`world to ${inside.address}`);
  });

  withFirewall('gives an internal network no way out', async () => {
    const machine = await outside();
    const network = await make('one', { internal: true });
    const [a, b] = [await container([network]), await container([network])];
    await a.agent.tcpServer(80, 'a');
    await machine.tcpServer(80, 'world');
    expect(await b.agent.tcp(a.address, 80)).toBe(`a to ${b.address}`);
    expect(await b.agent.tcp('192.0.2.2', 80, SILENCE)).toBe('ENETUNREACH');
    const index = findLink(world.ctx, 'eth0', b.agent.netns)?.index ?? 0;
    const gateway = parseAddresses(dump(world.ctx, dumpAddresses())).find(
      ({ index: at }) => at === findLink(world.ctx, network.bridge)?.index,
    )?.address;
    if (gateway) route(world.ctx, [addRoute({ index, family: 4, gateway })], b.agent.netns);
    expect(await b.agent.tcp('192.0.2.2', 80, SILENCE)).toBe('no answer');
  });

  it('keeps the containers of a network apart with enable_icc=false', async () => {
    const network = await make('one', { options: { [OPTION.enableIcc]: 'false' } });
    const [a, b] = [await container([network]), await container([network])];
    const host = await agent({ host: true });
    await a.agent.tcpServer(80, 'a');
    expect(await b.agent.tcp(a.address, 80, SILENCE)).not.toContain('a to');
    expect(await host.tcp(a.address, 80)).toBe(`a to ${network.subnets[0]?.gateway}`);
  });

  withFirewall(
    'publishes ports to other machines, containers and this machine, until the batch that ends it',
    async () => {
      const machine = await outside();
      const [one, two] = [await make('one', { enableIpv6: true }), await make('two', { enableIpv6: true })];
      const [web, other] = [await container([one]), await container([two])];
      const host = await agent({ host: true });
      await web.agent.tcpServer(80, 'web');
      await web.agent.udpServer(53, 'dns');
      const target = { ipv4: web.address, ipv6: web.address6, bridges: [one.bridge] };
      const { bound, removal } = publish(
        [
          { protocol: 'tcp', published: 8080, target: 80 },
          { protocol: 'udp', published: 8053, target: 53 },
        ],
        target,
      );
      expect(await machine.tcp('192.0.2.1', 8080)).toBe('web to 192.0.2.2');
      expect(await machine.tcp('2001:db8::1', 8080)).toBe('web to 2001:db8::2');
      expect(await machine.udp('192.0.2.1', 8053)).toBe('dns to 192.0.2.2');
      expect(await host.tcp('192.0.2.1', 8080)).toBe('web to 192.0.2.1');
      expect(await other.agent.tcp('192.0.2.1', 8080)).toBe(`web to ${other.address}`);
      for (const batch of removal) world.ctx.core.netlink(NETLINK_NETFILTER, undefined, batch);
      drop(bound);
      expect(await machine.tcp('192.0.2.1', 8080)).toBe('ECONNREFUSED');
      for (const batch of removal) world.ctx.core.netlink(NETLINK_NETFILTER, undefined, batch);
    },
  );

  it.each(['1', '0'])(
    'lets a network reach its own published ports through the relay (bridge filter %s)',
    async (filter) => {
      await outside();
      setBridgeFilter(filter);
      const network = await make('one');
      const [web, peer] = [await container([network]), await container([network])];
      const { bound } = publish([{ protocol: 'tcp', published: 8080, target: 80 }], {
        ipv4: web.address,
        bridges: [network.bridge],
      });
      const relay = createServer((socket) =>
        socket.end(`relay to ${socket.remoteAddress?.replace('::ffff:', '')}`),
      );
      await new Promise<void>((done) => relay.listen({ fd: bound[0]?.fd }, done));
      expect(await peer.agent.tcp('192.0.2.1', 8080)).toBe(`relay to ${peer.address}`);
      expect(await web.agent.tcp('192.0.2.1', 8080)).toBe(`relay to ${web.address}`);
      held.length = 0;
      await new Promise((done) => relay.close(done));
    },
  );

  withFirewall('publishes on one address of the machine only', async () => {
    const machine = await outside();
    const web = await container([await make('one')]);
    await web.agent.tcpServer(80, 'web');
    publish([{ protocol: 'tcp', hostIp: '192.0.2.1', published: 8080, target: 80 }], {
      ipv4: web.address,
    });
    expect(await machine.tcp('192.0.2.1', 8080)).toBe('web to 192.0.2.2');
    expect(await web.agent.tcp(listNetworks(world.ctx)[0]?.subnets[0]?.gateway ?? '', 8080)).toBe(
      'ECONNREFUSED',
    );
  });

  it.skipIf(firewall === 'full')(
    'says once what the kernel lacks, and leaves ports to the relay',
    async () => {
      await make('one');
      expect(firewallState(world.ctx)).toBe(firewall);
      expect(firewallWarning(world.ctx)).toMatch(/published ports are relayed/);
      const { bound } = publish([{ protocol: 'tcp', published: 8080, target: 80 }], { ipv4: '10.160.0.9' });
      const host = await agent({ host: true });
      const relay = createServer((socket) => socket.end('relay'));
      await new Promise<void>((done) => relay.listen({ fd: bound[0]?.fd }, done));
      expect(await host.tcp('127.0.0.1', 8080)).toBe('relay');
      held.length = 0;
      await new Promise((done) => relay.close(done));
    },
  );

  withFirewall('forgets connections of a port that leads elsewhere', async () => {
    const machine = await outside();
    const network = await make('one');
    const [before, now] = [await container([network]), await container([network])];
    await before.agent.udpServer(53, 'before');
    await now.agent.udpServer(53, 'now');
    const wanted: PortWanted[] = [{ protocol: 'udp', published: 8053, target: 53 }];
    const first = publish(wanted, { ipv4: before.address });
    await machine.udp('192.0.2.1', 8053);
    const tracked = () =>
      readFileSync('/proc/net/nf_conntrack', 'utf8')
        .split('\n')
        .filter((line) => line.includes('dport=8053'));
    expect(tracked()).toHaveLength(1);
    drop(first.bound);
    publish(wanted, { ipv4: now.address });
    expect(tracked()).toEqual([]);
    expect(await machine.udp('192.0.2.1', 8053)).toBe('now to 192.0.2.2');
    dropPortRules(world.ctx, { ports: held, target: { ipv4: now.address } });
    expect(tracked()).toEqual([]);
  });

  it('leaves loopback addresses to the relay', async () => {
    const network = await make('one');
    const { removal } = publish([{ protocol: 'tcp', hostIp: '127.0.0.1', published: 8080, target: 80 }], {
      ipv4: '10.160.0.9',
    });
    expect(removal).toHaveLength(0);
    expect(network.leases).toEqual({});
  });

  withFirewall('replaces what a container left that held the same port', async () => {
    const machine = await outside();
    const web = await container([await make('one')]);
    await web.agent.tcpServer(80, 'web');
    const wanted: PortWanted[] = [
      { protocol: 'tcp', published: 8080, target: 80 },
      { protocol: 'tcp', published: 8081, target: 80 },
    ];
    const before = publish(wanted.slice(0, 1), { ipv4: '10.160.0.77' });
    drop(before.bound);
    publish(wanted, { ipv4: web.address });
    expect(await machine.tcp('192.0.2.1', 8080)).toBe('web to 192.0.2.2');
    expect(await machine.tcp('192.0.2.1', 8081)).toBe('web to 192.0.2.2');
  });

  withFirewall(
    'takes back the rules of a lost container, but not those of the one that has the port now',
    async () => {
      const machine = await outside();
      const web = await container([await make('one')]);
      await web.agent.tcpServer(80, 'web');
      const { bound } = publish([{ protocol: 'tcp', published: 8080, target: 80 }], { ipv4: web.address });
      dropPortRules(world.ctx, { ports: bound, target: { ipv4: '10.160.0.77' } });
      expect(await machine.tcp('192.0.2.1', 8080)).toBe('web to 192.0.2.2');
      dropPortRules(world.ctx, { ports: bound, target: { ipv4: web.address } });
      dropPortRules(world.ctx, { ports: bound, target: { ipv4: web.address } });
      drop(bound);
      expect(await machine.tcp('192.0.2.1', 8080)).toBe('ECONNREFUSED');
    },
  );

  withFirewall('rebuilds the table from the containers that run', async () => {
    const machine = await outside();
    const web = await container([await make('one')]);
    await web.agent.tcpServer(80, 'web');
    const { bound } = publish([{ protocol: 'tcp', published: 8080, target: 80 }], { ipv4: web.address });
    world.ctx.core.netlink(NETLINK_NETFILTER, undefined, transaction([deleteTable(table())]));
    expect(await reconcileFirewall(world.ctx, () => [{ ports: bound, target: { ipv4: web.address } }])).toBe(
      'full',
    );
    expect(await machine.tcp('192.0.2.1', 8080)).toBe('web to 192.0.2.2');
    expect(await reconcileFirewall(world.ctx, () => [])).toBe('full');
    drop(bound);
    expect(await machine.tcp('192.0.2.1', 8080)).toBe('ECONNREFUSED');
  });

  it('takes ranges, ephemeral ports and both families, all or nothing', () => {
    const { ctx } = world;
    const bound = bindPorts(ctx, [
      { protocol: 'tcp', published: '9000-9002', target: 80 },
      { protocol: 'tcp', published: '9000-9002', target: 80 },
      { protocol: 'udp', published: '9000-9002', target: 80 },
      { protocol: 'tcp', hostIp: '127.0.0.1', target: 81 },
    ]);
    expect(bound.map(({ hostPort }) => hostPort).slice(0, 3)).toEqual([9000, 9001, 9000]);
    expect(bound[3]?.hostPort).toBeGreaterThan(1023);
    const inUse = (ports: PortWanted[]) => expect(() => bindPorts(ctx, ports));
    inUse([
      { protocol: 'tcp', published: 9002, target: 80 },
      { protocol: 'tcp', published: 9000, target: 80 },
    ]).toThrow(
      expect.objectContaining({
        code: 'port-in-use',
        message: expect.stringContaining(`(pid ${process.pid})`),
      }),
    );
    inUse([{ protocol: 'tcp', published: '9000-9001', target: 80 }]).toThrow(
      'ports 9000-9001/tcp are all in use',
    );
    inUse([{ protocol: 'tcp', hostIp: '192.0.2.99', published: 1, target: 80 }]).toThrow(
      '192.0.2.99 is no address of this machine',
    );
    inUse([{ protocol: 'tcp', published: '9-8', target: 80 }]).toThrow('no range of ports');
    closePorts(ctx, bound);
    closePorts(ctx, bindPorts(ctx, [{ protocol: 'tcp', published: 9002, target: 80 }]));
  });

  it('names the process that has a port', async () => {
    const server = createServer();
    await new Promise<void>((done) => server.listen(9100, '127.0.0.1', done));
    expect(() => bindPorts(world.ctx, [{ protocol: 'tcp', published: 9100, target: 80 }])).toThrow(
      new RegExp(`port 9100/tcp is in use by .+ \\(pid ${process.pid}\\)`),
    );
    await new Promise((done) => server.close(done));
  });

  it('keeps addresses for a container until they are released, and refuses those in use', async () => {
    const { ctx } = world;
    const network = await make('one', { subnets: [{ subnet: '10.20.0.0/24', gateway: '10.20.0.254' }] });
    const [a, b] = [containerId(1), containerId(2)];
    const fixed = await lease(ctx, network, a, { ipv4: '10.20.0.100' });
    expect(fixed.ipv4).toBe('10.20.0.100');
    writeRecord(`${ctx.layout.stateDir}/containers/${a}/container.json`, { name: 'test-a-1' });
    await expect(lease(ctx, network, b, { ipv4: '10.20.0.100' })).rejects.toMatchObject({
      code: 'address-in-use',
      message: expect.stringContaining('test-a-1'),
    });
    await expect(removeNetwork(ctx, network)).rejects.toMatchObject({
      code: 'network-in-use',
      message: expect.stringContaining('test-a-1'),
    });
    await release(ctx, network, a);
    expect((await lease(ctx, network, b, { ipv4: '10.20.0.100' })).ipv4).toBe('10.20.0.100');
    const many = await leaseAll(ctx, network, [
      { container: containerId(3) },
      { container: containerId(4), wanted: { ipv4: '10.20.0.1' } },
    ]);
    expect(many.map(({ ipv4 }) => ipv4)).toEqual(['10.20.0.2', '10.20.0.1']);
  });

  it('makes macvlan endpoints on a parent, and on one of its own', async () => {
    const machine = await outside();
    await machine.tcpServer(80, 'world');
    const subnets = [{ subnet: '192.0.2.0/24', ip_range: '192.0.2.128/25', gateway: '192.0.2.2' }];
    const onParent = await make('one', { driver: 'macvlan', subnets, options: { parent: 'cable' } });
    const own = await make('two', { driver: 'macvlan' });
    const [a, b, c, d] = [
      await container([onParent]),
      await container([onParent]),
      await container([own]),
      await container([own]),
    ];
    await a.agent.tcpServer(80, 'a');
    await c.agent.tcpServer(80, 'c');
    expect(a.address).toBe('192.0.2.128');
    expect(await b.agent.tcp(a.address, 80)).toBe(`a to ${b.address}`);
    expect(await b.agent.tcp('192.0.2.2', 80)).toBe(`world to ${b.address}`);
    expect(await d.agent.tcp(c.address, 80)).toBe(`c to ${d.address}`);
    await removeNetworks(world.ctx, [own]);
    expect(linkNames().sort()).toEqual(['cable', 'lo']);
    await expect(make('three', { driver: 'macvlan', options: { parent: 'nothing' } })).rejects.toMatchObject({
      code: 'invalid-value',
    });
  });

  it('uses the bridge name that is given, but not the interface of somebody else', async () => {
    const { ctx } = world;
    const network = await make('one', { options: { [OPTION.bridgeName]: 'mybridge' } });
    expect(findLink(ctx, 'mybridge')?.kind).toBe('bridge');
    expect(network.bridge).toBe('mybridge');
    await expect(make('two', { options: { [OPTION.bridgeName]: 'lo' } })).rejects.toMatchObject({
      code: 'name-conflict',
    });
    expect(findLink(ctx, 'lo')).toBeDefined();
    expect(readdirSync(`${ctx.layout.stateDir}/networks`)).toEqual([`${network.id}.json`]);
  });

  it('serves two commands that make the same network at once', async () => {
    const networks = await Promise.all(Array.from({ length: 5 }, () => make('one')));
    expect(new Set(networks.map(({ id }) => id)).size).toBe(1);
    const others = await Promise.all(['a', 'b', 'c'].map((name) => make(name)));
    expect(new Set(others.map(({ subnets }) => subnets[0]?.subnet)).size).toBe(3);
    expect(formatSubnet(requireSubnet(others[0]?.subnets[0]?.subnet ?? '', 'x'))).toBe(
      others[0]?.subnets[0]?.subnet,
    );
  });
});
