// Which subnets and addresses are free: pure decisions over what is taken.
import { ComposeError } from '../errors.ts';
import {
  type Address,
  addressBytes,
  bitsOf,
  contains,
  type Family,
  formatAddress,
  formatSubnet,
  lastOf,
  overlap,
  parseAddress,
  requireAddress,
  requireSubnet,
  type Subnet,
  sizeOf,
} from './address.ts';

/** Subnets of `prefix` bits are cut from `range`. */
export interface AddressPool {
  readonly range: Subnet;
  readonly prefix: number;
}

/** A range of addresses that cannot be given out, and whose it is, in words: `network "x"`. */
export interface Taken {
  readonly subnet: Subnet;
  readonly owner: string;
}

/** One subnet of a network; addresses as text. */
export interface NetworkSubnet {
  readonly subnet: string;
  readonly gateway: string;
  readonly ipRange?: string;
  readonly auxAddresses?: Readonly<Record<string, string>>;
}

/** As `ipam.config` of a compose file has it. */
export interface SubnetWanted {
  readonly subnet?: string;
  readonly ip_range?: string;
  readonly gateway?: string;
  readonly aux_addresses?: Readonly<Record<string, string>>;
}

export interface AddressesWanted {
  readonly ipv4?: string;
  readonly ipv6?: string;
  readonly mac?: string;
}

/** The addresses of one container on one network. */
export interface Lease extends AddressesWanted {
  readonly mac: string;
}

export type Leases = Readonly<Record<string, Lease>>;

// Away from what VPNs, clouds and cluster tools like to use; small ones, so that they do not run out.
const DEFAULT_POOLS = '10.160.0.0/11,172.20.0.0/14,192.168.128.0/17';
const POOL_PREFIX = 24;

/** Reads `RANGE[/SIZE],…` such as `10.200.0.0/16/26`: cut into /24 unless a size is given. */
export function parsePools(text: string = DEFAULT_POOLS): AddressPool[] {
  return text.split(',').map((entry) => {
    const [base = '', length = '', size = String(POOL_PREFIX)] = entry.trim().split('/');
    const range = requireSubnet(`${base}/${length}`, 'the address pool');
    const prefix = Math.max(Number(size), range.prefix);
    if (range.family !== 4 || !Number.isInteger(prefix) || prefix > 30) {
      throw new ComposeError(
        'invalid-value',
        `the address pool ${entry} is not RANGE/SIZE of IPv4 with a size up to 30`,
      );
    }
    return { range, prefix };
  });
}

/** The lowest subnet of the pools that overlaps nothing taken; ComposeError `subnet-conflict` when there is none. */
export function chooseSubnet(pools: readonly AddressPool[], taken: readonly Taken[]): Subnet {
  for (const { range, prefix } of pools) {
    const found = firstFree(range, prefix, taken);
    if (found) return found;
  }
  throw new ComposeError(
    'subnet-conflict',
    'every subnet of the address pools overlaps a network or a route of this machine',
    {
      hint: 'remove unused networks, or set TSCOMPOSE_ADDRESS_POOLS to other ranges',
    },
  );
}

function firstFree(range: Subnet, prefix: number, taken: readonly Taken[]): Subnet | undefined {
  const size = sizeOf({ ...range, prefix });
  let base = range.base;
  while (base <= lastOf(range)) {
    const candidate: Subnet = { family: range.family, base, prefix };
    const blocked = taken.find(({ subnet }) => overlap(subnet, candidate));
    if (!blocked) return candidate;
    // The next one behind what is in the way, which may be many subnets wide.
    const end = lastOf(blocked.subnet) + 1n;
    base = end > base + size ? ((end + size - 1n) / size) * size : base + size;
  }
  return undefined;
}

/** A unique local /64 (RFC 4193): `seed` gives its random part, at least seven bytes. */
export function uniqueLocalSubnet(seed: Uint8Array): Subnet {
  const random = seed.subarray(0, 7).reduce((value, byte) => (value << 8n) + BigInt(byte), 0n);
  return { family: 6, base: (0xfdn << 120n) | (random << 64n), prefix: 64 };
}

