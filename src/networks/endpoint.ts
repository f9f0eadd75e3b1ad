// Endpoints: a container's interfaces, addresses and routes on its networks.

import { createHash } from 'node:crypto';
import { errnoOf } from '../../core/index.ts';
import { ComposeError } from '../errors.ts';
import type { Context } from '../state/context.ts';
import { type Address, bitsOf, type Family, parseAddress, requireAddress, subnetAround } from './address.ts';
import { allowsPeers, gatewayFor, hasIpv6 } from './bridge.ts';
import { childKind, explainChild } from './child.ts';
import { type Lease, parseMac } from './ipam.ts';
import { removeLink, routeAsync } from './links.ts';
import type { Message } from './netlink.ts';
import { hasBridge, mtuOf, type NetworkRecord, OPTION } from './record.ts';
import { addAddress, addRoute } from './routes.ts';
import {
  changeLink,
  createLink,
  getLink,
  isolatePort,
  type LinkInfo,
  type LinkOptions,
  parseLinks,
  withoutLinkLocal,
} from './rtnetlink.ts';

/** One network of a container. The order of endpoints is that of their interfaces: eth0, eth1, … */
export interface Endpoint {
  readonly network: NetworkRecord;
  readonly lease: Lease;
  readonly containerId: string;
  readonly interfaceName?: string;
  /** The highest has the default route; among equals the first by name of the network. */
  readonly gatewayPriority?: number;
  readonly linkLocalIps?: readonly string[];
  /** Addresses that it shares with the other containers of its service. */
  readonly shared?: Lease;
}

/** An endpoint whose interface has its name, and which routes to the world through it. */
export interface Interface extends Endpoint {
  readonly interfaceName: string;
  readonly gateways: readonly Address[];
}

/** Names the interfaces and decides on the default routes. Pure. */
export function planInterfaces(endpoints: readonly Endpoint[]): Interface[] {
  const routed = new Map<Endpoint, Address[]>();
  for (const family of [4, 6] as const) {
    const chosen = chooseGateway(endpoints, family);
    if (chosen) routed.set(chosen.endpoint, [...(routed.get(chosen.endpoint) ?? []), chosen.gateway]);
  }
  const names = interfaceNames(endpoints);
  return endpoints.map((endpoint, index) => ({
    ...endpoint,
    interfaceName: names[index] ?? '',
    gateways: routed.get(endpoint) ?? [],
  }));
}

/** The names of a container's interfaces, in order: `eth0`, `eth1`, … where none is wanted. */
export function interfaceNames(
  endpoints: readonly {
    readonly network: Pick<NetworkRecord, 'options'>;
    readonly interfaceName?: string;
  }[],
): readonly string[] {
  const used = new Set(endpoints.flatMap(({ interfaceName }) => interfaceName ?? []));
  return endpoints.map(
    ({ network, interfaceName }) =>
      interfaceName ?? freeName(network.options[OPTION.interfacePrefix] || 'eth', used),
  );
}

function freeName(prefix: string, used: Set<string>): string {
  for (let number = 0; ; number++) {
    const name = `${prefix}${number}`;
    if (used.has(name)) continue;
    used.add(name);
    return name;
  }
}

function chooseGateway(
  endpoints: readonly Endpoint[],
  family: Family,
): { endpoint: Endpoint; gateway: Address } | undefined {
  const candidates = endpoints.flatMap((endpoint) => {
    const gateway = gatewayOf(endpoint, family);
    return gateway && !endpoint.network.internal ? [{ endpoint, gateway }] : [];
  });
  return candidates.sort((a, b) => byPriority(a.endpoint, b.endpoint))[0];
}

function gatewayOf({ network, lease }: Endpoint, family: Family): Address | undefined {
  const own = family === 4 ? lease.ipv4 : lease.ipv6;
  return own === undefined ? undefined : parseAddress(gatewayFor(network, own)?.gateway ?? '');
}

function byPriority(a: Endpoint, b: Endpoint): number {
  const difference = (b.gatewayPriority ?? 0) - (a.gatewayPriority ?? 0);
  return difference !== 0 ? difference : a.network.name < b.network.name ? -1 : 1;
}

