// Is everything in the store what its name says, and how much is it.
import { createHash } from 'node:crypto';
import {
  closeSync,
  copyFileSync,
  createReadStream,
  lstatSync,
  opendirSync,
  openSync,
  readdirSync,
  readlinkSync,
  readSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { join } from 'node:path';
import { ComposeError } from '../errors.ts';
import type { Context } from '../state/context.ts';
import { whileAlone } from './collect.ts';
import { layerDirs, readDocuments } from './image.ts';
import {
  blobFile,
  chainIds,
  hexOf,
  layerDir,
  partialFile,
  readImages,
  readLayerRecord,
  type StoredImage,
  storeFiles,
  updateImages,
} from './store.ts';
import { CHUNK, unpackLayer } from './unpack.ts';

export interface Finding {
  /** `blob`, `layer` or `image`. */
  readonly kind: 'blob' | 'layer' | 'image';
  readonly object: string;
  readonly problem: string;
}

export interface CheckResult {
  readonly blobs: number;
  readonly layers: number;
  readonly findings: readonly Finding[];
  /** Names of images that lost something and must be pulled or loaded again. */
  readonly pullAgain: readonly string[];
}

export interface CheckOptions {
  /** Drop what is bad. */
  readonly repair: boolean;
  readonly signal?: AbortSignal | undefined;
  readonly onObject?: (object: string) => void;
}

/** Verifies every blob against its digest and every unpacked layer against its blob. */
export async function checkStore(ctx: Context, options: CheckOptions): Promise<CheckResult> {
  return whileAlone(ctx, options.signal, async () => {
    const findings: Finding[] = [];
    const blobs = listBlobs(ctx);
    for (const digest of blobs) {
      options.signal?.throwIfAborted();
      options.onObject?.(digest);
      const problem = await verifyBlob(ctx, digest);
      if (problem === undefined) continue;
      findings.push({ kind: 'blob', object: digest, problem });
      if (options.repair) rmSync(blobFile(ctx.layout, digest), { force: true });
    }
    const layers = readdirSync(storeFiles(ctx.layout).layers).map((hex) => `sha256:${hex}`);
    const whole = wholeImages(ctx, findings);
    const checked = new Set<string>();
    for (const image of whole.images) {
      for (const finding of await checkLayers(ctx, image, { options, checked })) findings.push(finding);
    }
    if (options.repair && whole.broken.length > 0)
      await updateImages(ctx, (images) =>
        images.filter((image) => !whole.broken.some((broken) => isSame(broken, image))),
      );
    if (options.repair) rmSync(storeFiles(ctx.layout).unsynced, { recursive: true, force: true });
    const bad = new Set(findings.filter(({ kind }) => kind === 'blob').map(({ object }) => object));
    const incomplete = whole.images.filter((image) =>
      piecesOf(ctx, image).some((digest) => bad.has(digest) || !isThere(ctx, digest)),
    );
    const again = [...whole.broken, ...incomplete].map((image) => image.name ?? image.id);
    return { blobs: blobs.length, layers: layers.length, findings, pullAgain: [...new Set(again)] };
  });
}

function isSame(a: StoredImage, b: StoredImage): boolean {
  return a.name === b.name && a.id === b.id;
}

function isThere(ctx: Context, digest: string): boolean {
  return statSync(blobFile(ctx.layout, digest), { throwIfNoEntry: false }) !== undefined;
}

function piecesOf(ctx: Context, image: StoredImage): string[] {
  return readDocuments(ctx, image).manifest.layers.map((layer) => layer.digest);
}

function listBlobs(ctx: Context): string[] {
  const { blobs } = storeFiles(ctx.layout);
  return readdirSync(blobs).flatMap((algorithm) =>
    readdirSync(join(blobs, algorithm)).map((hex) => `${algorithm}:${hex}`),
  );
}

async function verifyBlob(ctx: Context, digest: string): Promise<string | undefined> {
  const hash = createHash(digest.startsWith('sha512') ? 'sha512' : 'sha256');
  try {
    for await (const chunk of createReadStream(blobFile(ctx.layout, digest), { highWaterMark: CHUNK }))
      hash.update(chunk);
  } catch (error) {
    return `cannot be read: ${error instanceof Error ? error.message : error}`;
  }
  const actual = hash.digest('hex');
  return actual === hexOf(digest) ? undefined : `its content is ${actual}`;
}

/** Images whose documents can be read, and those whose cannot. */
function wholeImages(ctx: Context, findings: Finding[]): { images: StoredImage[]; broken: StoredImage[] } {
  const images: StoredImage[] = [];
  const broken: StoredImage[] = [];
  for (const image of readImages(ctx.layout)) {
    try {
      readDocuments(ctx, image);
      images.push(image);
    } catch (error) {
      if (!(error instanceof ComposeError)) throw error;
      broken.push(image);
      findings.push({ kind: 'image', object: image.name ?? image.id, problem: error.message });
    }
  }
  return { images, broken };
}

interface LayerCheck {
  readonly options: CheckOptions;
  readonly checked: Set<string>;
}

async function checkLayers(
  ctx: Context,
  image: StoredImage,
  { options, checked }: LayerCheck,
): Promise<Finding[]> {
  const { manifest, config } = readDocuments(ctx, image);
  const chain = chainIds(config.rootfs.diff_ids);
  const findings: Finding[] = [];
  for (const [index, chainId] of chain.entries()) {
    const descriptor = manifest.layers[index];
    const dir = layerDir(ctx.layout, chainId);
    if (descriptor === undefined || checked.has(chainId) || !statSync(dir, { throwIfNoEntry: false }))
      continue;
    checked.add(chainId);
    options.onObject?.(chainId);
    const lower = layerDirs(ctx, chain.slice(0, index));
    const problem = await compareWithBlob(ctx, {
      chainId,
      blob: descriptor.digest,
      size: descriptor.size,
      diffId: config.rootfs.diff_ids[index] ?? '',
      lower,
      options,
    });
    if (problem !== undefined) findings.push({ kind: 'layer', object: chainId, problem });
  }
  return findings;
}

interface Layer {
  readonly chainId: string;
  readonly blob: string;
  readonly size: number;
  readonly diffId: string;
  readonly lower: readonly string[];
  readonly options: CheckOptions;
}

/** Unpacks the layer once more beside it; a repair puts the new one in its place. */
async function compareWithBlob(ctx: Context, layer: Layer): Promise<string | undefined> {
  if (!isThere(ctx, layer.blob)) return undefined;
  const dir = layerDir(ctx.layout, layer.chainId);
  const fresh = partialFile(ctx.layout, `check:${hexOf(layer.chainId)}`);
  await ctx.core.removeTreeAsync(fresh);
  try {
    const source = createReadStream(blobFile(ctx.layout, layer.blob), { highWaterMark: CHUNK });
    const { signal } = layer.options;
    await unpackLayer(ctx, source, `${fresh}/diff`, {
      signal,
      size: layer.size,
      diffId: layer.diffId,
      lower: async () => layer.lower,
    });
    const difference = compareTrees(`${dir}/diff`, `${fresh}/diff`, '');
    if (difference === undefined || !layer.options.repair) return difference;
    copyFileSync(`${dir}/layer.json`, `${fresh}/layer.json`);
    // containers that run keep what they have mounted; the next prune removes it
    renameSync(dir, partialFile(ctx.layout, `bad:${hexOf(layer.chainId)}-${Date.now()}`));
    renameSync(fresh, dir);
    return difference;
  } catch (error) {
    if (!(error instanceof ComposeError)) throw error;
    return error.message;
  } finally {
    await ctx.core.removeTreeAsync(fresh);
  }
}

/** The first difference of two trees, in words. */
function compareTrees(a: string, b: string, path: string): string | undefined {
  const left = lstatSync(a + path, { bigint: true, throwIfNoEntry: false });
  const right = lstatSync(b + path, { bigint: true, throwIfNoEntry: false });
  if (left === undefined || right === undefined)
    return `${path} is ${left === undefined ? 'missing' : 'not in the image'}`;
  if (left.mode !== right.mode || left.uid !== right.uid || left.gid !== right.gid)
    return `${path} has another mode or owner`;
  if (left.mtimeNs !== right.mtimeNs) return `${path} was changed`;
  if (left.rdev !== right.rdev) return `${path} is another device`;
  if (left.isSymbolicLink())
    return readlinkSync(a + path) === readlinkSync(b + path) ? undefined : `${path} leads elsewhere`;
  if (left.isFile())
    return left.size === right.size && sameContent(a + path, b + path)
      ? undefined
      : `${path} has another content`;
  if (!left.isDirectory()) return undefined;
  const names = new Set([...readdirSync(a + path), ...readdirSync(b + path)]);
  for (const name of [...names].sort()) {
    const difference = compareTrees(a, b, `${path}/${name}`);
    if (difference !== undefined) return difference;
  }
  return undefined;
}

function sameContent(a: string, b: string): boolean {
  const files = [openSync(a, 'r'), openSync(b, 'r')] as const;
  const [left, right] = [Buffer.allocUnsafe(CHUNK), Buffer.allocUnsafe(CHUNK)];
  try {
    for (;;) {
      const length = readSync(files[0], left);
      if (readSync(files[1], right) !== length) return false;
      if (length === 0) return true;
      if (!left.subarray(0, length).equals(right.subarray(0, length))) return false;
    }
  } finally {
    for (const file of files) closeSync(file);
  }
}

export interface Usage {
  readonly images: number;
  /** Images that containers use. */
  readonly active: number;
  /** Bytes of blobs and unpacked layers. */
  readonly size: number;
  /** What a prune of all unused images would free. */
  readonly reclaimable: number;
}

/** The disk space of the store. */
export function diskUsage(ctx: Context, inUse: ReadonlySet<string>): Usage {
  const images = readImages(ctx.layout);
  const active = images.filter((image) => inUse.has(image.id));
  const files = storeFiles(ctx.layout);
  if (!statSync(files.blobs, { throwIfNoEntry: false }))
    return { images: 0, active: 0, size: 0, reclaimable: 0 };
  const size = sizeOf(
    ctx,
    listBlobs(ctx),
    readdirSync(files.layers).map((hex) => `sha256:${hex}`),
  );
  const used = new Set(active.flatMap((image) => [image.id, image.manifest.digest, ...piecesOf(ctx, image)]));
  const chains = new Set(
    active.flatMap((image) => chainIds(readDocuments(ctx, image).config.rootfs.diff_ids)),
  );
  const distinct = new Set(images.map((image) => image.id));
  const reclaimable = size - sizeOf(ctx, [...used], [...chains]);
  return { images: distinct.size, active: new Set(active.map((image) => image.id)).size, size, reclaimable };
}

function sizeOf(ctx: Context, blobs: readonly string[], chains: readonly string[]): number {
  const blobBytes = blobs.map(
    (digest) => statSync(blobFile(ctx.layout, digest), { throwIfNoEntry: false })?.size ?? 0,
  );
  const layerBytes = chains.map((chainId) => readLayerRecord(layerDir(ctx.layout, chainId))?.bytes ?? 0);
  return [...blobBytes, ...layerBytes].reduce((sum, bytes) => sum + bytes, 0);
}

/** Bytes of the files below a directory; what vanishes meanwhile does not count. */
export function treeBytes(path: string): number {
  let total = 0;
  const pending = [path];
  for (let dir = pending.pop(); dir !== undefined; dir = pending.pop()) {
    const handle = opendirOrNothing(dir);
    if (handle === undefined) continue;
    for (let entry = handle.readSync(); entry !== null; entry = handle.readSync()) {
      const child = join(dir, entry.name);
      if (entry.isDirectory()) pending.push(child);
      else total += (lstatSync(child, { throwIfNoEntry: false })?.blocks ?? 0) * 512;
    }
    handle.closeSync();
  }
  return total;
}

function opendirOrNothing(dir: string): ReturnType<typeof opendirSync> | undefined {
  try {
    return opendirSync(dir);
  } catch {
    return undefined;
  }
}
