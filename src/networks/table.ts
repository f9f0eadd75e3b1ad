// What is in our nf_tables table: masquerade, isolation between networks, published ports. Rules never change; networks
// and ports are elements of its sets. Pure.

import { createHash } from 'node:crypto';
import type { Layout } from '../state/layout.ts';
import { addressBytes, parseAddress } from './address.ts';
import {
  compare,
  conntrack,
  destinationNat,
  fibDestinationType,
  load,
  lookup,
  mask,
  masquerade,
  meta,
  payload,
  verdict,
} from './expressions.ts';
import { be16, concat, type Message, text, u8, u32 } from './netlink.ts';
import {
  addChain,
  addElements,
  addRule,
  addSet,
  addTable,
  concatenated,
  DATATYPE,
  deleteElements,
  type Element,
  FAMILY,
  PRIORITY,
  type SetOptions,
  transaction,
} from './nftables.ts';
import {
  flagOption,
  type GatewayMode,
  gatewayMode,
  hasBridge,
  type NetworkRecord,
  OPTION,
} from './record.ts';

const SYSTEM_STATE = '/var/lib/tscompose';

/** The table of the containers below a state directory: another one's come and go without touching it. */
export function tableName({ stateDir }: Layout): string {
  if (stateDir === SYSTEM_STATE) return 'tscompose';
  return `tscompose-${createHash('sha256').update(stateDir).digest('hex').slice(0, 8)}`;
}

/** A published port whose traffic goes to a container; `hostIp` is empty for every address. */
export interface Forwarding {
  readonly protocol: 'tcp' | 'udp' | 'sctp';
  readonly hostIp: string;
  readonly hostPort: number;
  readonly containerPort: number;
  readonly ipv4?: string;
  readonly ipv6?: string;
  /** The bridges that the container is on: from there the shim relays, because answers would not come back through us. */
  readonly bridges?: readonly string[];
  /** Families in which the container is reached by its own address too. */
  readonly routed?: readonly (4 | 6)[];
}

export const PROTOCOL = { tcp: 6, udp: 17, sctp: 132 } as const;

const SET = {
  bridges: 'bridges',
  internal: 'internal',
  masquerade4: 'masquerade',
  masquerade6: 'masquerade6',
  open4: 'open4',
  open6: 'open6',
  direct4: 'direct4',
  direct6: 'direct6',
  same: 'same',
  relayed: 'relayed',
  dnat4: 'dnat4',
  dnat6: 'dnat6',
} as const;
export const INTERFACE_LENGTH = 16;
const CT_ESTABLISHED_OR_RELATED = 6;
const RTN_LOCAL = 2;
const LOOPBACK6 = addressBytes({ family: 6, value: 1n });

const SETS: readonly SetOptions[] = [
  { name: SET.bridges, id: 1, keyType: DATATYPE.interface, keyLength: INTERFACE_LENGTH },
  { name: SET.internal, id: 2, keyType: DATATYPE.interface, keyLength: INTERFACE_LENGTH },
  { name: SET.masquerade4, id: 3, keyType: DATATYPE.interface, keyLength: INTERFACE_LENGTH },
  { name: SET.masquerade6, id: 8, keyType: DATATYPE.interface, keyLength: INTERFACE_LENGTH },
  { name: SET.open4, id: 9, keyType: DATATYPE.interface, keyLength: INTERFACE_LENGTH },
  { name: SET.open6, id: 10, keyType: DATATYPE.interface, keyLength: INTERFACE_LENGTH },
  directPorts(SET.direct4, 11, { type: DATATYPE.ipv4, length: 4 }),
  directPorts(SET.direct6, 12, { type: DATATYPE.ipv6, length: 16 }),
  {
    name: SET.same,
    id: 4,
    keyType: concatenated(DATATYPE.interface, DATATYPE.interface),
    keyLength: 2 * INTERFACE_LENGTH,
  },
  {
    name: SET.relayed,
    id: 7,
    keyType: concatenated(DATATYPE.interface, DATATYPE.protocol, DATATYPE.port),
    keyLength: INTERFACE_LENGTH + 8,
  },
  portMap(SET.dnat4, 5, { type: DATATYPE.ipv4, length: 4 }),
  portMap(SET.dnat6, 6, { type: DATATYPE.ipv6, length: 16 }),
];

/** (address, protocol, port) of containers that are reached as they are. */
function directPorts(name: string, id: number, address: { type: number; length: number }): SetOptions {
  const keyType = concatenated(address.type, DATATYPE.protocol, DATATYPE.port);
  return { name, id, keyType, keyLength: address.length + 8 };
}

/** (address, protocol, port) of the host → (address, port) of a container; a zero address stands for every one. */
function portMap(name: string, id: number, address: { type: number; length: number }): SetOptions {
  return {
    name,
    id,
    keyType: concatenated(address.type, DATATYPE.protocol, DATATYPE.port),
    keyLength: address.length + 8,
    data: { type: concatenated(address.type, DATATYPE.port), length: address.length + 4 },
  };
}