/** Checks one subnet of a compose file and fills in what it leaves open. */
export function checkSubnet(
  network: string,
  wanted: SubnetWanted & { readonly subnet: string },
): NetworkSubnet {
  const subnet = requireSubnet(wanted.subnet, `the subnet of network "${network}"`);
  const inside = (text: string, what: string): Address =>
    requireInside(subnet, text, `the ${what} of network "${network}"`);
  const gateway = wanted.gateway === undefined ? firstHost(subnet) : inside(wanted.gateway, 'gateway');
  const auxiliary = Object.entries(wanted.aux_addresses ?? {}).map(([name, text]): [string, string] => [
    name,
    formatAddress(inside(text, `auxiliary address ${name}`)),
  ]);
  return {
    subnet: formatSubnet(subnet),
    gateway: formatAddress(gateway),
    ...(wanted.ip_range === undefined ? {} : { ipRange: checkRange(network, subnet, wanted.ip_range) }),
    ...(auxiliary.length === 0 ? {} : { auxAddresses: Object.fromEntries(auxiliary) }),
  };
}

function requireInside(subnet: Subnet, text: string, what: string): Address {
  const address = requireAddress(text, what);
  if (contains(subnet, address)) return address;
  throw new ComposeError('invalid-value', `${what}, ${text}, is not in its subnet ${formatSubnet(subnet)}`);
}

function checkRange(network: string, subnet: Subnet, text: string): string {
  const range = requireSubnet(text, `the ip_range of network "${network}"`);
  if (range.prefix >= subnet.prefix && contains(subnet, { family: range.family, value: range.base })) {
    return formatSubnet(range);
  }
  throw new ComposeError(
    'invalid-value',
    `the ip_range of network "${network}", ${text}, is not in its subnet ${formatSubnet(subnet)}`,
  );
}

function firstHost({ family, base, prefix }: Subnet): Address {
  return { family, value: prefix >= bitsOf(family) - 1 ? base : base + 1n };
}

/** The default gateway and name of a freely chosen subnet. */
export function plainSubnet(subnet: Subnet): NetworkSubnet {
  return { subnet: formatSubnet(subnet), gateway: formatAddress(firstHost(subnet)) };
}

/** ComposeError `subnet-conflict` when a subnet overlaps what is taken; the error names the other. */
export function refuseOverlap(
  network: string,
  subnets: readonly NetworkSubnet[],
  taken: readonly Taken[],
): void {
  for (const { subnet: text } of subnets) {
    const subnet = requireSubnet(text, `the subnet of network "${network}"`);
    const other = taken.find((entry) => overlap(entry.subnet, subnet));
    if (!other) continue;
    throw new ComposeError(
      'subnet-conflict',
      `subnet ${text} of network "${network}" overlaps ${other.owner} (${formatSubnet(other.subnet)})`,
      {
        hint: 'choose another subnet, or leave it out to get a free one',
      },
    );
  }
}

export interface AddressRequest {
  readonly network: string;
  readonly subnets: readonly NetworkSubnet[];
  readonly leases: Leases;
  readonly container: string;
  readonly wanted: AddressesWanted;
  /** How a container is called in an error. */
  readonly nameOf: (container: string) => string;
}

/** The addresses of a container: those wanted, else those it had, else the lowest free ones. */
export function chooseLease(request: AddressRequest): Lease {
  const ipv4 = chooseAddress(request, 4);
  const ipv6 = chooseAddress(request, 6);
  const mac = request.wanted.mac ?? request.leases[request.container]?.mac ?? macFor(ipv4 ?? ipv6);
  return {
    ...(ipv4 ? { ipv4: formatAddress(ipv4) } : {}),
    ...(ipv6 ? { ipv6: formatAddress(ipv6) } : {}),
    mac,
  };
}

const FIELD = { 4: 'ipv4', 6: 'ipv6' } as const;

function chooseAddress(request: AddressRequest, family: Family): Address | undefined {
  const subnets = request.subnets
    .map((entry) => ({
      entry,
      subnet: requireSubnet(entry.subnet, `the subnet of network "${request.network}"`),
    }))
    .filter(({ subnet }) => subnet.family === family);
  const wanted = request.wanted[FIELD[family]];
  if (wanted !== undefined)
    return staticAddress(request, subnets, requireAddress(wanted, 'the address of a service'));
  const taken = takenAddresses(request, family);
  const before = parseAddress(request.leases[request.container]?.[FIELD[family]] ?? '');
  if (before && !taken.has(before.value) && subnets.some(({ subnet }) => contains(subnet, before)))
    return before;
  return subnets.length === 0 ? undefined : dynamicAddress(request, subnets, taken);
}

