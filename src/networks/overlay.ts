// Networks that several machines share: a bridge on each, connected by vxlan to the bridges of its peers.
//
// Driver options: `peers`, the addresses of the machines, the same list on each of them, this one's among them; `vni` (1 to
// 16777215, else it follows from the network's name), `port` (4789), `local` (this machine's address, when `peers` does
// not have it), `parent` (the interface to go out of). All machines give the network the same subnet; without an
// ip_range each takes its share of it, in the order of the list, and has its gateway there. Frames are not encrypted.
import { createHash } from 'node:crypto';
import { errnoOf } from '../../core/index.ts';
import { ComposeError } from '../errors.ts';
import type { Context } from '../state/context.ts';
import {
  type Address,
  bitsOf,
  formatAddress,
  formatSubnet,
  requireAddress,
  requireSubnet,
} from './address.ts';
import { dump, findLink, isMissingKind, route } from './links.ts';
import { mtuOf, type NetworkRecord } from './record.ts';
import { addForwarding, dumpAddresses, parseAddresses } from './routes.ts';
import { changeLink, createLink } from './rtnetlink.ts';
import type { NetworkSubnet } from './subnets.ts';

const DEFAULT_PORT = 4789;
const VNI_MAX = 2 ** 24 - 1;
/** Ethernet, IP, UDP and VXLAN headers around each frame. */
const OVERHEAD = { 4: 50, 6: 70 } as const;
const EVERYBODY = new Uint8Array(6);

type Named = Pick<NetworkRecord, 'name' | 'options'>;

interface Tunnel {
  readonly vni: number;
  readonly port: number;
  /** Sorted as they are written; this machine's own address is among them when it is known. */
  readonly machines: readonly Address[];
  readonly local: Address | undefined;
}

/**
 * What the options say, on the machine that has the addresses `own`; undefined without peers: then the network is this
 * machine's alone.
 */
export function tunnelOf(network: Named, own: readonly string[]): Tunnel | undefined {
  const { name, options } = network;
  const machines = (options.peers ?? '')
    .split(/[\s,]+/)
    .filter((text) => text !== '')
    .map((text) => requireAddress(text, `a peer of network "${name}"`));
  if (machines.length === 0) return undefined;
  const local = options.local
    ? requireAddress(options.local, `the local address of network "${name}"`)
    : machines.find((machine) => own.includes(formatAddress(machine)));
  if (new Set(machines.map(({ family }) => family)).size > 1)
    throw new ComposeError('invalid-value', `the peers of network "${name}" are of both IPv4 and IPv6`);
  const vni = numberOption(network, 'vni', { fallback: vniOf(name), last: VNI_MAX });
  const port = numberOption(network, 'port', { fallback: DEFAULT_PORT, last: 65535 });
  return { vni, port, machines, local };
}

/** All that the machine has, those of interfaces without a carrier too: a link may take a second to notice that it is up. */
export function ownAddresses(ctx: Context): string[] {
  return parseAddresses(dump(ctx, dumpAddresses())).map(({ address }) => formatAddress(address));
}

/** The same on every machine. */
function vniOf(name: string): number {
  return 1 + (createHash('sha256').update(name).digest().readUInt32BE() % VNI_MAX);
}

function numberOption(
  { name, options }: Named,
  key: string,
  { fallback, last }: { fallback: number; last: number },
): number {
  if (options[key] === undefined) return fallback;
  const value = Number(options[key]);
  if (Number.isInteger(value) && value >= 1 && value <= last) return value;
  throw new ComposeError(
    'invalid-value',
    `network "${name}" has the ${key} "${options[key]}", which is no number from 1 to ${last}`,
  );
}

/**
 * Gives this machine, which has the addresses `own`, its share of each subnet, so that no two machines hand out the same
 * address. The first `given` subnets are the file's.
 */