/** The empty table. Without `nat` what the kernel then lacks is left out. */
export function tableMessages(table: string, { nat }: { readonly nat: boolean }): Message[] {
  return [
    addTable(table),
    ...SETS.map((set) => addSet(table, set)),
    addChain(table, 'forward', { type: 'filter', hook: 'forward', priority: PRIORITY.filter }),
    ...forwardRules().map((rule) => addRule(table, 'forward', rule)),
    ...(nat ? natMessages(table) : []),
  ];
}

// Registers of four bytes: an interface name takes four of them.
const fromAndTo = [meta('iifname', 0), meta('oifname', 4)];

function forwardRules(): Uint8Array[][] {
  return [
    // First, because nearly every packet ends here; a connection that the rest refuses is never established.
    [conntrack('state', 0), mask(0, CT_ESTABLISHED_OR_RELATED), compare(0, 'neq', u32(0)), verdict('accept')],
    // Seen here only where bridged traffic passes the IP filter (br_netfilter).
    [...fromAndTo, lookup(SET.same, { from: 0 }), verdict('accept')],
    [meta('iifname', 0), lookup(SET.internal, { from: 0 }), verdict('drop')],
    [meta('oifname', 0), lookup(SET.internal, { from: 0 }), verdict('drop')],
    [...isTranslated(), verdict('accept')],
    ...(['ipv4', 'ipv6'] as const).flatMap(directRules),
    // From other networks and from other machines only published ports can be reached.
    [meta('oifname', 0), lookup(SET.bridges, { from: 0 }), verdict('drop')],
  ];
}

/** To networks without translation: everything, or what is published. */
function directRules(family: 'ipv4' | 'ipv6'): Uint8Array[][] {
  const is4 = family === 'ipv4';
  const destination = payload(is4 ? TO_IPV4 : TO_IPV6, 0);
  return [
    [
      ...isFamily(family),
      meta('oifname', 0),
      lookup(is4 ? SET.open4 : SET.open6, { from: 0 }),
      verdict('accept'),
    ],
    [
      ...isFamily(family),
      destination,
      ...protocolAndPort(is4 ? 1 : 4),
      lookup(is4 ? SET.direct4 : SET.direct6, { from: 0 }),
      verdict('accept'),
    ],
  ];
}

const TO_IPV4 = { base: 'network', offset: 16, length: 4 } as const;
const TO_IPV6 = { base: 'network', offset: 24, length: 16 } as const;

const CT_STATUS_DNAT = 0x20;

/** Connections whose destination was translated, or with `not` all others. */
export function isTranslated({ not = false } = {}): Uint8Array[] {
  return [conntrack('status', 0), mask(0, CT_STATUS_DNAT), compare(0, not ? 'eq' : 'neq', u32(0))];
}

function natMessages(table: string): Message[] {
  return [
    addChain(table, 'publish'),
    ...publishRules().map((rule) => addRule(table, 'publish', rule)),
    addChain(table, 'prerouting', { type: 'nat', hook: 'prerouting', priority: PRIORITY.dstnat }),
    addRule(table, 'prerouting', toThisMachine()),
    addChain(table, 'output', { type: 'nat', hook: 'output', priority: PRIORITY.dstnat }),
    addRule(table, 'output', toThisMachine()),
    addChain(table, 'postrouting', { type: 'nat', hook: 'postrouting', priority: PRIORITY.srcnat }),
    ...postroutingRules().map((rule) => addRule(table, 'postrouting', rule)),
  ];
}

function toThisMachine(): Uint8Array[] {
  return [fibDestinationType(0), compare(0, 'eq', u32(RTN_LOCAL)), verdict('jump', 'publish')];
}

function publishRules(): Uint8Array[][] {
  return [
    // Loopback traffic cannot be translated without route_localnet, which opens the machine: the shim relays it.
    [
      ...isFamily('ipv4'),
      payload({ base: 'network', offset: 16, length: 1 }, 0),
      compare(0, 'eq', u8(127)),
      verdict('return'),
    ],
    [
      ...isFamily('ipv6'),
      payload({ base: 'network', offset: 24, length: 16 }, 0),
      compare(0, 'eq', LOOPBACK6),
      verdict('return'),
    ],
    [meta('iifname', 0), ...protocolAndPort(4), lookup(SET.relayed, { from: 0 }), verdict('return')],
    translate('ipv4', payload({ base: 'network', offset: 16, length: 4 }, 0)),
    translate('ipv4', load(0, new Uint8Array(4))),
    translate('ipv6', payload({ base: 'network', offset: 24, length: 16 }, 0)),
    translate('ipv6', load(0, new Uint8Array(16))),
  ];
}

export function isFamily(family: 'ipv4' | 'ipv6'): Uint8Array[] {
  return [meta('nfproto', 0), compare(0, 'eq', u8(FAMILY[family]))];
}

function protocolAndPort(register: number): Uint8Array[] {
  return [meta('l4proto', register), payload({ base: 'transport', offset: 2, length: 2 }, register + 1)];
}

