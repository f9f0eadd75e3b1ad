// Networks of this machine: making, finding and removing them, and the addresses that containers have on them.
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { ComposeError } from '../errors.ts';
import type { Context } from '../state/context.ts';
import { containerFiles, lockFile, networkFiles } from '../state/layout.ts';
import { withLock } from '../state/lock.ts';
import { readTextIfPresent, writeRecord } from '../state/record.ts';
import { type Family, parseSubnet, type Subnet, subnetAround } from './address.ts';
import { ensureInterface, removeInterfaces } from './bridge.ts';
import {
  addToFirewall,
  networkElements,
  rebuildFirewall,
  removeFirewall,
  removeFromFirewall,
} from './firewall.ts';
import { enableForwarding, restoreForwarding } from './forwarding.ts';
import { upstreamServers } from './hosts.ts';
import {
  type AddressesWanted,
  checkSubnet,
  chooseLease,
  chooseSubnet,
  type Lease,
  type NetworkSubnet,
  parsePools,
  plainSubnet,
  refuseOverlap,
  type SubnetWanted,
  type Taken,
  uniqueLocalSubnet,
} from './ipam.ts';
import { dump } from './links.ts';
import { listNetworks, type NetworkDriver, type NetworkRecord, OPTION, readNetwork } from './record.ts';
import {
  dumpAddresses,
  dumpLinks,
  dumpRoutes,
  parseAddresses,
  parseLinks,
  parseRoutes,
} from './rtnetlink.ts';

/** What a compose file asks for. */
export interface NetworkWanted {
  /** Of a network that is made anew under containers that stay; chosen when absent. */
  readonly id?: string;
  /** Name on this machine. */
  readonly name: string;
  readonly project: string;
  /** Key in the compose file. */
  readonly key: string;
  readonly driver?: string;
  readonly options?: Readonly<Record<string, string>>;
  readonly subnets?: readonly SubnetWanted[];
  readonly internal?: boolean;
  readonly enableIpv4?: boolean;
  readonly enableIpv6?: boolean;
  readonly labels?: Readonly<Record<string, string>>;
  readonly configHash?: string;
}

function locked<T>(ctx: Context, run: () => T): Promise<T> {
  return withLock(ctx.core, lockFile(ctx.layout, 'networks'), { exclusive: true }, run);
}

/** Finds a network by its name on this machine. */
export function findNetwork(ctx: Context, name: string): NetworkRecord | undefined {
  return listNetworks(ctx).find((network) => network.name === name);
}

/**
 * The network of that name, made when there is none; its interface and firewall elements are made again when they
 * have vanished. An existing one is not compared with what is wanted: that is the plan's work (configHash).
 */
export function ensureNetwork(ctx: Context, wanted: NetworkWanted): Promise<NetworkRecord> {
  return locked(ctx, () => {
    const networks = listNetworks(ctx);
    const existing = networks.find(({ name }) => name === wanted.name);
    const network = existing ?? planNetwork(ctx, wanted, networks);
    // The record comes first: whatever a killed command leaves half-made, the next one finds and completes.
    if (!existing) writeNetwork(ctx, network);
    try {
      raise(ctx, network, existing ? networks : [...networks, network]);
    } catch (error) {
      if (!existing) discard(ctx, network, networks);
      throw error;
    }
    return network;
  });
}

function raise(ctx: Context, network: NetworkRecord, all: readonly NetworkRecord[]): void {
  ensureInterface(ctx, network);
  if (network.driver !== 'bridge') return;
  const bridges = all.filter(({ driver }) => driver === 'bridge');
  if (!addToFirewall(ctx, networkElements(network))) rebuildFirewall(ctx, bridges, []);
  if (!network.internal) enableForwarding(ctx, familiesOf(network));
}

function discard(ctx: Context, network: NetworkRecord, others: readonly NetworkRecord[]): void {
  rmSync(networkFiles(ctx.layout, network.id).record, { force: true });
  try {
    lower(ctx, [network], others);
  } catch {
    // The reason why it could not be made is the better message.
  }
}

/** Takes down what networks have in the kernel; `others` are those that stay. */
function lower(ctx: Context, networks: readonly NetworkRecord[], others: readonly NetworkRecord[]): void {
  if (others.some(({ driver }) => driver === 'bridge'))
    removeFromFirewall(ctx, networks.flatMap(networkElements));
  else removeFirewall(ctx);
  if (others.length === 0) restoreForwarding(ctx);
  removeInterfaces(ctx, networks);
}

function familiesOf({ subnets }: NetworkRecord): Set<Family> {
  return new Set(subnets.map(({ subnet }) => (subnet.includes(':') ? 6 : 4)));
}

function writeNetwork(ctx: Context, network: NetworkRecord): void {
  writeRecord(networkFiles(ctx.layout, network.id).record, network);
}

