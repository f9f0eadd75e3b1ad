// The host's side of a network in the kernel: its bridge, or the parent interface of macvlan and ipvlan.
import { randomInt } from 'node:crypto';
import { existsSync } from 'node:fs';
import { errnoOf } from '../../core/index.ts';
import { ComposeError } from '../errors.ts';
import type { Context } from '../state/context.ts';
import { bitsOf, contains, formatAddress, parseAddress, requireAddress, requireSubnet } from './address.ts';
import { isShared, macFor, parseMac } from './ipam.ts';
import { dump, findLink, isMissingKind, route } from './links.ts';
import type { Message } from './netlink.ts';
import { ensureTunnel, tunnelName } from './overlay.ts';
import { flagOption, gatewayMode, hasBridge, mtuOf, type NetworkRecord, OPTION } from './record.ts';
import { addAddress, dumpAddresses, parseAddresses } from './routes.ts';
import {
  changeLink,
  createLink,
  deleteGroup,
  dumpLinks,
  groupLink,
  type LinkInfo,
  parseLinks,
  withoutLinkLocal,
} from './rtnetlink.ts';

/** Makes the interface of a network when it is missing, and completes one that is half-made. */
export function ensureInterface(ctx: Context, network: NetworkRecord): void {
  if (hasBridge(network)) ensureBridge(ctx, network);
  else if (network.driver !== 'cni') ensureParent(ctx, network);
  if (network.driver === 'overlay') ensureTunnel(ctx, network);
}

function ensureBridge(ctx: Context, network: NetworkRecord): void {
  const existing = findLink(ctx, network.bridge);
  if (existing && existing.kind !== 'bridge') {
    throw new ComposeError(
      'name-conflict',
      `network "${network.name}" needs the bridge ${network.bridge}, but that interface is no bridge`,
    );
  }
  if (!existing) makeBridge(ctx, network);
  const bridge = existing ?? findLink(ctx, network.bridge);
  if (!bridge)
    throw new ComposeError('system', `the bridge ${network.bridge} vanished while it was being made`);
  const missing = missingAddresses(ctx, network, existing);
  route(
    ctx,
    missing.map((address) => addAddress({ ...address, index: bridge.index })),
  );
  if (!bridge.up) route(ctx, [changeLink(bridge.index, { up: true })]);
}

function makeBridge(ctx: Context, network: NetworkRecord): void {
  const mtu = mtuOf(network);
  const gateway = parseAddress(network.subnets[0]?.gateway ?? '');
  // A fixed hardware address: otherwise it is that of a port, and changes as containers come and go.
  const options = {
    name: network.bridge,
    mac: parseMac(macFor(gateway)),
    ...(mtu === undefined ? {} : { mtu }),
  };
  route(ctx, [createLink(options, { kind: 'bridge' }), ...quietIpv6(network)]);
}

/** Without IPv6 on the network, an address of its own would only make noise. */
export function quietIpv6({ bridge, subnets }: Pick<NetworkRecord, 'bridge' | 'subnets'>): Message[] {
  return subnets.some(({ subnet }) => subnet.includes(':')) || !hasIpv6() ? [] : [withoutLinkLocal(bridge)];
}

let ipv6: boolean | undefined;

/** Whether this kernel speaks IPv6. */
export function hasIpv6(): boolean {
  ipv6 ??= existsSync('/proc/net/if_inet6');
  return ipv6;
}

function missingAddresses(ctx: Context, network: NetworkRecord, existing: LinkInfo | undefined) {
  const present = existing
    ? parseAddresses(dump(ctx, dumpAddresses())).filter(({ index }) => index === existing.index)
    : [];
  const texts = new Set(present.map(({ address }) => formatAddress(address)));
  return [...gatewayAddresses(network), ...sharedAddresses(network)].filter(
    ({ address }) => !texts.has(formatAddress(address)),
  );
}

// An isolated network has no way to this machine either.
function hasHostAddress(network: NetworkRecord, gateway: string): boolean {
  const family = gateway.includes(':') ? 6 : 4;
  if (family === 4 && flagOption(network, OPTION.inhibit, false)) return false;
  return gatewayMode(network, family) !== 'isolated';
}

