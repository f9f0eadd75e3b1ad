// Which addresses of a network are free: pure decisions over what is taken.
import { ComposeError } from '../errors.ts';
import {
  type Address,
  addressBytes,
  bitsOf,
  contains,
  type Family,
  formatAddress,
  lastOf,
  parseAddress,
  requireAddress,
  requireSubnet,
  type Subnet,
} from './address.ts';
import type { NetworkSubnet } from './subnets.ts';

export interface AddressesWanted {
  readonly ipv4?: string;
  readonly ipv6?: string;
  readonly mac?: string;
}

/** The addresses of one container on one network. */
export interface Lease extends AddressesWanted {
  readonly mac: string;
}

const SHARED = 'vip:';

/** Addresses that the containers of a service (`PROJECT/SERVICE`) share are leased, and named, under a key that no container has. */
export function sharedKey(service: string): string {
  return `${SHARED}${service}`;
}

export function isShared(leaseKey: string): boolean {
  return leaseKey.startsWith(SHARED);
}

export type Leases = Readonly<Record<string, Lease>>;

export interface AddressRequest {
  readonly network: string;
  readonly subnets: readonly NetworkSubnet[];
  readonly leases: Leases;
  /** What `leases` and the subnets take, when it is known already. */
  readonly taken?: TakenAddresses;
  readonly container: string;
  readonly wanted: AddressesWanted;
  /** The network's key in the compose file, for the place of an address that cannot be had. */
  readonly key?: string;
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
  const taken = request.taken ?? new TakenAddresses(request.subnets, request.leases);
  const isFree = (address: Address) => taken.isFreeFor(request.container, formatAddress(address));
  const before = parseAddress(request.leases[request.container]?.[FIELD[family]] ?? '');
  if (before && isFree(before) && subnets.some(({ subnet }) => contains(subnet, before))) return before;
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
        ...placeOf(request, address),
      },
    );
  }
  const holder = holderOf(request, text, home.entry);
  if (holder === undefined) return address;
  throw new ComposeError(
    'address-in-use',
    `address ${text} on network "${request.network}" is in use by ${holder}`,
    placeOf(request, address),
  );
}

function placeOf({ key }: AddressRequest, { family }: Address): { readonly path?: string } {
  return key === undefined ? {} : { path: `networks.${key}.${FIELD[family]}_address` };
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

/** The addresses of a network that somebody has. */
export class TakenAddresses {
  /** By address as `formatAddress` writes it: whose lease it is; '' for the network's own. */
  readonly #holders = new Map<string, string>();
  /** By range: below this nothing is free. */
  readonly #lowest = new Map<string, bigint>();

  constructor(subnets: readonly NetworkSubnet[], leases: Leases) {
    for (const [container, lease] of Object.entries(leases)) this.add(container, lease);
    for (const { gateway, auxAddresses } of subnets)
      for (const text of [gateway, ...Object.values(auxAddresses ?? {})]) this.#addOwn(text);
  }

  #addOwn(text: string): void {
    const address = parseAddress(text);
    if (address !== undefined) this.#holders.set(formatAddress(address), '');
  }

  add(container: string, { ipv4, ipv6 }: Pick<Lease, 'ipv4' | 'ipv6'>): void {
    if (ipv4 !== undefined) this.#holders.set(ipv4, container);
    if (ipv6 !== undefined) this.#holders.set(ipv6, container);
  }

  isFreeFor(container: string, address: string): boolean {
    const holder = this.#holders.get(address);
    return holder === undefined || holder === container;
  }

  /** The lowest that nobody has; what is taken stays so. */
  lowestFree(subnet: Subnet, range: Subnet): bigint | undefined {
    const { family } = subnet;
    const key = `${formatAddress({ family, value: range.base })}/${range.prefix}`;
    for (let value = this.#lowest.get(key) ?? range.base; value <= lastOf(range); value += 1n) {
      if (this.#holders.has(formatAddress({ family, value })) || isReserved(subnet, value)) continue;
      this.#lowest.set(key, value);
      return value;
    }
    return undefined;
  }
}

function dynamicAddress(
  request: AddressRequest,
  subnets: readonly ParsedSubnet[],
  taken: TakenAddresses,
): Address {
  for (const { entry, subnet } of subnets) {
    const range = entry.ipRange === undefined ? subnet : requireSubnet(entry.ipRange, 'the ip_range');
    const value = taken.lowestFree(subnet, range);
    if (value !== undefined) return { family: subnet.family, value };
  }
  throw new ComposeError('address-in-use', `network "${request.network}" has no free address left`, {
    hint: 'give it a larger subnet or ip_range',
  });
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