function planNetwork(ctx: Context, wanted: NetworkWanted, networks: readonly NetworkRecord[]): NetworkRecord {
  const id = wanted.id ?? randomBytes(32).toString('hex');
  const driver = requireDriver(wanted);
  const options = wanted.options ?? {};
  return {
    version: 1,
    id,
    name: wanted.name,
    project: wanted.project,
    key: wanted.key,
    driver,
    bridge: interfaceOf({ id, driver, options, name: wanted.name }),
    subnets: planSubnets(wanted, takenSubnets(ctx, networks, driver === 'bridge')),
    internal: wanted.internal ?? false,
    options,
    labels: wanted.labels ?? {},
    configHash: wanted.configHash ?? '',
    created: new Date().toISOString(),
    leases: {},
  };
}

function requireDriver({ name, driver = 'bridge' }: NetworkWanted): NetworkDriver {
  if (driver === '' || driver === 'default' || driver === 'bridge') return 'bridge';
  if (driver === 'macvlan' || driver === 'ipvlan') return driver;
  throw new ComposeError('unsupported', `network "${name}" has driver "${driver}", which is not supported`, {
    hint: 'use bridge, macvlan or ipvlan',
  });
}

const INTERFACE_NAME = /^[^\s/:]{1,15}$/;

function interfaceOf({
  id,
  driver,
  options,
  name,
}: Pick<NetworkRecord, 'id' | 'driver' | 'options' | 'name'>): string {
  const chosen = driver === 'bridge' ? options[OPTION.bridgeName] : options.parent;
  const made = `${driver === 'bridge' ? 'tsc' : 'tsd'}-${id.slice(0, 11)}`;
  if (!chosen) return made;
  if (INTERFACE_NAME.test(chosen)) return chosen;
  throw new ComposeError(
    'invalid-value',
    `network "${name}" names the interface "${chosen}", which is no interface name`,
    {
      hint: 'at most 15 characters, without spaces, slashes and colons',
    },
  );
}

function planSubnets(wanted: NetworkWanted, taken: readonly Taken[]): NetworkSubnet[] {
  const subnets = (wanted.subnets ?? []).map((entry) => {
    const subnet = entry.subnet;
    return subnet === undefined ? undefined : checkSubnet(wanted.name, { ...entry, subnet });
  });
  const given = subnets.filter((subnet) => subnet !== undefined);
  refuseOverlap(wanted.name, given, taken);
  refuseOwnOverlap(wanted.name, given);
  return [...given, ...missingSubnets(wanted, given, taken)];
}

function refuseOwnOverlap(name: string, subnets: readonly NetworkSubnet[]): void {
  subnets.forEach((entry, index) => {
    const before = subnets.slice(0, index).flatMap(({ subnet }) => parseSubnet(subnet) ?? []);
    refuseOverlap(
      name,
      [entry],
      before.map((subnet) => ({ subnet, owner: 'its other subnet' })),
    );
  });
}

function missingSubnets(
  wanted: NetworkWanted,
  given: readonly NetworkSubnet[],
  taken: readonly Taken[],
): NetworkSubnet[] {
  const has = (family: Family): boolean => given.some(({ subnet }) => parseSubnet(subnet)?.family === family);
  const ipv4 = wanted.enableIpv4 !== false && !has(4);
  const ipv6 = wanted.enableIpv6 === true && !has(6);
  return [
    ...(ipv4
      ? [plainSubnet(chooseSubnet(parsePools(process.env.TSCOMPOSE_ADDRESS_POOLS || undefined), taken))]
      : []),
    ...(ipv6 ? [plainSubnet(freeUniqueLocal(wanted.name, taken))] : []),
  ];
}

/** The machine's own 40 random bits, then a subnet number that follows from the name (RFC 4193, section 3.2). */
function freeUniqueLocal(name: string, taken: readonly Taken[]): Subnet {
  const machine = createHash('sha256')
    .update(readTextIfPresent('/etc/machine-id') ?? name)
    .digest();
  for (let attempt = 0; attempt < 65536; attempt++) {
    const number = createHash('sha256').update(`${name} ${attempt}`).digest();
    const subnet = uniqueLocalSubnet(Buffer.concat([machine.subarray(0, 5), number.subarray(0, 2)]));
    if (!taken.some((entry) => entry.subnet.family === 6 && entry.subnet.base === subnet.base)) return subnet;
  }
  throw new ComposeError('subnet-conflict', 'every IPv6 subnet of this machine is taken');
}

/** Everything that a new network must not overlap: other networks, live routes and addresses, name servers. */
function takenSubnets(ctx: Context, networks: readonly NetworkRecord[], withRoutes: boolean): Taken[] {
  const others = networks.flatMap(({ name, subnets }) =>
    subnets.map(({ subnet }) => ({ subnet: requireParsed(subnet), owner: `network "${name}"` })),
  );
  return withRoutes ? [...others, ...liveSubnets(ctx), ...nameServers()] : others;
}

function requireParsed(text: string): Subnet {
  const subnet = parseSubnet(text);
  if (subnet) return subnet;
  throw new ComposeError('state-corrupt', `a network's record has the subnet ${text}`);
}

