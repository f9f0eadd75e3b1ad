// From what a compose file asks of a network to its record: driver, interface, subnets.
import { createHash, randomBytes } from 'node:crypto';
import { ComposeError } from '../errors.ts';
import type { Context } from '../state/context.ts';
import { readTextIfPresent } from '../state/record.ts';
import { type Family, parseSubnet, type Subnet, subnetAround } from './address.ts';
import { settleOptions } from './cni.ts';
import { upstreamServers } from './hosts.ts';
import { dump } from './links.ts';
import { refuseOptions } from './options.ts';
import { ownAddresses, shareSubnets } from './overlay.ts';
import { DRIVERS, hasBridge, type NetworkDriver, type NetworkRecord, OPTION } from './record.ts';
import { dumpAddresses, dumpRoutes, parseAddresses, parseRoutes } from './routes.ts';
import { dumpLinks, parseLinks } from './rtnetlink.ts';
import {
  checkSubnet,
  chooseSubnet,
  type NetworkSubnet,
  parsePools,
  plainSubnet,
  refuseOverlap,
  type SubnetWanted,
  type Taken,
  uniqueLocalSubnet,
} from './subnets.ts';

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
  /** Containers get no addresses (`ipam.driver: none`). */
  readonly unaddressed?: boolean;
  readonly internal?: boolean;
  readonly enableIpv4?: boolean;
  readonly enableIpv6?: boolean;
  readonly labels?: Readonly<Record<string, string>>;
  readonly configHash?: string;
}

/** Decides everything that a new network needs; ComposeError when it cannot be had. */
export function planNetwork(
  ctx: Context,
  wanted: NetworkWanted,
  networks: readonly NetworkRecord[],
): NetworkRecord {
  const id = wanted.id ?? randomBytes(32).toString('hex');
  const driver = requireDriver(wanted);
  const options =
    driver === 'cni' ? settleOptions(wanted.name, wanted.options ?? {}) : (wanted.options ?? {});
  refuseOptions({ name: wanted.name, driver, options, internal: wanted.internal ?? false });
  return {
    version: 1,
    id,
    name: wanted.name,
    project: wanted.project,
    key: wanted.key,
    driver,
    bridge: interfaceOf({ id, driver, options, name: wanted.name }),
    subnets: planSubnets(ctx, wanted, driver, takenSubnets(ctx, networks, hasBridge({ driver }))),
    internal: wanted.internal ?? false,
    options,
    labels: wanted.labels ?? {},
    configHash: wanted.configHash ?? '',
    created: new Date().toISOString(),
    leases: {},
  };
}

/** The driver by the name that the file has for it. */
export function requireDriver({
  name,
  driver = 'bridge',
}: Pick<NetworkWanted, 'name' | 'driver'>): NetworkDriver {
  if (driver === '' || driver === 'default' || driver === 'bridge') return 'bridge';
  if (driver === 'vxlan') return 'overlay';
  const known = DRIVERS.find((entry) => entry === driver);
  if (known !== undefined) return known;
  throw new ComposeError('unsupported', `network "${name}" has driver "${driver}", which is not supported`, {
    hint: `known are ${DRIVERS.join(', ')}, host and none`,
  });
}

const INTERFACE_NAME = /^[^\s/:]{1,15}$/;

function interfaceOf({
  id,
  driver,
  options,
  name,
}: Pick<NetworkRecord, 'id' | 'driver' | 'options' | 'name'>): string {
  const chosen = hasBridge({ driver }) ? options[OPTION.bridgeName] : options.parent;
  const made = `${hasBridge({ driver }) ? 'tsc' : 'tsd'}-${id.slice(0, 11)}`;
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

function planSubnets(
  ctx: Context,
  wanted: NetworkWanted,
  driver: NetworkDriver,
  taken: readonly Taken[],
): NetworkSubnet[] {
  if (driver === 'cni' || wanted.unaddressed) return [];
  const subnets = (wanted.subnets ?? []).map((entry) => {
    const subnet = entry.subnet;
    return subnet === undefined ? undefined : checkSubnet(wanted.name, { ...entry, subnet });
  });
  const given = subnets.filter((subnet) => subnet !== undefined);
  refuseOverlap(wanted.name, given, taken);
  refuseOwnOverlap(wanted.name, given);
  const all = [...given, ...missingSubnets(wanted, given, taken)];
  if (driver !== 'overlay') return all;
  const network = { name: wanted.name, options: wanted.options ?? {} };
  return shareSubnets(network, all, given.length, ownAddresses(ctx));
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
