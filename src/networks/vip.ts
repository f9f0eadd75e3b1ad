// One address for all replicas of a service (`endpoint_mode: vip`): connections to it are spread over those that run.
//
// The address belongs to the network's bridge. Who asks from the same network is translated to one replica in turn, and
// masqueraded, because the replica would answer it directly otherwise.
import { errnoOf } from '../../core/index.ts';
import type { Context } from '../state/context.ts';
import { type Address, addressBytes, bitsOf, parseAddress } from './address.ts';
import { ensureInterface } from './bridge.ts';
import {
  compare,
  destinationNat,
  load,
  lookup,
  masquerade,
  meta,
  nextNumber,
  payload,
  reject,
  verdict,
} from './expressions.ts';
import { firewallState, isMissingFeature } from './firewall.ts';
import { removeNames } from './hosts.ts';
import { isShared, type Lease, sharedKey } from './ipam.ts';
import { leaseAll, locked, writeNetwork } from './leases.ts';
import { findLink, route } from './links.ts';
import { concat, type Message, NETLINK_NETFILTER, u8, u32 } from './netlink.ts';
import {
  addChain,
  addElements,
  addRule,
  addSet,
  addTable,
  concatenated,
  DATATYPE,
  deleteElements,
  deleteTable,
  type Element,
  PRIORITY,
  transaction,
} from './nftables.ts';
import { hasBridge, listNetworks, type NetworkRecord } from './record.ts';
import { deleteAddress } from './routes.ts';
import { interfaceKey, isFamily, isTranslated, tableName } from './table.ts';

/** A container behind a shared address. */
export interface Member {
  /** Id of the network. */
  readonly network: string;
  readonly container: string;
  /** `PROJECT/SERVICE`. */
  readonly service: string;
  /** Of the container in its service, from 1. */
  readonly number: number;
  readonly running: boolean;
}

/** The shared address of a service on a network: the same for as long as it has containers there. */
export async function shareAddress(
  ctx: Context,
  network: NetworkRecord,
  service: string,
): Promise<Lease | undefined> {
  const [lease] = await leaseAll(ctx, network, [{ container: sharedKey(service) }]);
  await locked(ctx, () => {
    const record = listNetworks(ctx).find(({ id }) => id === network.id);
    if (record) ensureInterface(ctx, record);
  });
  return lease;
}

/** Whether connections can be spread here; else names lead to all replicas, as without a shared address. */
export function canShare(ctx: Context, network: NetworkRecord): boolean {
  if (!hasBridge(network) || firewallState(ctx) !== 'full') return false;
  const table = `${vipTable(ctx)}-probe`;
  try {
    const probe = [...tableFrame(table), addRule(table, 'prerouting', [nextNumber('inTurn', 2, 0)])];
    ctx.core.netlink(NETLINK_NETFILTER, undefined, transaction([...probe, deleteTable(table)]));
    return true;
  } catch (error) {
    if (isMissingFeature(error)) return false;
    throw error;
  }
}

/**
 * Makes connections go to the members that run now, and gives shared addresses back that no container is behind.
 * `members` is asked while nobody else can change networks.
 */
export async function balance(ctx: Context, members: () => readonly Member[]): Promise<void> {
  const dropped = await locked(ctx, () => {
    const all = members();
    const parts = listNetworks(ctx).map((network) => partition(network, all));
    for (const { network, unused } of parts) giveBack(ctx, network, unused);
    const services = parts.flatMap(({ network, used }) => servicesOn(network, used, all));
    rewrite(ctx, services);
    return parts;
  });
  for (const { network, unused } of dropped) {
    for (const [key] of unused) await removeNames(ctx, network, key);
  }
}

type SharedLease = readonly [key: string, lease: Lease];

interface Partition {
  readonly network: NetworkRecord;
  readonly used: readonly SharedLease[];
  readonly unused: readonly SharedLease[];
}

function partition(network: NetworkRecord, members: readonly Member[]): Partition {
  const keys = new Set(
    members.filter((member) => member.network === network.id).map(({ service }) => sharedKey(service)),
  );
  const shared = Object.entries(network.leases).filter(([key]) => isShared(key));
  return {
    network,
    used: shared.filter(([key]) => keys.has(key)),
    unused: shared.filter(([key]) => !keys.has(key)),
  };
}