function liveSubnets(ctx: Context): Taken[] {
  const names = new Map(parseLinks(dump(ctx, dumpLinks())).map(({ index, name }) => [index, name]));
  const nameOf = (index: number | undefined): string => names.get(index ?? 0) ?? 'an interface';
  const addresses = parseAddresses(dump(ctx, dumpAddresses())).map(({ index, subnet }) => ({
    subnet,
    owner: `an address of ${nameOf(index)}`,
  }));
  const routes = parseRoutes(dump(ctx, dumpRoutes())).map(({ index, destination }) => ({
    subnet: destination,
    owner: `a route through ${nameOf(index)}`,
  }));
  // Default routes, and the halves by which VPNs replace them, say nothing about what is in use.
  return [...addresses, ...routes].filter(({ subnet }) => subnet.prefix > 1);
}

function nameServers(): Taken[] {
  return upstreamServers(readTextIfPresent('/etc/resolv.conf') ?? '').map((address) => ({
    subnet: subnetAround(address, address.family === 4 ? 32 : 128),
    owner: 'a name server of this machine',
  }));
}

/** Removes networks; ComposeError `network-in-use` when containers still have addresses on one. */
export function removeNetworks(ctx: Context, networks: readonly NetworkRecord[]): Promise<void> {
  return locked(ctx, () => {
    const all = listNetworks(ctx);
    const ids = new Set(networks.map(({ id }) => id));
    const going = all.filter(({ id }) => ids.has(id));
    for (const network of going) refuseInUse(ctx, network);
    lower(
      ctx,
      going,
      all.filter(({ id }) => !ids.has(id)),
    );
    for (const { id } of going) {
      rmSync(networkFiles(ctx.layout, id).runDir, { recursive: true, force: true });
      rmSync(networkFiles(ctx.layout, id).record, { force: true });
    }
  });
}

export function removeNetwork(ctx: Context, network: NetworkRecord): Promise<void> {
  return removeNetworks(ctx, [network]);
}

function refuseInUse(ctx: Context, { name, leases }: NetworkRecord): void {
  // A container whose record is gone has left its lease behind.
  const holders = Object.keys(leases).filter((id) => existsSync(containerFiles(ctx.layout, id).record));
  if (holders.length === 0) return;
  const names = holders.map((id) => containerName(ctx, id)).sort();
  throw new ComposeError('network-in-use', `network "${name}" is in use by ${names.join(', ')}`, {
    hint: 'remove these containers first',
  });
}

/** The name of a container for messages, or the start of its id. */
export function containerName(ctx: Context, id: string): string {
  try {
    const record: unknown = JSON.parse(readFileSync(containerFiles(ctx.layout, id).record, 'utf8'));
    if (typeof record === 'object' && record && 'name' in record && typeof record.name === 'string')
      return record.name;
  } catch {
    // Messages do without.
  }
  return id.slice(0, 12);
}

/** Gives a container its addresses on a network; it keeps them until `release`. */
export async function lease(
  ctx: Context,
  network: NetworkRecord,
  container: string,
  wanted: AddressesWanted = {},
): Promise<Lease> {
  const [first] = await leaseAll(ctx, network, [{ container, wanted }]);
  if (first) return first;
  throw new ComposeError('network-not-found', `network "${network.name}" is gone`);
}

export interface LeaseRequest {
  readonly container: string;
  readonly wanted?: AddressesWanted;
}

/** Addresses for many containers at once, in order: static ones are set aside first. */
export function leaseAll(
  ctx: Context,
  network: NetworkRecord,
  requests: readonly LeaseRequest[],
): Promise<Lease[]> {
  return locked(ctx, () => {
    const record = requireNetwork(ctx, network);
    const leases: Record<string, Lease> = { ...record.leases };
    const nameOf = (id: string): string => containerName(ctx, id);
    for (const { container, wanted = {} } of [...requests].sort(staticFirst)) {
      leases[container] = chooseLease({
        network: record.name,
        subnets: record.subnets,
        leases,
        container,
        wanted,
        nameOf,
      });
    }
    writeNetwork(ctx, { ...record, leases });
    return requests.flatMap(({ container }) => leases[container] ?? []);
  });
}

function staticFirst(a: LeaseRequest, b: LeaseRequest): number {
  const rank = ({ wanted }: LeaseRequest): number => (wanted?.ipv4 || wanted?.ipv6 ? 0 : 1);
  return rank(a) - rank(b);
}

function requireNetwork(ctx: Context, { id, name }: NetworkRecord): NetworkRecord {
  const record = readNetwork(ctx, id);
  if (record) return record;
  throw new ComposeError('network-not-found', `network "${name}" is gone`);
}

/** Gives a container's addresses back; none, or no such network any more, is fine. */
export function release(ctx: Context, network: NetworkRecord, container: string): Promise<void> {
  return releaseAll(ctx, network, [container]);
}

export function releaseAll(
  ctx: Context,
  network: NetworkRecord,
  containers: readonly string[],
): Promise<void> {
  return locked(ctx, () => {
    const record = readNetwork(ctx, network.id);
    if (!record) return;
    const gone = new Set(containers);
    const leases = Object.fromEntries(Object.entries(record.leases).filter(([id]) => !gone.has(id)));
    if (Object.keys(leases).length < Object.keys(record.leases).length)
      writeNetwork(ctx, { ...record, leases });
  });
}
