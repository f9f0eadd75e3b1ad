// rtnetlink requests and answers (rtnetlink(7)): addresses, routes, forwarding entries. Pure.
import {
  type Address,
  addressBytes,
  addressFromBytes,
  bitsOf,
  type Subnet,
  subnetAround,
} from './address.ts';
import {
  attribute,
  concat,
  i32,
  listAttributes,
  type Message,
  NLM_F_ACK,
  NLM_F_APPEND,
  NLM_F_CREATE,
  NLM_F_DUMP,
  NLM_F_EXCL,
  parseAttributes,
  readU32,
  u16,
  u32,
} from './netlink.ts';

const RTM = {
  newAddress: 20,
  deleteAddress: 21,
  getAddress: 22,
  newRoute: 24,
  getRoute: 26,
  newNeighbour: 28,
};
const AF = { bridge: 7, 4: 2, 6: 10 } as const;
const IFA = { address: 1, local: 2, broadcast: 4, flags: 8 };
const IFA_F_NODAD = 2;
const RTA = { destination: 1, outInterface: 4, gateway: 5, table: 15 };
const RT_TABLE = { main: 254, local: 255 };
const RTPROT_BOOT = 3;
const RT_SCOPE = { universe: 0, link: 253 };
const RTN_UNICAST = 1;
const NEIGHBOUR = { destination: 1, linkAddress: 2 };
const NUD_PERMANENT = 0x80;
const NTF_SELF = 2;

export interface AddressOptions {
  readonly index: number;
  readonly address: Address;
  readonly prefix: number;
}

/** IPv6 addresses are usable at once: no duplicate detection where we hand out the addresses. */
export function addAddress({ index, address, prefix }: AddressOptions): Message {
  const scope = isLinkLocal(address) ? RT_SCOPE.link : RT_SCOPE.universe;
  const bytes = addressBytes(address);
  const body = concat([
    Uint8Array.of(AF[address.family], prefix, 0, scope),
    u32(index),
    attribute(IFA.local, bytes),
    attribute(IFA.address, bytes),
    ...(address.family === 4 ? broadcast(address, prefix) : [attribute(IFA.flags, u32(IFA_F_NODAD))]),
  ]);
  return { type: RTM.newAddress, flags: NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, body };
}

function broadcast(address: Address, prefix: number): Uint8Array[] {
  if (prefix > 30) return [];
  const value = address.value | ((1n << BigInt(32 - prefix)) - 1n);
  return [attribute(IFA.broadcast, addressBytes({ family: 4, value }))];
}

function isLinkLocal({ family, value }: Address): boolean {
  return family === 4 ? value >> 16n === 0xa9fen : value >> 118n === 0x3fan;
}

/** Takes an address off an interface. */
export function deleteAddress({ index, address, prefix }: AddressOptions): Message {
  const body = concat([
    Uint8Array.of(AF[address.family], prefix, 0, 0),
    u32(index),
    attribute(IFA.local, addressBytes(address)),
  ]);
  return { type: RTM.deleteAddress, flags: NLM_F_ACK, body };
}

export function dumpAddresses(): Message {
  return { type: RTM.getAddress, flags: NLM_F_DUMP, body: concat([u32(0), u32(0)]) };
}

export interface RouteOptions {
  readonly index: number;
  /** The whole family when absent: a default route. */
  readonly destination?: Subnet;
  readonly gateway?: Address;
  readonly family: 4 | 6;
}

export function addRoute({ index, destination, gateway, family }: RouteOptions): Message {
  const scope = gateway || family === 6 ? RT_SCOPE.universe : RT_SCOPE.link;
  const body = concat([
    Uint8Array.of(AF[family], destination?.prefix ?? 0, 0, 0, RT_TABLE.main, RTPROT_BOOT, scope, RTN_UNICAST),
    u32(0),
    ...(destination ? [attribute(RTA.destination, addressBytes({ family, value: destination.base }))] : []),
    ...(gateway ? [attribute(RTA.gateway, addressBytes(gateway))] : []),
    attribute(RTA.outInterface, u32(index)),
  ]);
  return { type: RTM.newRoute, flags: NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, body };
}

export function dumpRoutes(): Message {
  return { type: RTM.getRoute, flags: NLM_F_DUMP, body: concat([u32(0), u32(0), u32(0)]) };
}

/** A vxlan peer: frames for `mac` (all zero: also those for unknown ones) are sent to it. */
export function addForwarding({
  index,
  mac,
  peer,
}: {
  index: number;
  mac: Uint8Array;
  peer: Address;
}): Message {
  const body = concat([
    Uint8Array.of(AF.bridge, 0, 0, 0),
    i32(index),
    u16(NUD_PERMANENT),
    Uint8Array.of(NTF_SELF, 0),
    attribute(NEIGHBOUR.linkAddress, mac),
    attribute(NEIGHBOUR.destination, addressBytes(peer)),
  ]);
  return { type: RTM.newNeighbour, flags: NLM_F_ACK | NLM_F_CREATE | NLM_F_APPEND, body };
}

export interface AddressInfo {
  readonly index: number;
  readonly address: Address;
  readonly subnet: Subnet;
}

export function parseAddresses(messages: readonly Message[]): AddressInfo[] {
  return messages
    .filter(({ type, body }) => type === RTM.newAddress && isInternet(body[0]))
    .flatMap(({ body }) => {
      const attributes = parseAttributes(body.subarray(8));
      const bytes = attributes.get(IFA.local) ?? attributes.get(IFA.address);
      if (!bytes) return [];
      const address = addressFromBytes(bytes);
      return [
        {
          index: readU32(body.subarray(4)) ?? 0,
          address,
          subnet: subnetAround(address, body[1] ?? bitsOf(address.family)),
        },
      ];
    });
}

export interface RouteInfo {
  readonly destination: Subnet;
  readonly gateway: Address | undefined;
  readonly index: number | undefined;
  readonly table: number;
}

/** Unicast routes of every table but that of the machine's own addresses. */
export function parseRoutes(messages: readonly Message[]): RouteInfo[] {
  return messages
    .filter(({ type, body }) => type === RTM.newRoute && isInternet(body[0]) && body[7] === RTN_UNICAST)
    .map(({ body }) => parseRoute(body))
    .filter(({ table }) => table !== RT_TABLE.local);
}

function parseRoute(body: Uint8Array): RouteInfo {
  const attributes = new Map(listAttributes(body.subarray(12)));
  const family = body[0] === AF[4] ? 4 : 6;
  const destination = attributes.get(RTA.destination);
  const gateway = attributes.get(RTA.gateway);
  return {
    destination: {
      family,
      base: destination ? addressFromBytes(destination).value : 0n,
      prefix: body[1] ?? 0,
    },
    gateway: gateway && addressFromBytes(gateway),
    index: readU32(attributes.get(RTA.outInterface)),
    table: readU32(attributes.get(RTA.table)) ?? body[4] ?? 0,
  };
}

function isInternet(family: number | undefined): boolean {
  return family === AF[4] || family === AF[6];
}