function rewrite(ctx: Context, services: readonly Shared[]): void {
  const table = vipTable(ctx);
  const messages = services.length === 0 ? [] : vipMessages(table, services);
  try {
    const batch = transaction([addTable(table), deleteTable(table), ...messages]);
    ctx.core.netlink(NETLINK_NETFILTER, undefined, batch);
  } catch (error) {
    if (services.length > 0 || !isMissingFeature(error)) throw error;
  }
}

function vipTable({ layout }: Context): string {
  return `${tableName(layout)}-vip`;
}

function giveBack(ctx: Context, network: NetworkRecord, unused: readonly SharedLease[]): void {
  if (unused.length === 0) return;
  const keys = new Set(unused.map(([key]) => key));
  const leases = Object.fromEntries(Object.entries(network.leases).filter(([key]) => !keys.has(key)));
  writeNetwork(ctx, { ...network, leases });
  takeOff(ctx, network, unused);
}

function takeOff(ctx: Context, { bridge }: NetworkRecord, unused: readonly SharedLease[]): void {
  const index = findLink(ctx, bridge)?.index;
  if (index === undefined) return;
  for (const address of unused.flatMap(([, lease]) => addressesOf(lease))) {
    try {
      route(ctx, [deleteAddress({ index, address, prefix: bitsOf(address.family) })]);
    } catch (error) {
      if (errnoOf(error) !== 'EADDRNOTAVAIL') throw error;
    }
  }
}

function addressesOf({ ipv4, ipv6 }: Pick<Lease, 'ipv4' | 'ipv6'>): Address[] {
  return [ipv4, ipv6].flatMap((text) => parseAddress(text ?? '') ?? []);
}

/** A shared address and the addresses behind it. */
export interface Shared {
  readonly bridge: string;
  readonly address: Address;
  /** By number of the container. */
  readonly behind: ReadonlyMap<number, Address>;
}

function servicesOn(
  { id, bridge, leases }: NetworkRecord,
  shared: readonly SharedLease[],
  members: readonly Member[],
): Shared[] {
  return shared.flatMap(([key, lease]) => {
    const running = members.filter(
      ({ network, service, running: runs }) => runs && network === id && key === sharedKey(service),
    );
    return addressesOf(lease).map((address) => ({
      bridge,
      address,
      behind: new Map(
        running.flatMap(({ container, number }): [number, Address][] => {
          const all = addressesOf(leases[container] ?? {});
          return all.filter(({ family }) => family === address.family).map((own) => [number, own]);
        }),
      ),
    }));
  });
}

const MAPS = {
  4: { name: 'replicas4', id: 1, type: DATATYPE.ipv4, bytes: 4, words: 1, offset: 16 },
  6: { name: 'replicas6', id: 2, type: DATATYPE.ipv6, bytes: 16, words: 4, offset: 24 },
} as const;

function tableFrame(table: string): Message[] {
  return [
    addTable(table),
    ...[MAPS[4], MAPS[6]].map(({ name, id, type, bytes }) =>
      addSet(table, {
        name,
        id,
        keyType: concatenated(type, DATATYPE.integer),
        keyLength: bytes + 4,
        data: { type, length: bytes },
      }),
    ),
    addChain(table, 'prerouting', { type: 'nat', hook: 'prerouting', priority: PRIORITY.dstnat }),
    addChain(table, 'output', { type: 'nat', hook: 'output', priority: PRIORITY.dstnat }),
    addChain(table, 'postrouting', { type: 'nat', hook: 'postrouting', priority: PRIORITY.srcnat }),
    addChain(table, 'input', { type: 'filter', hook: 'input', priority: PRIORITY.filter }),
  ];
}

/** The whole table: an element for each replica, by shared address and number. Pure. */
export function vipMessages(table: string, services: readonly Shared[]): Message[] {
  const bridges = [...new Set(services.map(({ bridge }) => bridge))];
  return [
    ...tableFrame(table),
    ...services.flatMap((service) => serviceMessages(table, service)),
    ...bridges.map((bridge) => addRule(table, 'postrouting', masqueradeWithin(bridge))),
  ];
}

