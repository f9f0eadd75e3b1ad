// rtnetlink requests and answers (rtnetlink(7)): links. Pure.
import { type Address, addressBytes } from './address.ts';
import {
  attribute,
  be16,
  concat,
  i32,
  type Message,
  NLM_F_ACK,
  NLM_F_CREATE,
  NLM_F_DUMP,
  NLM_F_EXCL,
  nested,
  parseAttributes,
  readText,
  readU32,
  text,
  u8,
  u16,
  u32,
} from './netlink.ts';

const RTM = { newLink: 16, delLink: 17, getLink: 18 };
const IFLA = {
  address: 1,
  name: 3,
  mtu: 4,
  link: 5,
  master: 10,
  linkInfo: 18,
  afSpec: 26,
  group: 27,
  namespaceFd: 28,
};
const LINK_INFO = { kind: 1, data: 2, slaveKind: 4, slaveData: 5 };
const VETH_PEER = 1;
const BRIDGE = { forwardDelay: 1, stp: 5 };
const BRIDGE_PORT_ISOLATED = 33;
const MACVLAN_MODE = 1;
const IPVLAN = { mode: 1, flags: 2 };
const VLAN_ID = 1;
const VXLAN = { id: 1, group: 2, link: 3, local: 4, learning: 7, port: 15, local6: 17 };
const INET6_ADDR_GEN_MODE = 8;
const ADDR_GEN_NONE = 1;
const IFF_UP = 1;
const AF = { unspecified: 0, inet6: 10 };

/** An existing link, by index or by name. */
export type LinkRef = number | string;

export const MACVLAN_MODES = { private: 1, vepa: 2, bridge: 4, passthru: 8 } as const;
export const IPVLAN_MODES = { l2: 0, l3: 1, l3s: 2 } as const;
export const IPVLAN_FLAGS = { bridge: 0, private: 1, vepa: 2 } as const;

export type LinkKind =
  | { readonly kind: 'bridge' }
  | { readonly kind: 'veth'; readonly peer: LinkOptions }
  | { readonly kind: 'macvlan'; readonly parent: number; readonly mode: keyof typeof MACVLAN_MODES }
  | {
      readonly kind: 'ipvlan';
      readonly parent: number;
      readonly mode: keyof typeof IPVLAN_MODES;
      readonly flag?: keyof typeof IPVLAN_FLAGS;
    }
  | { readonly kind: 'vlan'; readonly parent: number; readonly id: number }
  | {
      readonly kind: 'vxlan';
      readonly id: number;
      readonly port: number;
      readonly local?: Address;
      readonly parent?: number;
    };

export interface LinkOptions {
  readonly name: string;
  /** Six bytes. */
  readonly mac?: Uint8Array;
  readonly mtu?: number;
  readonly master?: number;
  /** Descriptor of the network namespace that the link is made in. */
  readonly namespaceFd?: number;
}

function linkHeader(
  ref: LinkRef,
  { up, family = AF.unspecified }: { up?: boolean; family?: number } = {},
): Uint8Array {
  const index = typeof ref === 'number' ? ref : 0;
  return concat([
    u8(family),
    u8(0),
    u16(0),
    i32(index),
    u32(up ? IFF_UP : 0),
    u32(up === undefined ? 0 : IFF_UP),
  ]);
}

function linkName(ref: LinkRef): Uint8Array[] {
  return typeof ref === 'string' ? [attribute(IFLA.name, text(ref))] : [];
}

function linkAttributes({ name, mac, mtu, master, namespaceFd }: LinkOptions): Uint8Array[] {
  return [
    attribute(IFLA.name, text(name)),
    ...(mac ? [attribute(IFLA.address, mac)] : []),
    ...(mtu === undefined ? [] : [attribute(IFLA.mtu, u32(mtu))]),
    ...(master === undefined ? [] : [attribute(IFLA.master, u32(master))]),
    ...(namespaceFd === undefined ? [] : [attribute(IFLA.namespaceFd, u32(namespaceFd))]),
  ];
}

/** Makes a link, down: bringing a veth peer up in the request that makes it fails, slowly. */
export function createLink(options: LinkOptions, kind: LinkKind): Message {
  const parent =
    'parent' in kind && kind.kind !== 'vxlan' && kind.parent !== undefined
      ? [attribute(IFLA.link, u32(kind.parent))]
      : [];
  const info = nested(IFLA.linkInfo, attribute(LINK_INFO.kind, text(kind.kind)), ...linkData(kind));
  const body = concat([linkHeader(0), ...linkAttributes(options), ...parent, info]);
  return { type: RTM.newLink, flags: NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL, body };
}

function linkData(kind: LinkKind): Uint8Array[] {
  switch (kind.kind) {
    case 'bridge':
      // Without spanning tree there is nothing to learn before forwarding.
      return [nested(LINK_INFO.data, attribute(BRIDGE.forwardDelay, u32(0)), attribute(BRIDGE.stp, u32(0)))];
    case 'veth':
      return [nested(LINK_INFO.data, nested(VETH_PEER, linkHeader(0), ...linkAttributes(kind.peer)))];
    case 'macvlan':
      return [nested(LINK_INFO.data, attribute(MACVLAN_MODE, u32(MACVLAN_MODES[kind.mode])))];
    case 'ipvlan':
      return [nested(LINK_INFO.data, ...ipvlanData(kind))];
    case 'vlan':
      return [nested(LINK_INFO.data, attribute(VLAN_ID, u16(kind.id)))];
    case 'vxlan':
      return [nested(LINK_INFO.data, ...vxlanData(kind))];
  }
}