function translate(family: 'ipv4' | 'ipv6', loadAddress: Uint8Array): Uint8Array[] {
  const words = family === 'ipv4' ? 1 : 4;
  const set = family === 'ipv4' ? SET.dnat4 : SET.dnat6;
  return [
    ...isFamily(family),
    loadAddress,
    ...protocolAndPort(words),
    lookup(set, { from: 0, to: 0 }),
    destinationNat(family, { address: 0, port: words }),
  ];
}

function postroutingRules(): Uint8Array[][] {
  return (['ipv4', 'ipv6'] as const).map((family) => [
    ...isFamily(family),
    meta('iifname', 0),
    lookup(family === 'ipv4' ? SET.masquerade4 : SET.masquerade6, { from: 0 }),
    meta('oifname', 0),
    lookup(SET.bridges, { from: 0, not: true }),
    masquerade(),
  ]);
}

export interface SetElements {
  readonly set: string;
  readonly elements: readonly Element[];
}

/** What the table holds for a network: only bridges need it. */
export function networkElements(network: NetworkRecord): SetElements[] {
  if (!hasBridge(network)) return [];
  const name = interfaceKey(network.bridge);
  const element = [{ key: name }];
  const leads = !network.internal && flagOption(network, OPTION.masquerade, true);
  const has = (family: 4 | 6, modes: readonly GatewayMode[]) => modes.includes(gatewayMode(network, family));
  const translated = ['nat', 'nat-unprotected'] as const;
  const entries: readonly (readonly [set: string, isIn: boolean])[] = [
    [SET.internal, network.internal],
    [SET.masquerade4, leads && has(4, translated)],
    [SET.masquerade6, leads && has(6, translated)],
    [SET.open4, has(4, ['nat-unprotected'])],
    [SET.open6, has(6, ['nat-unprotected'])],
  ];
  return [
    { set: SET.bridges, elements: element },
    { set: SET.same, elements: [{ key: concat([name, name]) }] },
    ...entries.filter(([, isIn]) => isIn).map(([set]) => ({ set, elements: element })),
  ];
}

/** An interface's name as the sets have it. */
export function interfaceKey(name: string): Uint8Array {
  const key = new Uint8Array(INTERFACE_LENGTH);
  key.set(text(name));
  return key;
}

/** What the table holds for published ports; loopback addresses are the relay's. */
export function portElements(ports: readonly Forwarding[]): SetElements[] {
  return [
    { set: SET.dnat4, elements: ports.flatMap((port) => portElement(port, port.ipv4, '0.0.0.0')) },
    { set: SET.dnat6, elements: ports.flatMap((port) => portElement(port, port.ipv6, '::')) },
    { set: SET.relayed, elements: ports.flatMap(relayedElements) },
    { set: SET.direct4, elements: ports.flatMap((port) => directElement(port, 4)) },
    { set: SET.direct6, elements: ports.flatMap((port) => directElement(port, 6)) },
  ].filter(({ elements }) => elements.length > 0);
}

function portElement(port: Forwarding, container: string | undefined, everywhere: string): Element[] {
  const target = parseAddress(container ?? '');
  const host = parseAddress(port.hostIp === '' ? everywhere : port.hostIp);
  if (!target || host?.family !== target.family || isLoopback(port.hostIp)) return [];
  const key = concat([
    addressBytes(host),
    Uint8Array.of(PROTOCOL[port.protocol], 0, 0, 0),
    portWord(port.hostPort),
  ]);
  return [{ key, data: concat([addressBytes(target), portWord(port.containerPort)]) }];
}

function directElement(
  { routed = [], ipv4, ipv6, protocol, containerPort }: Forwarding,
  family: 4 | 6,
): Element[] {
  const address = parseAddress((family === 4 ? ipv4 : ipv6) ?? '');
  if (!routed.includes(family) || !address) return [];
  const key = [addressBytes(address), Uint8Array.of(PROTOCOL[protocol], 0, 0, 0), portWord(containerPort)];
  return [{ key: concat(key) }];
}

function relayedElements(port: Forwarding): Element[] {
  if (isLoopback(port.hostIp)) return [];
  return (port.bridges ?? []).map((bridge) => ({
    key: concat([interfaceKey(bridge), ...protocolWords(port)]),
  }));
}

function protocolWords({ protocol, hostPort }: Forwarding): Uint8Array[] {
  return [Uint8Array.of(PROTOCOL[protocol], 0, 0, 0), portWord(hostPort)];
}

function isLoopback(address: string): boolean {
  return address.startsWith('127.') || address === '::1';
}

function portWord(port: number): Uint8Array {
  return concat([be16(port), new Uint8Array(2)]);
}

export function additions(table: string, sets: readonly SetElements[]): Message[] {
  return sets.flatMap(({ set, elements }) => addElements(table, set, elements));
}

/** Takes elements out, present or not: each is added first, so that a missing one does not fail the transaction. */
export function removalBatch(table: string, sets: readonly SetElements[]): Uint8Array {
  const deletions = sets.flatMap(({ set, elements }) =>
    deleteElements(
      table,
      set,
      elements.map(({ key }) => ({ key })),
    ),
  );
  return transaction([...additions(table, sets), ...deletions]);
}
