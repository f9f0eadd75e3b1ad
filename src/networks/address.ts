// IP addresses and subnets as numbers: parsing, printing, arithmetic. Pure.
import { isIPv4, isIPv6 } from 'node:net';
import { ComposeError } from '../errors.ts';

export type Family = 4 | 6;

export interface Address {
  readonly family: Family;
  readonly value: bigint;
}

export interface Subnet {
  readonly family: Family;
  /** The first address. */
  readonly base: bigint;
  readonly prefix: number;
}

const BITS = { 4: 32, 6: 128 } as const;

export function bitsOf(family: Family): 32 | 128 {
  return BITS[family];
}

/** Parses an address, or returns undefined for anything else (zone indices included). */
export function parseAddress(text: string): Address | undefined {
  if (isIPv4(text)) return { family: 4, value: fromOctets(text) };
  // Node takes milliseconds to compile what it knows an IPv6 address by.
  if (text.includes(':') && !text.includes('%') && isIPv6(text))
    return { family: 6, value: fromGroups(text) };
  return undefined;
}

/** Parses an address of the given owner; ComposeError `invalid-value` names it. */
export function requireAddress(text: string, what: string): Address {
  const address = parseAddress(text);
  if (address) return address;
  throw new ComposeError('invalid-value', `${what} is not an IP address: ${text}`);
}

function fromOctets(text: string): bigint {
  return text.split('.').reduce((value, octet) => value * 256n + BigInt(octet), 0n);
}

function fromGroups(text: string): bigint {
  const [head = '', tail] = text.split('::');
  const first = groupsOf(head);
  const last = groupsOf(tail ?? '');
  const zeros = new Array<bigint>(8 - first.length - last.length).fill(0n);
  return [...first, ...zeros, ...last].reduce((value, group) => (value << 16n) + group, 0n);
}

function groupsOf(text: string): bigint[] {
  if (text === '') return [];
  return text.split(':').flatMap((group) => {
    if (!group.includes('.')) return [BigInt(`0x${group}`)];
    const value = fromOctets(group);
    return [value >> 16n, value & 0xffffn];
  });
}

/** Prints an address in its canonical form (RFC 5952). */
export function formatAddress({ family, value }: Address): string {
  if (family === 6) return formatGroups(value);
  const word = Number(value);
  return `${word >>> 24}.${(word >>> 16) & 255}.${(word >>> 8) & 255}.${word & 255}`;
}

function formatGroups(value: bigint): string {
  const groups = Array.from({ length: 8 }, (_, index) => (value >> BigInt(112 - 16 * index)) & 0xffffn);
  const { start, length } = longestZeroRun(groups);
  const print = (part: bigint[]): string => part.map((group) => group.toString(16)).join(':');
  if (length < 2) return print(groups);
  return `${print(groups.slice(0, start))}::${print(groups.slice(start + length))}`;
}

function longestZeroRun(groups: readonly bigint[]): { start: number; length: number } {
  let best = { start: 0, length: 0 };
  let start = 0;
  groups.forEach((group, index) => {
    if (group !== 0n) start = index + 1;
    else if (index - start + 1 > best.length) best = { start, length: index - start + 1 };
  });
  return best;
}

/** The address as it travels on the wire: 4 or 16 bytes. */
export function addressBytes({ family, value }: Address): Uint8Array {
  const length = bitsOf(family) / 8;
  return Uint8Array.from({ length }, (_, index) =>
    Number((value >> BigInt(8 * (length - 1 - index))) & 255n),
  );
}

export function addressFromBytes(bytes: Uint8Array): Address {
  const value = bytes.reduce((sum, byte) => (sum << 8n) + BigInt(byte), 0n);
  return { family: bytes.length === 4 ? 4 : 6, value };
}

/** Parses `ADDRESS/PREFIX`; host bits are cleared. Undefined for anything else. */
export function parseSubnet(text: string): Subnet | undefined {
  const [host = '', length = '', ...rest] = text.split('/');
  const address = parseAddress(host);
  if (!address || rest.length > 0 || !/^\d{1,3}$/.test(length)) return undefined;
  const prefix = Number(length);
  if (prefix > bitsOf(address.family)) return undefined;
  return subnetAround(address, prefix);
}

/** Parses a subnet of the given owner; ComposeError `invalid-value` names it. */
export function requireSubnet(text: string, what: string): Subnet {
  const subnet = parseSubnet(text);
  if (subnet) return subnet;
  throw new ComposeError('invalid-value', `${what} is not a subnet: ${text}`, {
    hint: 'write it as ADDRESS/PREFIX, for example 10.20.0.0/24',
  });
}

export function subnetAround({ family, value }: Address, prefix: number): Subnet {
  const hostBits = BigInt(bitsOf(family) - prefix);
  return { family, base: (value >> hostBits) << hostBits, prefix };
}

export function formatSubnet({ family, base, prefix }: Subnet): string {
  return `${formatAddress({ family, value: base })}/${prefix}`;
}

/** The number of addresses in a subnet. */
export function sizeOf({ family, prefix }: Subnet): bigint {
  return 1n << BigInt(bitsOf(family) - prefix);
}

export function lastOf(subnet: Subnet): bigint {
  return subnet.base + sizeOf(subnet) - 1n;
}

export function contains(subnet: Subnet, { family, value }: Address): boolean {
  return subnet.family === family && value >= subnet.base && value <= lastOf(subnet);
}

export function overlap(a: Subnet, b: Subnet): boolean {
  return a.family === b.family && a.base <= lastOf(b) && b.base <= lastOf(a);
}
