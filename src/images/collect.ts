// What can go: names and images that are removed, and everything in the store that no image needs any more.
import { readdirSync, rmSync, statSync } from 'node:fs';
import { ComposeError } from '../errors.ts';
import type { Context } from '../state/context.ts';
import { lockFile } from '../state/layout.ts';
import { withLock } from '../state/lock.ts';
import { findImage, type ImageSummary, readDocuments, summaryOf } from './image.ts';
import {
  chainIds,
  hexOf,
  readImages,
  readLayerRecord,
  type StoredImage,
  storeFiles,
  updateImages,
} from './store.ts';

export interface Removed {
  /** Names that were taken away. */
  readonly untagged: readonly string[];
  /** Ids of images that are gone. */
  readonly deleted: readonly string[];
  /** Bytes of disk that became free. */
  readonly reclaimed: number;
}

export interface RemoveOptions {
  /** Asks for the ids of images that containers use; called while none can be made. */
  readonly inUse: () => ReadonlySet<string>;
  readonly force?: boolean;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Takes a name away, and with the last one the image. ComposeError `image-not-found`; `image-in-use` when a container
 * needs it, or when an id with several names is given, unless forced.
 */
export async function removeImage(ctx: Context, name: string, options: RemoveOptions): Promise<Removed> {
  return whileAlone(ctx, options.signal, async () => {
    const images = readImages(ctx.layout);
    const found = findImage(images, name);
    if (found === undefined) throw new ComposeError('image-not-found', `no image ${name}`);
    const gone = imagesToRemove(images, { found, name, force: options.force ?? false });
    const rest = images.filter((image) => !gone.includes(image));
    const isLast = !rest.some((image) => image.id === found.id);
    const used = isLast && options.inUse().has(found.id);
    if (used && !options.force)
      throw new ComposeError('image-in-use', `a container uses image ${name}`, {
        hint: 'remove the container first',
      });
    const kept = used ? [...rest, withoutName(found)] : rest;
    await updateImages(ctx, () => kept);
    return {
      untagged: gone.flatMap((image) => image.name ?? []),
      deleted: isLast && !used ? [found.id] : [],
      reclaimed: await sweep(ctx),
    };
  });
}

interface Removal {
  readonly found: StoredImage;
  readonly name: string;
  readonly force: boolean;
}

function imagesToRemove(images: readonly StoredImage[], { found, name, force }: Removal): StoredImage[] {
  const same = images.filter((image) => image.id === found.id);
  const byId = /^(?:sha256:)?[0-9a-f]+$/.test(name) && found.id.includes(name.replace('sha256:', ''));
  if (!byId) return [found];
  if (same.length > 1 && !force)
    throw new ComposeError('image-in-use', `image ${name} has ${same.length} names`, {
      hint: 'remove it by one of its names, or with --force by all of them',
    });
  return same;
}

function withoutName({ name: _, ...image }: StoredImage): StoredImage {
  return image;
}

export interface PruneOptions {
  /** Also images that have a name, as long as no container uses them. */
  readonly all?: boolean;
  /** As for `removeImage`. */
  readonly inUse: () => ReadonlySet<string>;
  /** Only these; made from all images when none can be added. */
  readonly filter?: ((images: readonly ImageSummary[]) => (image: ImageSummary) => boolean) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Removes images that nobody needs, and what killed commands left behind. */
export async function pruneImages(ctx: Context, options: PruneOptions): Promise<Removed> {
  return whileAlone(ctx, options.signal, async () => {
    const images = readImages(ctx.layout);
    const inUse = options.inUse();
    const passes = filterOf(ctx, images, options.filter);
    const goes = (image: StoredImage): boolean =>
      !inUse.has(image.id) && (options.all === true || image.name === undefined) && passes(image);
    return removeImages(ctx, images, new Set(images.filter(goes)));
  });
}

function filterOf(
  ctx: Context,
  images: readonly StoredImage[],
  filter: PruneOptions['filter'],
): (image: StoredImage) => boolean {
  if (filter === undefined) return () => true;
  const summaries = new Map(images.map((image) => [image, summaryOf(ctx, image)]));
  const passes = filter([...summaries.values()]);
  return (image) => {
    const summary = summaries.get(image);
    return summary !== undefined && passes(summary);
  };
}

async function removeImages(
  ctx: Context,
  images: readonly StoredImage[],
  gone: ReadonlySet<StoredImage>,
): Promise<Removed> {
  const rest = images.filter((image) => !gone.has(image));
  if (gone.size > 0) await updateImages(ctx, () => rest);
  const left = new Set(rest.map((image) => image.id));
  return {
    untagged: [...gone].flatMap((image) => image.name ?? []),
    deleted: [...new Set([...gone].map((image) => image.id))].filter((id) => !left.has(id)),
    reclaimed: await sweep(ctx),
  };
}

/** Runs `fn` while no image is removed. */
export function whileKept<T>(ctx: Context, fn: () => Promise<T>): Promise<T> {
  return withLock(ctx.core, lockFile(ctx.layout, 'images'), { exclusive: false }, fn);
}

/** Runs `fn` while nobody adds anything to the store. */
export async function whileAlone<T>(
  ctx: Context,
  signal: AbortSignal | undefined,
  fn: () => Promise<T>,
): Promise<T> {
  return withLock(ctx.core, lockFile(ctx.layout, 'images'), { exclusive: true, signal }, fn);
}

/** What the images of the store consist of. */
export function piecesOf(
  ctx: Context,
  images: readonly StoredImage[],
): { blobs: Set<string>; chains: Set<string> } {
  const blobs = new Set<string>();
  const chains = new Set<string>();
  for (const image of images) {
    for (const digest of [image.manifest.digest, image.target, image.id]) blobs.add(digest);
    const { manifest, config } = readDocuments(ctx, image);
    for (const layer of manifest.layers) blobs.add(layer.digest);
    for (const chainId of chainIds(config.rootfs.diff_ids)) chains.add(chainId);
  }
  return { blobs, chains };
}

/** Removes blobs, layers and half-made things that no image needs; returns the bytes that became free. */
async function sweep(ctx: Context): Promise<number> {
  const files = storeFiles(ctx.layout);
  const { blobs, chains } = piecesOf(ctx, readImages(ctx.layout));
  const layers = new Set([...chains].map(hexOf));
  let reclaimed = 0;
  for (const algorithm of list(files.blobs)) {
    for (const hex of list(`${files.blobs}/${algorithm}`)) {
      if (blobs.has(`${algorithm}:${hex}`)) continue;
      const path = `${files.blobs}/${algorithm}/${hex}`;
      reclaimed += statSync(path).size;
      rmSync(path, { force: true });
    }
  }
  for (const name of list(files.layers)) {
    if (!layers.has(name)) reclaimed += await removeTree(ctx, `${files.layers}/${name}`);
  }
  for (const name of list(files.ingest)) reclaimed += await removeTree(ctx, `${files.ingest}/${name}`);
  return reclaimed;
}

async function removeTree(ctx: Context, path: string): Promise<number> {
  const bytes = treeSize(path);
  await ctx.core.removeTreeAsync(path);
  return bytes;
}

function treeSize(path: string): number {
  const status = statSync(path, { throwIfNoEntry: false });
  if (status === undefined) return 0;
  if (!status.isDirectory()) return status.size;
  return readLayerRecord(path)?.bytes ?? 0;
}

function list(dir: string): string[] {
  try {
    return readdirSync(dir).sort();
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return [];
    throw error;
  }
}
