// Names: the networks' name tables, in the format of shim.h; and the machine's name servers.
import { mkdirSync, utimesSync } from 'node:fs';
import type { Context } from '../state/context.ts';
import { networkFiles } from '../state/layout.ts';
import { withLock } from '../state/lock.ts';
import { readTextIfPresent, writeAtomically } from '../state/record.ts';
import { type Address, parseAddress } from './address.ts';
import type { NetworkRecord } from './record.ts';

/** One address of a container, and what it is called on that network. */
export interface NameLine {
  readonly address: string;
  readonly names: readonly string[];
}

/** Sets the lines of a container in a network's name table, in place of those it had. */
export function addNames(
  ctx: Context,
  network: NetworkRecord,
  container: string,
  lines: readonly NameLine[],
): Promise<void> {
  return editNames(ctx, network, [{ container, lines }], true);
}

/** The lines of one container. */
export interface NameEntry {
  readonly container: string;
  readonly lines: readonly NameLine[];
}

/**
 * The same for many containers that are about to start: the table is rewritten once. Their shims tell all others when
 * they run, so that nobody who starts them waits for that.
 */
export function addAllNames(
  ctx: Context,
  network: NetworkRecord,
  entries: readonly NameEntry[],
): Promise<void> {
  return editNames(ctx, network, entries, false);
}

/** Takes a container's lines out; the shim does the same when it ends. */
export function removeNames(ctx: Context, network: NetworkRecord, container: string): Promise<void> {
  return editNames(ctx, network, [{ container, lines: [] }], true);
}

/** Pure: a name table with other lines for some containers; the last entry of a container counts. */
export function replaceNames(table: string, entries: readonly NameEntry[]): string {
  const lines = new Map(entries.map((entry) => [entry.container, entry.lines]));
  const others = table
    .split('\n')
    .filter((line) => line !== '' && !lines.has(line.slice(0, line.indexOf(' '))));
  const own = [...lines].flatMap(([container, addresses]) =>
    addresses.map(({ address, names }) => [container, address, ...new Set(names)].join(' ')),
  );
  return [...others, ...own].map((line) => `${line}\n`).join('');
}

/** Shims look at a table that was touched. */
function editNames(
  ctx: Context,
  network: NetworkRecord,
  entries: readonly NameEntry[],
  touched: boolean,
): Promise<void> {
  const files = networkFiles(ctx.layout, network.id);
  mkdirSync(files.runDir, { recursive: true, mode: 0o711 });
  return withLock(ctx.core, files.lock, { exclusive: true }, () => {
    const table = readTextIfPresent(files.names) ?? '';
    const edited = replaceNames(table, entries);
    if (edited === table) return;
    writeAtomically(files.names, edited, { mode: 0o644 });
    if (touched) utimesSync(files.names, new Date(), new Date());
  });
}

function valuesOf(text: string, keyword: string): string[] {
  return text.split('\n').flatMap((line) => {
    const [, key, value] = /^\s*(\S+)\s+(.*?)\s*(?:[#;].*)?$/.exec(line) ?? [];
    return key === keyword && value ? [value] : [];
  });
}

/** The name servers in a resolv.conf that can be reached from anywhere on this machine: not those on loopback. */
export function upstreamServers(text: string): Address[] {
  return valuesOf(text, 'nameserver')
    .flatMap((server) => parseAddress(server.replace(/%.*$/, '')) ?? [])
    .filter((address) => !isLoopback(address));
}

function isLoopback({ family, value }: Address): boolean {
  return family === 4 ? value >> 24n === 127n : value === 1n;
}