interface ParsedSubnet {
  readonly entry: NetworkSubnet;
  readonly subnet: Subnet;
}

function staticAddress(request: AddressRequest, subnets: readonly ParsedSubnet[], address: Address): Address {
  const text = formatAddress(address);
  const home = subnets.find(({ subnet }) => contains(subnet, address));
  if (!home) {
    throw new ComposeError(
      'invalid-value',
      `address ${text} is in no subnet of network "${request.network}"`,
      {
        hint: 'give the network an ipam subnet that contains it',
      },
    );
  }
  const holder = holderOf(request, text, home.entry);
  if (holder === undefined) return address;
  throw new ComposeError(
    'address-in-use',
    `address ${text} on network "${request.network}" is in use by ${holder}`,
  );
}

function holderOf(
  { leases, container, nameOf }: AddressRequest,
  text: string,
  { gateway, auxAddresses }: NetworkSubnet,
): string | undefined {
  if (text === gateway) return 'the gateway';
  const auxiliary = Object.entries(auxAddresses ?? {}).find(([, address]) => address === text);
  if (auxiliary) return `the auxiliary address ${auxiliary[0]}`;
  const other = Object.entries(leases).find(
    ([id, lease]) => id !== container && (lease.ipv4 === text || lease.ipv6 === text),
  );
  return other && `container ${nameOf(other[0])}`;
}

function takenAddresses({ subnets, leases, container }: AddressRequest, family: Family): Set<bigint> {
  const texts = [
    ...subnets.flatMap(({ gateway, auxAddresses }) => [gateway, ...Object.values(auxAddresses ?? {})]),
    ...Object.entries(leases).flatMap(([id, lease]) =>
      id === container ? [] : [lease[FIELD[family]] ?? ''],
    ),
  ];
  const addresses = texts.map(parseAddress).filter((address) => address?.family === family);
  return new Set(addresses.map((address) => address?.value ?? 0n));
}

function dynamicAddress(
  request: AddressRequest,
  subnets: readonly ParsedSubnet[],
  taken: ReadonlySet<bigint>,
): Address {
  for (const { entry, subnet } of subnets) {
    const range = entry.ipRange === undefined ? subnet : requireSubnet(entry.ipRange, 'the ip_range');
    const value = lowestFree(subnet, range, taken);
    if (value !== undefined) return { family: subnet.family, value };
  }
  throw new ComposeError('address-in-use', `network "${request.network}" has no free address left`, {
    hint: 'give it a larger subnet or ip_range',
  });
}

function lowestFree(subnet: Subnet, range: Subnet, taken: ReadonlySet<bigint>): bigint | undefined {
  for (let value = range.base; value <= lastOf(range); value += 1n) {
    if (!taken.has(value) && !isReserved(subnet, value)) return value;
  }
  return undefined;
}

// The network's own address, and in IPv4 the broadcast address; tiny subnets (RFC 3021, RFC 6164) have neither.
function isReserved(subnet: Subnet, value: bigint): boolean {
  if (subnet.prefix >= bitsOf(subnet.family) - 1) return false;
  return value === subnet.base || (subnet.family === 4 && value === lastOf(subnet));
}

/** A locally administered hardware address that follows from the IP address: neighbours' caches stay right. */
export function macFor(address: Address | undefined): string {
  const tail = address ? addressBytes(address).slice(-4) : crypto.getRandomValues(new Uint8Array(4));
  return [0x02, 0x42, ...tail].map((byte) => byte.toString(16).padStart(2, '0')).join(':');
}

/** The six bytes of a hardware address; ComposeError `invalid-value` for anything else. */
export function parseMac(text: string): Uint8Array {
  if (!/^[0-9a-f]{2}([:-][0-9a-f]{2}){5}$/i.test(text)) {
    throw new ComposeError('invalid-value', `not a hardware address: ${text}`, {
      hint: 'write it as 02:42:ac:11:00:02',
    });
  }
  return Uint8Array.from(text.split(/[:-]/), (byte) => Number.parseInt(byte, 16));
}