interface Made {
  readonly plan: Interface;
  /** Our end on the host, where there is one. */
  readonly hostName: string;
  readonly create: Message;
  readonly follow: readonly Message[];
}

/**
 * Puts the interfaces of a container into the network namespace at `netns` and brings them and loopback up.
 * Nothing is left there or here when it fails.
 */
export async function attach(
  ctx: Context,
  netns: string,
  endpoints: readonly Endpoint[],
): Promise<Interface[]> {
  const plans = planInterfaces(endpoints);
  const namespaceFd = ctx.core.openFd(netns);
  try {
    const made = await makeLinks(ctx, plans, namespaceFd);
    try {
      await configure(ctx, netns, plans);
    } catch (error) {
      for (const { interfaceName } of plans) undo(ctx, interfaceName, netns);
      for (const { hostName } of made) undo(ctx, hostName);
      throw error;
    }
    return plans;
  } finally {
    ctx.core.close(namespaceFd);
  }
}

function undo(ctx: Context, name: string, netns?: string): void {
  try {
    removeLink(ctx, name, netns);
  } catch {
    // The first failure is the one to tell; the namespace takes its interfaces with it in the end.
  }
}

/** Takes the interface of one network out of a running container; a missing one is fine. */
export function detach(ctx: Context, netns: string, interfaceName: string): void {
  removeLink(ctx, interfaceName, netns);
}

async function makeLinks(ctx: Context, plans: readonly Interface[], namespaceFd: number): Promise<Made[]> {
  const masters = await mastersOf(ctx, plans);
  const links = plans.map((plan) => linkFor(plan, masters.get(plan.network.bridge), namespaceFd));
  const create = (): Promise<unknown> =>
    routeAsync(
      ctx,
      links.flatMap((link) => [link.create, ...link.follow]),
    );
  try {
    await create();
  } catch (error) {
    for (const { hostName } of links) undo(ctx, hostName);
    // A connection that was never answered can keep the namespace of an earlier run, and our name in it, for minutes.
    if (errnoOf(error) === 'EEXIST') await retry(ctx, links, create);
    else throw explain(error, links);
  }
  return links;
}

async function retry(ctx: Context, links: readonly Made[], create: () => Promise<unknown>): Promise<void> {
  try {
    await create();
  } catch (error) {
    for (const { hostName } of links) undo(ctx, hostName);
    throw explain(error, links);
  }
}

/** The host's end of a container's interface: the same in every run, so that one that was left behind is found. */
export function hostInterface(containerId: string, networkId: string): string {
  return `veth${createHash('sha256').update(`${containerId} ${networkId}`).digest('hex').slice(0, 11)}`;
}

/** Says which network could not be joined. */
function explain(error: unknown, links: readonly Made[]): unknown {
  const networks = links.map(({ plan }) => plan.network);
  const bridged = networks.find(hasBridge);
  if (errnoOf(error) === EXFULL && bridged) return bridgeFull(error, bridged);
  const special = networks.find((network) => !hasBridge(network)) ?? networks[0];
  return special ? explainChild(error, special) : error;
}

/** Node has no name for it. */
const EXFULL = 'errno 54';

/** BR_MAX_PORTS of the kernel, without the number that nobody gets. */
const BRIDGE_PORTS = 1023;

function bridgeFull(cause: unknown, { name }: NetworkRecord): ComposeError {
  return new ComposeError(
    'network-in-use',
    `network "${name}" is full: Linux connects ${BRIDGE_PORTS} containers to a bridge, and no more`,
    { cause, hint: 'spread the services over several networks' },
  );
}

async function mastersOf(ctx: Context, plans: readonly Interface[]): Promise<Map<string, LinkInfo>> {
  const names = [...new Set(plans.map(({ network }) => network.bridge))];
  try {
    const found = parseLinks(await routeAsync(ctx, names.map(getLink)));
    return new Map(found.map((link) => [link.name, link]));
  } catch (error) {
    if (errnoOf(error) !== 'ENODEV') throw error;
    throw new ComposeError(
      'network-not-found',
      `the interface of a network has vanished: ${names.join(', ')}`,
      {
        cause: error,
        hint: 'run the command again: it makes the interface anew',
      },
    );
  }
}

