// The firewall of this machine: our table made, changed in one transaction each, and taken down.
import { rmSync } from 'node:fs';
import { errnoOf } from '../../core/index.ts';
import type { Context } from '../state/context.ts';
import { readTextIfPresent, writeAtomically } from '../state/record.ts';
import { batch, NETLINK_NETFILTER, parseMessages } from './netlink.ts';
import {
  addElements,
  deleteElements,
  deleteTable,
  listTables,
  parseTables,
  transaction,
} from './nftables.ts';
import type { NetworkRecord } from './record.ts';
import {
  additions,
  type Forwarding,
  networkElements,
  portElements,
  removalBatch,
  type SetElements,
  tableMessages,
  tableName,
} from './table.ts';

/** `relay`: no address translation, ports are relayed by the shims; `none`: no packet filter at all. */
export type FirewallState = 'full' | 'relay' | 'none';

function send(ctx: Context, request: Uint8Array): void {
  ctx.core.netlink(NETLINK_NETFILTER, undefined, request);
}

/** Which parts of the firewall this machine has, as found when the table was made. */
export function firewallState(ctx: Context): FirewallState {
  const state = readTextIfPresent(stateFile(ctx));
  return state === 'relay' || state === 'none' ? state : 'full';
}

/** One sentence for the user when the kernel lacks something, else undefined. */
export function firewallWarning(ctx: Context): string | undefined {
  switch (firewallState(ctx)) {
    case 'full':
      return undefined;
    case 'relay':
      return 'the kernel has no nf_tables address translation (nft_nat, nft_masq, nft_fib): published ports are relayed, and containers cannot reach other machines';
    case 'none':
      return 'the kernel has no nf_tables (or not the family inet of it): networks are not isolated from each other, published ports are relayed, and containers cannot reach other machines';
  }
}

function stateFile({ layout }: Context): string {
  return `${layout.runDir}/networks/firewall`;
}

/** Makes the whole table anew, in one transaction, with these networks and ports. */
export function rebuildFirewall(
  ctx: Context,
  networks: readonly NetworkRecord[],
  ports: readonly Forwarding[],
): FirewallState {
  const sets = [...networks.flatMap(networkElements), ...portElements(ports)];
  const state = tryRebuild(ctx, sets);
  writeAtomically(stateFile(ctx), state, { mode: 0o644 });
  return state;
}

function tryRebuild(ctx: Context, sets: readonly SetElements[]): FirewallState {
  // To delete what was added a moment before would do as well, but makes the kernel wait for an RCU grace period.
  const former = isThere(ctx) ? [deleteTable(tableName(ctx.layout))] : [];
  for (const state of ['full', 'relay'] as const) {
    const messages = [
      ...former,
      ...tableMessages(tableName(ctx.layout), { nat: state === 'full' }),
      ...additions(tableName(ctx.layout), sets),
    ];
    try {
      send(ctx, transaction(messages));
      return state;
    } catch (error) {
      if (!isMissingFeature(error)) throw error;
    }
  }
  return 'none';
}

function isThere(ctx: Context): boolean {
  try {
    return tables(ctx).includes(tableName(ctx.layout));
  } catch (error) {
    if (isMissingFeature(error)) return false;
    throw error;
  }
}

function tables(ctx: Context): readonly string[] {
  return parseTables(parseMessages(ctx.core.netlink(NETLINK_NETFILTER, undefined, batch([listTables()]))));
}

const MISSING_FEATURE = new Set([
  'ENOENT',
  'EOPNOTSUPP',
  'ENOTSUP',
  'EPROTONOSUPPORT',
  'EAFNOSUPPORT',
  'EINVAL',
]);

/** True when the kernel refused because it lacks what was asked for. */
export function isMissingFeature(error: unknown): boolean {
  return MISSING_FEATURE.has(errnoOf(error) ?? '');
}

/** Adds elements; false when the table is not there. */
export function addToFirewall(ctx: Context, sets: readonly SetElements[]): boolean {
  if (sets.length === 0 || firewallState(ctx) === 'none') return true;
  // The kernel takes longer to refuse than to do it.
  if (readTextIfPresent(stateFile(ctx)) === undefined) return false;
  try {
    send(ctx, transaction(additions(tableName(ctx.layout), sets)));
    return true;
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return false;
    throw error;
  }
}

/** Like `addToFirewall`, and in place of what is there under the same keys: whoever left that holds the port no more. */
export function replaceInFirewall(ctx: Context, sets: readonly SetElements[]): boolean {
  try {
    return addToFirewall(ctx, sets);
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error;
  }
  const single = sets.flatMap(({ set, elements }) =>
    elements.map((element) => ({ set, elements: [element] })),
  );
  for (const entry of single) replaceElement(ctx, entry);
  return true;
}

function replaceElement(ctx: Context, { set, elements }: SetElements): void {
  try {
    addToFirewall(ctx, [{ set, elements }]);
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error;
    const keys = elements.map(({ key }) => ({ key }));
    send(
      ctx,
      transaction([
        ...deleteElements(tableName(ctx.layout), set, keys),
        ...addElements(tableName(ctx.layout), set, elements),
      ]),
    );
  }
}

/** Takes elements out; a table that is gone is fine. */
export function removeFromFirewall(ctx: Context, sets: readonly SetElements[]): void {
  if (sets.length === 0 || firewallState(ctx) === 'none') return;
  unlessGone(() => send(ctx, removalBatch(tableName(ctx.layout), sets)));
}

/** Tables that we made for other state directories. */
export function otherTables(ctx: Context): readonly string[] {
  if (firewallState(ctx) === 'none') return [];
  return tables(ctx).filter((name) => isForeign(ctx, name));
}

function isForeign({ layout }: Context, name: string): boolean {
  return /^tscompose(-[0-9a-f]{8})?$/.test(name) && name !== tableName(layout);
}

export function removeFirewall(ctx: Context): void {
  if (firewallState(ctx) === 'none') return;
  unlessGone(() => send(ctx, transaction([deleteTable(tableName(ctx.layout))])));
  rmSync(stateFile(ctx), { force: true });
}

function unlessGone(run: () => void): void {
  try {
    run();
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT') throw error;
  }
}
