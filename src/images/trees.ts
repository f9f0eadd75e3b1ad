// File systems of containers as streams of tar, in both directions; the core resolves every path inside.
import { lstatSync, readlinkSync, type Stats } from 'node:fs';
import { Socket } from 'node:net';
import { LAYER_FLAGS, PACK_FLAGS, type TreeSource } from '../../core/index.ts';
import type { Context } from '../state/context.ts';

/** The file system of a container, as far as it can be reached from outside. */
export interface TreeRoot {
  /** A directory that counts as the root. */
  readonly path: string;
  close(): void;
}

export interface RootParts {
  /** First process of a container that runs. */
  readonly pid?: number | undefined;
  /** Image layers, top first. */
  readonly lower: readonly string[];
  readonly upper: string;
  readonly work: string;
  readonly writable: boolean;
}

/** Opens the root of a container: the live one when it runs, else a mount of its layers that nobody else sees. */
export function openRoot(ctx: Context, { pid, lower, upper, work, writable }: RootParts): TreeRoot {
  if (pid !== undefined) return { path: `/proc/${pid}/root`, close: () => undefined };
  // Lower layers may not lie in each other, as an upper directory does in `image: host`.
  const asUpper = writable || lower.includes('/');
  const fd = ctx.core.openOverlay(asUpper ? { lower, upper, work } : { lower: [upper, ...lower] });
  return { path: `/proc/self/fd/${fd}`, close: () => ctx.core.close(fd) };
}

/** The bytes of an archive of a tree. */
export async function* packTree(ctx: Context, source: TreeSource): AsyncGenerator<Uint8Array> {
  const [ours, theirs] = ctx.core.socketPair();
  const packing = ctx.core.packTree(source, theirs).finally(() => ctx.core.close(theirs));
  packing.catch(() => undefined); // told below, when everything that came was read
  const socket = new Socket({ fd: ours, readable: true, writable: false });
  try {
    for await (const chunk of socket) yield chunk;
    await packing;
  } finally {
    socket.destroy();
  }
}

/** What changed in a container, as a layer. */
export function packChanges(ctx: Context, upper: string): AsyncGenerator<Uint8Array> {
  return packTree(ctx, { root: upper, path: '.', name: '', flags: PACK_FLAGS.whiteouts + PACK_FLAGS.noRoot });
}

export interface Destination {
  /** The directory that counts as the root for symbolic links. */
  readonly root: string;
  /** Where the entries go. */
  readonly directory: string;
  readonly keepOwners: boolean;
}

/** Unpacks an archive into a directory; links on the way lead nowhere outside its root. */
export async function unpackTree(
  ctx: Context,
  archive: AsyncIterable<Uint8Array>,
  { root, directory, keepOwners }: Destination,
): Promise<void> {
  const flags = LAYER_FLAGS.follow + (keepOwners ? LAYER_FLAGS.owners : 0);
  const prefix = directory.replace(/^\/+/, '');
  const layer = ctx.core.openLayer(root, { prefix, flags, limit: 0 });
  try {
    for await (const chunk of archive) await layer.write(chunk);
    await layer.finish([]);
  } finally {
    layer.free();
  }
}

const MOST_LINKS = 40;

/** What a path means inside a root, links resolved; undefined when there is nothing. */
export function statInside(
  root: string,
  path: string,
): { readonly path: string; readonly stat: Stats } | undefined {
  let links = 0;
  const pending = path.split('/').filter((part) => part !== '' && part !== '.');
  const done: string[] = [];
  for (let part = pending.shift(); part !== undefined; part = pending.shift()) {
    if (part === '..') {
      done.pop();
      continue;
    }
    const here = `${root}/${[...done, part].join('/')}`;
    const stat = lstatSync(here, { throwIfNoEntry: false });
    if (stat === undefined) return undefined;
    if (!stat.isSymbolicLink()) {
      done.push(part);
      continue;
    }
    if (++links > MOST_LINKS) return undefined;
    const target = readlinkSync(here);
    if (target.startsWith('/')) done.length = 0;
    pending.unshift(...target.split('/').filter((each) => each !== '' && each !== '.'));
  }
  const inside = `/${done.join('/')}`;
  const stat = lstatSync(`${root}${inside}`, { throwIfNoEntry: false });
  return stat === undefined ? undefined : { path: inside, stat };
}
