// Which subnets are free, and whether one that is wanted can be had: pure decisions over what is taken.
import { ComposeError } from '../errors.ts';
import {
  type Address,
  bitsOf,
  contains,
  formatAddress,
  formatSubnet,
  lastOf,
  overlap,
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

// Away from what VPNs, clouds and cluster tools like to use. A bridge of the kernel takes 1023 interfaces: no subnet
// has to be larger, so that they do not run out.
const DEFAULT_POOLS = '10.160.0.0/11,172.20.0.0/14,192.168.128.0/17';
const POOL_PREFIX = 22;

/** Reads `RANGE[/SIZE],…` such as `10.200.0.0/16/26`: cut into /22 unless a size is given. */
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