function linkFor(plan: Interface, master: LinkInfo | undefined, namespaceFd: number): Made {
  const { network, lease, interfaceName: name } = plan;
  const mtu = mtuOf(network) ?? master?.mtu;
  const inside: LinkOptions = {
    name,
    namespaceFd,
    // All ipvlan interfaces have the address of their parent.
    ...(network.driver === 'ipvlan' ? {} : { mac: parseMac(lease.mac) }),
    ...(mtu === undefined ? {} : { mtu }),
  };
  const index = master?.index ?? 0;
  if (!hasBridge(network)) {
    return { plan, hostName: '', create: createLink(inside, childKind(network, index)), follow: [] };
  }
  const hostName = hostInterface(plan.containerId, network.id);
  const options = { name: hostName, master: index, ...(mtu === undefined ? {} : { mtu }) };
  return {
    plan,
    hostName,
    create: createLink(options, { kind: 'veth', peer: inside }),
    follow: portMessages(hostName, network),
  };
}

function portMessages(hostName: string, network: NetworkRecord): Message[] {
  return [
    ...(allowsPeers(network) ? [] : [isolatePort(hostName)]),
    ...(hasIpv6() ? [withoutLinkLocal(hostName)] : []),
    changeLink(hostName, { up: true }),
  ];
}

const LOOPBACK_INDEX = 1;

/** Inside the namespace: addresses, up, routes. */
async function configure(ctx: Context, netns: string, plans: readonly Interface[]): Promise<void> {
  const lookUp = plans.map(({ interfaceName }) => getLink(interfaceName));
  const answers = await routeAsync(ctx, [changeLink(LOOPBACK_INDEX, { up: true }), ...lookUp], netns);
  const indices = new Map(parseLinks(answers).map(({ name, index }) => [name, index]));
  const indexOf = ({ interfaceName }: Interface): number => indices.get(interfaceName) ?? 0;
  const requests = [
    ...plans.flatMap((plan) => interfaceMessages(plan, indexOf(plan))),
    ...plans.flatMap((plan) => plan.gateways.map((gateway) => defaultRoute(plan, gateway, indexOf(plan)))),
  ];
  await routeAsync(ctx, requests, netns);
}

function interfaceMessages({ network, lease, linkLocalIps = [] }: Interface, index: number): Message[] {
  const addresses = [lease.ipv4, lease.ipv6].flatMap((text) =>
    text === undefined ? [] : [leasedAddress(network, text)],
  );
  const linkLocal = linkLocalIps.map((text) => linkLocalAddress(text));
  const all = [...addresses, ...linkLocal];
  const quiet = hasIpv6() && !all.some(({ address }) => address.family === 6);
  return [
    ...(quiet ? [withoutLinkLocal(index)] : []),
    ...all.map(({ address, prefix }) => addAddress({ index, address, prefix })),
    changeLink(index, { up: true }),
  ];
}

function leasedAddress(network: NetworkRecord, text: string): { address: Address; prefix: number } {
  const address = requireAddress(text, 'a lease');
  return { address, prefix: gatewayFor(network, text)?.prefix ?? bitsOf(address.family) };
}

function linkLocalAddress(text: string): { address: Address; prefix: number } {
  const address = requireAddress(text, 'a link_local_ips entry');
  return { address, prefix: address.family === 4 ? 16 : 64 };
}

/** macvlan and ipvlan in layer 3 mode have no gateway to ask: everything goes out of the interface. */
function defaultRoute({ network }: Interface, gateway: Address, index: number): Message {
  const { family } = gateway;
  const layer3 = network.driver === 'ipvlan' && (network.options.ipvlan_mode ?? 'l2') !== 'l2';
  const destination = subnetAround({ family, value: 0n }, 0);
  return addRoute({ index, family, destination, ...(layer3 ? {} : { gateway }) });
}