export function shareSubnets(
  network: Named,
  subnets: readonly NetworkSubnet[],
  given: number,
  own: readonly string[],
): NetworkSubnet[] {
  const tunnel = tunnelOf(network, own);
  if (!tunnel) return [...subnets];
  if (given === 0) {
    throw new ComposeError(
      'missing-key',
      `network "${network.name}" has peers, but no subnet that they agree on`,
      {
        hint: 'give it an ipam subnet, the same on every machine',
      },
    );
  }
  return subnets.map((entry) => (entry.ipRange === undefined ? shareOf(network, tunnel, entry) : entry));
}

function shareOf({ name }: Named, { machines, local }: Tunnel, entry: NetworkSubnet): NetworkSubnet {
  const index = machines.findIndex((machine) => local && formatAddress(machine) === formatAddress(local));
  if (index < 0) {
    throw new ComposeError(
      'invalid-value',
      `no address of this machine is among the peers of network "${name}"`,
      {
        hint: 'list it, the same list on every machine; or give the network an ip_range for this machine',
      },
    );
  }
  const subnet = requireSubnet(entry.subnet, `the subnet of network "${name}"`);
  const prefix = subnet.prefix + Math.ceil(Math.log2(machines.length));
  if (prefix > bitsOf(subnet.family) - 2) {
    throw new ComposeError(
      'invalid-value',
      `the subnet ${entry.subnet} of network "${name}" is too small for ${machines.length} machines`,
    );
  }
  const size = 1n << BigInt(bitsOf(subnet.family) - prefix);
  const share = { family: subnet.family, base: subnet.base + BigInt(index) * size, prefix };
  const gateway = formatAddress({ family: subnet.family, value: share.base + 1n });
  return { ...entry, ipRange: formatSubnet(share), gateway };
}

/** Connects the bridge of a network with the peers; what is there stays. */
export function ensureTunnel(ctx: Context, network: NetworkRecord): void {
  const name = tunnelName(network);
  if (findLink(ctx, name)) return;
  const tunnel = tunnelOf(network, ownAddresses(ctx));
  if (!tunnel) return;
  const master = findLink(ctx, network.bridge)?.index;
  const parent =
    network.options.parent === undefined ? undefined : findLink(ctx, network.options.parent)?.index;
  const { vni, port, local, machines } = tunnel;
  const mtu = mtuOf(network) ?? mtuThrough(ctx, parent, machines);
  const kind = {
    kind: 'vxlan',
    id: vni,
    port,
    ...(local ? { local } : {}),
    ...(parent === undefined ? {} : { parent }),
  } as const;
  try {
    route(ctx, [createLink({ name, mtu, ...(master === undefined ? {} : { master }) }, kind)]);
  } catch (error) {
    throw explain(error, network, tunnel);
  }
  const index = findLink(ctx, name)?.index ?? 0;
  const others = machines.filter((machine) => !local || formatAddress(machine) !== formatAddress(local));
  route(ctx, [
    ...others.map((peer) => addForwarding({ index, mac: EVERYBODY, peer })),
    changeLink(index, { up: true }),
  ]);
}

const ETHERNET_MTU = 1500;

function mtuThrough(ctx: Context, parent: number | undefined, [first]: readonly Address[]): number {
  const outer = parent === undefined ? undefined : findLink(ctx, parent)?.mtu;
  return (outer ?? ETHERNET_MTU) - OVERHEAD[first?.family ?? 4];
}

export function tunnelName({ id }: Pick<NetworkRecord, 'id'>): string {
  return `tsv-${id.slice(0, 11)}`;
}

function explain(error: unknown, { name }: NetworkRecord, { vni, port }: Tunnel): unknown {
  if (errnoOf(error) === 'EEXIST') {
    const hint = 'give each network a vni of its own in driver_opts';
    const message = `network "${name}" needs vxlan ${vni} on port ${port}, which another interface has`;
    return new ComposeError('name-conflict', message, { cause: error, hint });
  }
  if (!isMissingKind(error)) return error;
  return new ComposeError(
    'kernel-feature',
    `network "${name}" has peers, but the kernel has no vxlan interfaces`,
    {
      cause: error,
      hint: 'load or build the module vxlan',
    },
  );
}