function serviceMessages(table: string, { bridge, address, behind }: Shared): Message[] {
  const map = MAPS[address.family];
  const elements = [...behind].map(([number, replica]) => replicaElement(address, number, replica));
  const spread = spreadRules(address, behind);
  return [
    ...addElements(table, map.name, elements),
    ...spread.map((rule) => addRule(table, 'prerouting', [...comesFrom(bridge), ...rule])),
    ...spread.map((rule) => addRule(table, 'output', rule)),
    ...refusals(address).map((rule) => addRule(table, 'input', rule)),
  ];
}

function replicaElement(address: Address, number: number, replica: Address): Element {
  return { key: concat([addressBytes(address), u32(number - 1)]), data: addressBytes(replica) };
}

/** The batch by which a container's shim takes it out of what is behind its shared address. */
export function leaveBatch(ctx: Context, shared: Lease, own: Lease, number: number): Uint8Array {
  const table = vipTable(ctx);
  const messages = addressesOf(shared).flatMap((address) => {
    const { name } = MAPS[address.family];
    const elements = addressesOf(own)
      .filter(({ family }) => family === address.family)
      .map((replica) => replicaElement(address, number, replica));
    const keys = elements.map(({ key }) => ({ key }));
    // Refused altogether when the place is another container's by now.
    return [...addElements(table, name, elements), ...deleteElements(table, name, keys)];
  });
  return transaction(messages);
}

function comesFrom(bridge: string): Uint8Array[] {
  return [meta('iifname', 0), compare(0, 'eq', interfaceKey(bridge))];
}

function isFor(address: Address): Uint8Array[] {
  const { offset, bytes } = MAPS[address.family];
  return [
    ...isFamily(address.family === 4 ? 'ipv4' : 'ipv6'),
    payload({ base: 'network', offset, length: bytes }, 0),
    compare(0, 'eq', addressBytes(address)),
  ];
}

const ICMP = { 4: 1, 6: 58 } as const;
const TCP = 6;
const SPARE_REGISTER = 8;

/** Everything but ICMP: the bridge itself answers to ping. */
function isNoPing({ family }: Address): Uint8Array[] {
  return [meta('l4proto', SPARE_REGISTER), compare(SPARE_REGISTER, 'neq', u8(ICMP[family]))];
}

/** More replicas than these are not tried one by one: then so many are there that lots find one. */
const TRIED_MAX = 64;

/** In turn; who meets a place whose container has ended draws lots, and in the end tries them all. */
function spreadRules(address: Address, behind: ReadonlyMap<number, Address>): Uint8Array[][] {
  const places = Math.max(0, ...behind.keys());
  if (places === 0) return [];
  const to = MAPS[address.family].words;
  const draws = (['inTurn', 'random', 'random', 'random'] as const).slice(0, places);
  const tried = places > 1 && behind.size <= TRIED_MAX ? [...behind.keys()] : [];
  return [
    ...draws.map((kind) => nextNumber(kind, places, to)),
    ...tried.map((number) => load(to, u32(number - 1))),
  ].map((number) => spreadRule(address, number));
}

function spreadRule(address: Address, number: Uint8Array): Uint8Array[] {
  return [
    ...isNoPing(address),
    ...isFor(address),
    number,
    lookup(MAPS[address.family].name, { from: 0, to: 0 }),
    destinationNat(address.family === 4 ? 'ipv4' : 'ipv6', { address: 0 }),
  ];
}

/** What nobody is behind is refused: it must not reach servers of the machine. */
function refusals(address: Address): Uint8Array[][] {
  const untranslated = [...isFor(address), ...isTranslated({ not: true }), ...isNoPing(address)];
  return [
    [...untranslated, compare(SPARE_REGISTER, 'eq', u8(TCP)), reject('tcp')],
    [...untranslated, reject('other')],
    [...isFor(address), verdict('accept')],
  ];
}

function masqueradeWithin(bridge: string): Uint8Array[] {
  return [
    ...isTranslated(),
    ...comesFrom(bridge),
    meta('oifname', 0),
    compare(0, 'eq', interfaceKey(bridge)),
    masquerade(),
  ];
}
