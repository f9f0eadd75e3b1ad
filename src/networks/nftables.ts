// nf_tables messages (linux/netfilter/nf_tables.h). Pure.
import {
  attribute,
  batch,
  be16,
  be32,
  concat,
  type Message,
  NLM_F_ACK,
  NLM_F_APPEND,
  NLM_F_CREATE,
  NLM_F_DUMP,
  nested,
  parseAttributes,
  readText,
  text,
} from './netlink.ts';

const SUBSYSTEM = 10;
const BATCH_BEGIN = 16;
const BATCH_END = 17;
const MSG = {
  newTable: 0,
  getTable: 1,
  delTable: 2,
  newChain: 3,
  newRule: 6,
  newSet: 9,
  newElement: 12,
  delElement: 14,
};

export const FAMILY = { inet: 1, ipv4: 2, ipv6: 10 } as const;
export const HOOK = { prerouting: 0, input: 1, forward: 2, output: 3, postrouting: 4 } as const;
export const PRIORITY = { dstnat: -100, filter: 0, srcnat: 100 } as const;
const ACCEPT = 1;

export const LIST_ELEMENT = 1;
export const DATA_VALUE = 1;
const SET_MAP = 8;

/** Numbers by which `nft` prints the elements of a set; the kernel does not read them. */
export const DATATYPE = { integer: 4, ipv4: 7, ipv6: 8, protocol: 12, port: 13, interface: 41 } as const;

/** The data type of several values in a row. */
export function concatenated(...types: readonly number[]): number {
  return types.reduce((all, type) => (all << 6) | type, 0);
}

function request(type: number, flags: number, attributes: readonly Uint8Array[]): Message {
  const header = Uint8Array.of(FAMILY.inet, 0, 0, 0);
  return { type: (SUBSYSTEM << 8) | type, flags, body: concat([header, ...attributes]) };
}

/** One transaction: all of it happens or nothing. The last message is acknowledged, so refusals of all are seen. */
export function transaction(messages: readonly Message[]): Uint8Array {
  const body = concat([Uint8Array.of(0, 0), be16(SUBSYSTEM)]);
  const acknowledged = messages.map((entry, index) =>
    index === messages.length - 1 ? { ...entry, flags: entry.flags | NLM_F_ACK } : entry,
  );
  return batch([{ type: BATCH_BEGIN, flags: 0, body }, ...acknowledged, { type: BATCH_END, flags: 0, body }]);
}

export function addTable(table: string): Message {
  return request(MSG.newTable, NLM_F_CREATE, [attribute(1, text(table)), attribute(2, be32(0))]);
}

export function deleteTable(table: string): Message {
  return request(MSG.delTable, 0, [attribute(1, text(table))]);
}

/** Asks for the names of the tables of both families. */
export function listTables(): Message {
  return request(MSG.getTable, NLM_F_DUMP, []);
}

export function parseTables(messages: readonly Message[]): string[] {
  return messages.flatMap(({ body }) => readText(parseAttributes(body.subarray(4)).get(1)) ?? []);
}

export interface BaseChain {
  readonly type: 'filter' | 'nat';
  readonly hook: keyof typeof HOOK;
  readonly priority: number;
}

export function addChain(table: string, name: string, base?: BaseChain): Message {
  const hook = base
    ? [
        nested(4, attribute(1, be32(HOOK[base.hook])), attribute(2, be32(base.priority >>> 0))),
        attribute(5, be32(ACCEPT)),
        attribute(7, text(base.type)),
      ]
    : [];
  return request(MSG.newChain, NLM_F_CREATE, [attribute(1, text(table)), attribute(3, text(name)), ...hook]);
}

export function addRule(table: string, chain: string, expressions: readonly Uint8Array[]): Message {
  const list = nested(4, ...expressions);
  return request(MSG.newRule, NLM_F_CREATE | NLM_F_APPEND, [
    attribute(1, text(table)),
    attribute(2, text(chain)),
    list,
  ]);
}

export interface SetOptions {
  readonly name: string;
  /** Unique in its transaction. */
  readonly id: number;
  readonly keyType: number;
  readonly keyLength: number;
  /** A map has data. */
  readonly data?: { readonly type: number; readonly length: number };
}

export function addSet(table: string, { name, id, keyType, keyLength, data }: SetOptions): Message {
  const map = data ? [attribute(6, be32(data.type)), attribute(7, be32(data.length))] : [];
  return request(MSG.newSet, NLM_F_CREATE, [
    attribute(1, text(table)),
    attribute(2, text(name)),
    attribute(3, be32(data ? SET_MAP : 0)),
    attribute(4, be32(keyType)),
    attribute(5, be32(keyLength)),
    ...map,
    attribute(10, be32(id)),
  ]);
}

export interface Element {
  readonly key: Uint8Array;
  readonly data?: Uint8Array;
}

function elements(
  type: number,
  flags: number,
  { table, set, list }: { table: string; set: string; list: readonly Element[] },
): Message {
  const entries = list.map(({ key, data }) =>
    nested(
      LIST_ELEMENT,
      nested(1, attribute(DATA_VALUE, key)),
      ...(data ? [nested(2, attribute(DATA_VALUE, data))] : []),
    ),
  );
  return request(type, flags, [attribute(1, text(table)), attribute(2, text(set)), nested(3, ...entries)]);
}

// An attribute ends at 64 KiB.
const ELEMENTS_PER_MESSAGE = 500;

function chunks(list: readonly Element[]): Element[][] {
  const count = Math.ceil(list.length / ELEMENTS_PER_MESSAGE);
  return Array.from({ length: count }, (_, n) =>
    list.slice(n * ELEMENTS_PER_MESSAGE, (n + 1) * ELEMENTS_PER_MESSAGE),
  );
}

/** Adds elements; one that is there with the same data is fine. */
export function addElements(table: string, set: string, list: readonly Element[]): Message[] {
  return chunks(list).map((part) => elements(MSG.newElement, NLM_F_CREATE, { table, set, list: part }));
}

/** Deletes elements; a missing one fails the transaction. */
export function deleteElements(table: string, set: string, list: readonly Element[]): Message[] {
  return chunks(list).map((part) => elements(MSG.delElement, 0, { table, set, list: part }));
}