function gatewayAddresses(network: NetworkRecord) {
  const subnets = network.subnets.filter(({ gateway }) => hasHostAddress(network, gateway));
  return subnets.map(({ gateway, subnet }) => ({
    address: requireAddress(gateway, 'the gateway'),
    prefix: requireSubnet(subnet, 'the subnet').prefix,
  }));
}

/** Addresses that stand for all replicas of a service. */
function sharedAddresses({ leases }: NetworkRecord) {
  return Object.entries(leases)
    .filter(([key]) => isShared(key))
    .flatMap(([, { ipv4, ipv6 }]) => [ipv4, ipv6].flatMap((text) => parseAddress(text ?? '') ?? []))
    .map((address) => ({ address, prefix: bitsOf(address.family) }));
}

function ensureParent(ctx: Context, network: NetworkRecord): void {
  if (findLink(ctx, network.bridge)) return;
  if (network.options.parent === undefined) {
    makeClosedCircuit(ctx, network);
    return;
  }
  makeVlan(ctx, network, network.options.parent);
}

/** A cable that leads nowhere, as parent of a network of its own: every kernel that has containers has veth. */
function makeClosedCircuit(ctx: Context, { bridge }: NetworkRecord): void {
  const farEnd = bridge.replace(/^tsd/, 'tse');
  route(ctx, [
    createLink({ name: bridge }, { kind: 'veth', peer: { name: farEnd } }),
    changeLink(farEnd, { up: true }),
    changeLink(bridge, { up: true }),
  ]);
}

/** A parent `eth0.50` that does not exist is made as VLAN 50 of eth0. */
function makeVlan(ctx: Context, network: NetworkRecord, name: string): void {
  const [, base = '', id = ''] = /^(.+)\.(\d{1,4})$/.exec(name) ?? [];
  const parent = base === '' ? undefined : findLink(ctx, base);
  if (!parent) {
    throw new ComposeError(
      'invalid-value',
      `network "${network.name}" has the parent ${name}, and there is no such interface`,
    );
  }
  try {
    route(ctx, [createLink({ name }, { kind: 'vlan', parent: parent.index, id: Number(id) })]);
  } catch (error) {
    if (!isMissingKind(error)) throw error;
    const message = `network "${network.name}" has the parent ${name}, but the kernel has no VLAN interfaces`;
    const hint = 'load or build the module 8021q, or make the parent by hand';
    throw new ComposeError('kernel-feature', message, { cause: error, hint });
  }
  route(ctx, [changeLink(name, { up: true })]);
}

/** Removes what `ensureInterface` made, and ports that outlived their containers; what the user had before stays. */
export function removeInterfaces(ctx: Context, networks: readonly NetworkRecord[]): void {
  const ours = networks.filter((network) => hasBridge(network) || network.options.parent === undefined);
  const names = new Set(ours.flatMap((network) => [network.bridge, tunnelName(network)]));
  const links = parseLinks(dump(ctx, dumpLinks()));
  const masters = new Set(links.filter(({ name }) => names.has(name)).map(({ index }) => index));
  const going = links.filter(
    ({ name, master, kind }) => names.has(name) || (kind === 'veth' && masters.has(master ?? 0)),
  );
  removeTogether(ctx, going);
}

function removeTogether(ctx: Context, links: readonly LinkInfo[]): void {
  if (links.length === 0) return;
  const group = randomInt(2 ** 16, 2 ** 31);
  try {
    route(ctx, [...links.map(({ index }) => groupLink(index, group)), deleteGroup(group)]);
  } catch (error) {
    // A namespace that ends takes its ports with it at the same moment.
    if (errnoOf(error) !== 'ENODEV') throw error;
  }
}

/** Whether containers of a network may talk to each other. */
export function allowsPeers(network: NetworkRecord): boolean {
  return flagOption(network, OPTION.enableIcc, true);
}

/** The gateway of the subnet that an address is in. */
export function gatewayFor(
  network: NetworkRecord,
  text: string,
): { gateway: string; prefix: number } | undefined {
  const address = requireAddress(text, 'a lease');
  for (const { subnet, gateway } of network.subnets) {
    const parsed = requireSubnet(subnet, 'a subnet');
    if (contains(parsed, address)) return { gateway, prefix: parsed.prefix };
  }
  return undefined;
}