function ipvlanData({ mode, flag }: Extract<LinkKind, { kind: 'ipvlan' }>): Uint8Array[] {
  return [
    attribute(IPVLAN.mode, u16(IPVLAN_MODES[mode])),
    ...(flag === undefined || flag === 'bridge' ? [] : [attribute(IPVLAN.flags, u16(IPVLAN_FLAGS[flag]))]),
  ];
}

function vxlanData({ id, port, local, parent }: Extract<LinkKind, { kind: 'vxlan' }>): Uint8Array[] {
  return [
    attribute(VXLAN.id, u32(id)),
    attribute(VXLAN.port, be16(port)),
    attribute(VXLAN.learning, u8(1)),
    ...(local ? [attribute(local.family === 4 ? VXLAN.local : VXLAN.local6, addressBytes(local))] : []),
    ...(parent === undefined ? [] : [attribute(VXLAN.link, u32(parent))]),
  ];
}

export interface LinkChange {
  readonly up?: boolean;
  readonly mac?: Uint8Array;
  readonly mtu?: number;
  readonly master?: number;
}

export function changeLink(ref: LinkRef, { up, mac, mtu, master }: LinkChange): Message {
  const body = concat([
    linkHeader(ref, up === undefined ? {} : { up }),
    ...linkName(ref),
    ...(mac ? [attribute(IFLA.address, mac)] : []),
    ...(mtu === undefined ? [] : [attribute(IFLA.mtu, u32(mtu))]),
    ...(master === undefined ? [] : [attribute(IFLA.master, u32(master))]),
  ]);
  return { type: RTM.newLink, flags: NLM_F_ACK, body };
}

/** A bridge port that exchanges frames with the bridge itself but not with other isolated ports. */
export function isolatePort(ref: LinkRef): Message {
  const slave = [
    attribute(LINK_INFO.slaveKind, text('bridge')),
    nested(LINK_INFO.slaveData, attribute(BRIDGE_PORT_ISOLATED, u8(1))),
  ];
  const body = concat([linkHeader(ref), ...linkName(ref), nested(IFLA.linkInfo, ...slave)]);
  return { type: RTM.newLink, flags: NLM_F_ACK, body };
}

/** No link-local IPv6 address by itself; must come before the link is brought up. */
export function withoutLinkLocal(ref: LinkRef): Message {
  const inet6 = nested(AF.inet6, attribute(INET6_ADDR_GEN_MODE, u8(ADDR_GEN_NONE)));
  const body = concat([linkHeader(ref), ...linkName(ref), nested(IFLA.afSpec, inet6)]);
  return { type: RTM.newLink, flags: NLM_F_ACK, body };
}

export function deleteLink(ref: LinkRef): Message {
  return { type: RTM.delLink, flags: NLM_F_ACK, body: concat([linkHeader(ref), ...linkName(ref)]) };
}

/** Puts a link into a group, a number of no meaning to the kernel. */
export function groupLink(ref: LinkRef, group: number): Message {
  const body = concat([linkHeader(ref), ...linkName(ref), attribute(IFLA.group, u32(group))]);
  return { type: RTM.newLink, flags: NLM_F_ACK, body };
}

/** Deletes all links of a group, at the price of one: the kernel waits for its readers only once. */
export function deleteGroup(group: number): Message {
  return {
    type: RTM.delLink,
    flags: NLM_F_ACK,
    body: concat([linkHeader(0), attribute(IFLA.group, u32(group))]),
  };
}

export function getLink(ref: LinkRef): Message {
  return { type: RTM.getLink, flags: NLM_F_ACK, body: concat([linkHeader(ref), ...linkName(ref)]) };
}

export function dumpLinks(): Message {
  return { type: RTM.getLink, flags: NLM_F_DUMP, body: linkHeader(0) };
}

export interface LinkInfo {
  readonly index: number;
  readonly name: string;
  readonly kind: string | undefined;
  readonly master: number | undefined;
  readonly mac: Uint8Array | undefined;
  readonly mtu: number | undefined;
  readonly up: boolean;
}

export function parseLinks(messages: readonly Message[]): LinkInfo[] {
  return messages.filter(({ type }) => type === RTM.newLink).map(({ body }) => parseLink(body));
}

function parseLink(body: Uint8Array): LinkInfo {
  const attributes = parseAttributes(body.subarray(16));
  const info = parseAttributes(attributes.get(IFLA.linkInfo) ?? new Uint8Array());
  return {
    index: readU32(body.subarray(4)) ?? 0,
    name: readText(attributes.get(IFLA.name)) ?? '',
    kind: readText(info.get(LINK_INFO.kind)),
    master: readU32(attributes.get(IFLA.master)),
    mac: attributes.get(IFLA.address),
    mtu: readU32(attributes.get(IFLA.mtu)),
    up: ((readU32(body.subarray(8)) ?? 0) & IFF_UP) !== 0,
  };
}
