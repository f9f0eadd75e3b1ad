// An image from anywhere into the store: its documents, its blobs and layers in parallel, then its names.
import { ComposeError } from '../errors.ts';
import type { Context } from '../state/context.ts';
import { layerDirs, nameImage } from './image.ts';
import { addBlob, addBytes, addLayer, type BlobSource, type IngestOptions, type Progress } from './ingest.ts';
import {
  type ConfigFile,
  type Descriptor,
  decodeConfigFile,
  decodeManifest,
  type Manifest,
  type Platform,
} from './manifest.ts';
import { chainIds, readJsonBlob, type StoredImage, updateImages } from './store.ts';

/** A manifest whose digest was verified. */
export interface ManifestDocument {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
}

export interface InstallOptions {
  readonly manifest: ManifestDocument;
  readonly source: BlobSource;
  /** Called when all bytes are there, before a name promises them; see `whileAdding`. */
  readonly sync: () => Promise<void>;
  /** Complete names; none leaves the image without one. */
  readonly names: readonly string[];
  /** What the tag stood for; the manifest unless told. */
  readonly target?: string | undefined;
  readonly repoDigests?: readonly string[];
  /** Of layers at the same time. */
  readonly parallel?: number;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: Progress) => void) | undefined;
}

const PARALLEL = 4;

/** Stores an image and unpacks it; call it within `whileAdding`. What is here already is not fetched again. */
export async function installImage(ctx: Context, options: InstallOptions): Promise<StoredImage> {
  const { descriptor, bytes } = options.manifest;
  const manifest = understand(descriptor.digest, () =>
    decodeManifest(JSON.parse(Buffer.from(bytes).toString('utf8'))),
  );
  const ingest: IngestOptions = {
    source: options.source,
    signal: options.signal,
    onProgress: options.onProgress,
  };
  await addBlob(ctx, manifest.config, { ...ingest, onProgress: undefined });
  const config = understand(manifest.config.digest, () =>
    readJsonBlob(ctx.layout, manifest.config.digest, decodeConfigFile),
  );
  checkLayers(manifest, config);
  await addLayers(ctx, { manifest, config, ingest, parallel: options.parallel ?? PARALLEL });
  addBytes(ctx, descriptor.digest, bytes);
  return nameIt(ctx, { options, manifest, platform: platformOf(config) });
}

interface Naming {
  readonly options: InstallOptions;
  readonly manifest: Manifest;
  readonly platform: Platform;
}

async function nameIt(ctx: Context, { options, manifest, platform }: Naming): Promise<StoredImage> {
  const { descriptor } = options.manifest;
  const stored: StoredImage = {
    manifest: { mediaType: descriptor.mediaType, digest: descriptor.digest, size: descriptor.size },
    platform,
    id: manifest.config.digest,
    target: options.target ?? descriptor.digest,
    time: new Date().toISOString(),
    repoDigests: options.repoDigests ?? [],
  };
  const named = options.names.map((name) => ({ ...stored, name }));
  await options.sync();
  await updateImages(ctx, (images) =>
    (named.length > 0 ? named : [stored]).reduce(addKeepingDigests, [...images]),
  );
  return named[0] ?? stored;
}

/** Adds an image; registries that are known to have it stay known. */
function addKeepingDigests(images: readonly StoredImage[], added: StoredImage): StoredImage[] {
  const known = images.filter((image) => image.manifest.digest === added.manifest.digest);
  const repoDigests = [...new Set([...known.flatMap((image) => image.repoDigests), ...added.repoDigests])];
  if (added.name === undefined && known.length > 0) return [...images];
  return nameImage(images, { ...added, repoDigests });
}

function platformOf({ os, architecture, variant }: ConfigFile): Platform {
  return { os, architecture, ...(variant === undefined ? {} : { variant }) };
}

function checkLayers(manifest: Manifest, config: ConfigFile): void {
  const said = config.rootfs.diff_ids.length;
  if (said === manifest.layers.length) return;
  throw new ComposeError(
    'image-invalid',
    `the manifest has ${manifest.layers.length} layers, its configuration names ${said}`,
    said === 0 ? { hint: 'this may be an artifact that is no image' } : {},
  );
}

interface Layers {
  readonly manifest: Manifest;
  readonly config: ConfigFile;
  readonly ingest: IngestOptions;
  readonly parallel: number;
}

/** Fetches and unpacks layers at the same time; each is finished when the one below it is. */
async function addLayers(ctx: Context, { manifest, config, ingest, parallel }: Layers): Promise<void> {
  const chain = chainIds(config.rootfs.diff_ids);
  const slots = semaphore(parallel);
  const failing = new AbortController();
  const signal = AbortSignal.any([failing.signal, ...(ingest.signal ? [ingest.signal] : [])]);
  let below: Promise<void> = Promise.resolve();
  const all = manifest.layers.map((descriptor, index) => {
    const parent = below;
    const diffId = config.rootfs.diff_ids[index] ?? '';
    const chainId = chain[index] ?? '';
    const task = slots(async (release) => {
      const lower = async (): Promise<readonly string[]> => {
        release(); // what waits for its parent must not keep the parent from starting
        await parent;
        return layerDirs(ctx, chain.slice(0, index));
      };
      await addLayer(ctx, { descriptor, diffId, chainId, lower }, { ...ingest, signal });
      await parent;
    });
    task.catch((error: unknown) => failing.abort(error));
    below = task;
    return task;
  });
  const failed = (await Promise.allSettled(all)).find((result) => result.status === 'rejected');
  if (failed) throw failing.signal.reason ?? failed.reason;
}

type Slots = <T>(task: (release: () => void) => Promise<T>) => Promise<T>;

/** Lets `count` tasks run; a task may give its place back before it is done. */
function semaphore(count: number): Slots {
  const waiting: (() => void)[] = [];
  let free = count;
  return async (task) => {
    if (free === 0) await new Promise<void>((resolve) => waiting.push(resolve));
    else free--;
    let held = true;
    const release = (): void => {
      if (!held) return;
      held = false;
      const next = waiting.shift();
      if (next) next();
      else free++;
    };
    try {
      return await task(release);
    } finally {
      release();
    }
  };
}

/** Wraps what a decoder of a foreign document throws. */
export function understand<T>(what: string, decode: () => T): T {
  try {
    return decode();
  } catch (cause) {
    if (cause instanceof ComposeError) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ComposeError('image-invalid', `cannot understand ${what}: ${reason}`, { cause });
  }
}
