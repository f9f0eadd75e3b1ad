// What rules are made of: nf_tables expressions (linux/netfilter/nf_tables.h). Pure.
import { attribute, be32, nested, text, u8, u32 } from './netlink.ts';
import { DATA_VALUE, FAMILY, LIST_ELEMENT } from './nftables.ts';

const REG_VERDICT = 0;
const REG32 = 8;
export const VERDICT = { drop: 0, accept: 1, jump: -3, return: -5 } as const;
const DATA_VERDICT = 2;

function expression(name: string, ...attributes: readonly Uint8Array[]): Uint8Array {
  return nested(LIST_ELEMENT, attribute(1, text(name)), nested(2, ...attributes));
}

/** Registers of four bytes, 0 to 15. */
function register(number: number): Uint8Array {
  return be32(REG32 + number);
}

const META = { nfproto: 15, l4proto: 16, iifname: 6, oifname: 7 } as const;

export function meta(key: keyof typeof META, to: number): Uint8Array {
  return expression('meta', attribute(2, be32(META[key])), attribute(1, register(to)));
}

const CT = { state: 0, status: 2 } as const;

export function conntrack(key: keyof typeof CT, to: number): Uint8Array {
  return expression('ct', attribute(2, be32(CT[key])), attribute(1, register(to)));
}

const PAYLOAD_BASE = { network: 1, transport: 2 } as const;

export interface PayloadOptions {
  readonly base: keyof typeof PAYLOAD_BASE;
  readonly offset: number;
  readonly length: number;
}

export function payload({ base, offset, length }: PayloadOptions, to: number): Uint8Array {
  return expression(
    'payload',
    attribute(1, register(to)),
    attribute(2, be32(PAYLOAD_BASE[base])),
    attribute(3, be32(offset)),
    attribute(4, be32(length)),
  );
}

const CMP = { eq: 0, neq: 1 } as const;

export function compare(from: number, operator: keyof typeof CMP, value: Uint8Array): Uint8Array {
  return expression(
    'cmp',
    attribute(1, register(from)),
    attribute(2, be32(CMP[operator])),
    nested(3, attribute(DATA_VALUE, value)),
  );
}

/** `register & mask`, on a number in the machine's order. */
export function mask(at: number, bits: number): Uint8Array {
  return expression(
    'bitwise',
    attribute(1, register(at)),
    attribute(2, register(at)),
    attribute(3, be32(4)),
    nested(4, attribute(DATA_VALUE, u32(bits))),
    nested(5, attribute(DATA_VALUE, u32(0))),
  );
}

export interface LookupOptions {
  readonly from: number;
  /** Where the data of a map goes. */
  readonly to?: number;
  /** Matches what is not in the set. */
  readonly not?: boolean;
}

export function lookup(set: string, { from, to, not }: LookupOptions): Uint8Array {
  return expression(
    'lookup',
    attribute(1, text(set)),
    attribute(2, register(from)),
    ...(to === undefined ? [] : [attribute(3, register(to))]),
    ...(not ? [attribute(5, be32(1))] : []),
  );
}

export function load(to: number, value: Uint8Array): Uint8Array {
  return expression('immediate', attribute(1, register(to)), nested(2, attribute(DATA_VALUE, value)));
}

export function verdict(code: keyof typeof VERDICT, chain?: string): Uint8Array {
  const target = chain === undefined ? [] : [attribute(2, text(chain))];
  const data = nested(DATA_VERDICT, attribute(1, be32(VERDICT[code] >>> 0)), ...target);
  return expression('immediate', attribute(1, be32(REG_VERDICT)), nested(2, data));
}

const FIB_ADDRESS_TYPE = 3;
const FIB_DESTINATION = 2;

/** What the routing table says of the destination address: `RTN_LOCAL` is 2. */
export function fibDestinationType(to: number): Uint8Array {
  return expression(
    'fib',
    attribute(1, register(to)),
    attribute(2, be32(FIB_ADDRESS_TYPE)),
    attribute(3, be32(FIB_DESTINATION)),
  );
}

const NAT_DESTINATION = 1;

/** Without a register for the port it stays as it is. */
export function destinationNat(
  family: 'ipv4' | 'ipv6',
  { address, port }: { address: number; port?: number },
): Uint8Array {
  return expression(
    'nat',
    attribute(1, be32(NAT_DESTINATION)),
    attribute(2, be32(FAMILY[family])),
    attribute(3, register(address)),
    ...(port === undefined ? [] : [attribute(5, register(port))]),
  );
}

const NUMBERS = { inTurn: 0, random: 1 } as const;

/** A number below `modulus`. */
export function nextNumber(kind: keyof typeof NUMBERS, modulus: number, to: number): Uint8Array {
  return expression(
    'numgen',
    attribute(1, register(to)),
    attribute(2, be32(modulus)),
    attribute(3, be32(NUMBERS[kind])),
  );
}

const REJECT_RESET = 1;
const REJECT_ICMPX = 2;
const PORT_UNREACHABLE = 1;

/** Refuses as a closed port does. */
export function reject(protocol: 'tcp' | 'other'): Uint8Array {
  return protocol === 'tcp'
    ? expression('reject', attribute(1, be32(REJECT_RESET)), attribute(2, u8(0)))
    : expression('reject', attribute(1, be32(REJECT_ICMPX)), attribute(2, u8(PORT_UNREACHABLE)));
}

export function masquerade(): Uint8Array {
  return expression('masq');
}
