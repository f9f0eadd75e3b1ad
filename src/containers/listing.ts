// Which containers exist: their records, read from one file as far as that has them.
//
// A record is written once, so a copy of it is right for as long as the container's directory is there. Who makes containers
// adds their records to the index; one that is missing there, or spoiled by a writer that was killed, is read where it belongs.
import { appendFileSync, rmSync } from 'node:fs';
import type { Context } from '../state/context.ts';
import { listDirectory } from '../state/directory.ts';
import { containerFiles, containerIndex, containerRecord, containersDir } from '../state/layout.ts';
import { readRecord, readTextIfPresent, writeAtomically } from '../state/record.ts';
import { type ContainerRecord, decodeContainerRecord, isId, RECORD_REVISION } from './record.ts';

export interface Listing {
  /** Oldest first; those whose creation was interrupted are left out. */
  readonly records: readonly ContainerRecord[];
  /** Ids of those without a record: a machine that lost its power left them. */
  readonly hollow: readonly string[];
  readonly index: IndexState;
}

/** What the index is worth. */
export interface IndexState {
  /** How many records it has, of containers that exist or existed. */
  readonly lines: number;
  /** Ids of containers that it has. */
  readonly known: ReadonlySet<string>;
}

/** Every container, oldest first; those whose creation was interrupted are left out. */
export function listContainers(ctx: Context): readonly ContainerRecord[] {
  return readListing(ctx).records;
}

/** The same, with what `keepIndex` wants to know. */
export function readListing(ctx: Context): Listing {
  const { lines, byId } = readIndex(ctx);
  const ids = listDirectory(containersDir(ctx.layout)).filter(isId);
  const found = ids.map((id) => byId.get(id) ?? readContainer(ctx, id));
  const records = found.filter((record) => record !== undefined);
  records.sort((a, b) => ascending(a.created, b.created) || ascending(a.name, b.name));
  const hollow = ids.filter((_, at) => found[at] === undefined);
  return { records, hollow, index: { lines, known: new Set(byId.keys()) } };
}

// Collation by language would take longer to load than everything else here.
function ascending(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

/** The record of a container, undefined when there is none. */
export function readContainer(ctx: Context, id: string): ContainerRecord | undefined {
  return readRecord(containerRecord(ctx.layout, id), decodeContainerRecord);
}

/** Removes what interrupted creations and removals left; call it while no other command can be creating containers. */
export function removeLeftovers(ctx: Context): void {
  const directory = containersDir(ctx.layout);
  for (const name of listDirectory(directory)) if (!isId(name)) ctx.core.removeTree(`${directory}/${name}`);
}

/** Removes what is left of containers without a record. */
export function removeHollow(ctx: Context, ids: readonly string[]): void {
  for (const id of ids) {
    const { dir, runDir } = containerFiles(ctx.layout, id);
    ctx.core.removeTree(dir);
    ctx.core.removeTree(runDir);
  }
}

function readIndex({ layout }: Context) {
  const byId = new Map<string, ContainerRecord>();
  const lines = (indexText(containerIndex(layout)) ?? '').split('\n').filter((line) => line !== '');
  for (const line of lines) {
    const record = decodeLine(line);
    if (record !== undefined) byId.set(record.id, record);
  }
  return { lines: lines.length, byId };
}

function indexText(path: string): string | undefined {
  try {
    return readTextIfPresent(path);
  } catch {
    return undefined;
  }
}

/** The index may hold as many records of containers that are gone, and some. */
const SPARE_LINES = 64;

/** Brings the index up to date with the containers that exist; that it cannot be written is no error. */
export function keepIndex(
  { layout }: Context,
  { lines, known }: IndexState,
  records: readonly ContainerRecord[],
): void {
  const path = containerIndex(layout);
  const added = records.filter(({ id }) => !known.has(id));
  try {
    if (records.length === 0) rmSync(path, { force: true });
    else if (lines + added.length > 2 * records.length + SPARE_LINES) writeAtomically(path, linesOf(records));
    // Begins with the end of a line that a killed writer may have left.
    else if (added.length > 0) appendFileSync(path, `\n${linesOf(added)}`, { mode: 0o600 });
  } catch {
    // Then the records are read one by one.
  }
}

function linesOf(records: readonly ContainerRecord[]): string {
  return records.map((record) => `${encodeLine(record)}\n`).join('');
}

// A line that was not written whole has no end.
const END = '.';

function encodeLine(record: ContainerRecord): string {
  return [RECORD_REVISION, JSON.stringify(record), END].join('\t');
}

/** Undefined for half a line, or one of another version of this program. */
function decodeLine(line: string): ContainerRecord | undefined {
  const [revision, text = '', end] = line.split('\t');
  if (revision !== String(RECORD_REVISION) || end !== END) return undefined;
  // Written by `encodeLine` of this revision: to check each again takes as long as everything else here.
  return JSON.parse(text) as ContainerRecord;
}
