// Images as the rest of the program sees them: found by name, with what their containers run and their layers.
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { ComposeError } from '../errors.ts';
import type { Context } from '../state/context.ts';
import { HOST_IMAGE, hostImage, rootfsImage, rootfsOf } from './host.ts';
import { addLayer, hasLayer, whileAdding } from './ingest.ts';
import {
  type ConfigFile,
  decodeConfigFile,
  decodeManifest,
  type ImageConfig,
  type Manifest,
  type Platform,
} from './manifest.ts';
import { formatPlatform, hostPlatform, parsePlatform, platformFits } from './platform.ts';
import { formatReference, tryParseReference } from './reference.ts';
import {
  chainIds,
  layerDiff,
  readImages,
  readJsonBlob,
  readLayerRecord,
  type StoredImage,
  storeFiles,
  updateImages,
} from './store.ts';

/** An image that is here, whole and unpacked. */
export interface Image {
  /** The name it was asked for by. */
  readonly name: string;
  /** `sha256:…` of its configuration; `host` and `rootfs:DIR` for those that are no store images. */
  readonly id: string;
  readonly config: ImageConfig;
  /** Directories, top first. */
  readonly layers: readonly string[];
  readonly platform: Platform;
  /** `repository@digest` of each registry that has it. */
  readonly repoDigests: readonly string[];
  /** ISO 8601. */
  readonly created?: string;
  /** ISO 8601: when it was pulled, loaded or tagged last. */
  readonly pulled?: string;
}

export interface ResolveOptions {
  /** `os/architecture[/variant]`; that of this machine unless told. */
  readonly platform?: string | undefined;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Finds an image by name, digest, id or the beginning of its id; `host` is this machine, `rootfs:DIR` a directory.
 * Undefined when it is not here. ComposeError `invalid-value` for what is no name, `image-invalid` for another platform.
 */
export async function resolveImage(
  ctx: Context,
  name: string,
  { platform, signal }: ResolveOptions = {},
): Promise<Image | undefined> {
  if (name === HOST_IMAGE) return hostImage();
  const directory = rootfsOf(name);
  if (directory !== undefined) return rootfsImage(name, directory);
  const stored = findImage(readImages(ctx.layout), name, platform);
  if (stored === undefined) return undefined;
  const { manifest, config } = readDocuments(ctx, stored);
  const chain = chainIds(config.rootfs.diff_ids);
  if (!chain.every((id) => hasLayer(ctx, id))) await unpackMissing(ctx, { manifest, config, signal });
  return imageOf(ctx, name, { stored, config });
}

/** The stored image of a name, or of an id or the beginning of one. */
export function findImage(
  images: readonly StoredImage[],
  name: string,
  platform?: string,
): StoredImage | undefined {
  const byName = imagesNamed(images, name);
  if (byName.length > 0) return choose(byName, name, platform);
  const id = /^(?:sha256:)?([0-9a-f]{4,64})$/.exec(name)?.[1];
  const byId = id === undefined ? [] : images.filter((image) => image.id.startsWith(`sha256:${id}`));
  if (new Set(byId.map((image) => image.id)).size > 1)
    throw new ComposeError('invalid-value', `"${name}" is the beginning of more than one image id`);
  return byId[0];
}

function imagesNamed(images: readonly StoredImage[], name: string): readonly StoredImage[] {
  const reference = tryParseReference(name);
  if (reference === undefined) return [];
  const { registry, repository, digest } = reference;
  if (digest === undefined) {
    const full = formatReference(reference);
    return images.filter((image) => image.name === full);
  }
  const repoDigest = `${registry}/${repository}@${digest}`;
  return images.filter((image) => image.name === repoDigest || image.repoDigests.includes(repoDigest));
}

function choose(
  images: readonly StoredImage[],
  name: string,
  platform: string | undefined,
): StoredImage | undefined {
  if (platform !== undefined) {
    const want = parsePlatform(platform);
    return images.find((image) => platformFits(want, image.platform));
  }
  // One that was made for another platform on purpose is still the one that the name means.
  return (
    images.find((image) => platformFits(hostPlatform(), image.platform)) ?? images.at(-1) ?? missing(name)
  );
}

function missing(name: string): never {
  throw new ComposeError('image-not-found', `no image ${name}`);
}

/** The manifest and the configuration of a stored image. */
export function readDocuments(
  ctx: Context,
  stored: StoredImage,
): { readonly manifest: Manifest; readonly config: ConfigFile } {
  try {
    const manifest = readJsonBlob(ctx.layout, stored.manifest.digest, decodeManifest);
    return { manifest, config: readJsonBlob(ctx.layout, stored.id, decodeConfigFile) };
  } catch (cause) {
    if (cause instanceof ComposeError) throw cause;
    throw new ComposeError('state-corrupt', `image ${stored.name ?? stored.id} is not whole`, {
      cause,
      hint: `run \`tscompose system check\`, then pull or load it again (${formatPlatform(stored.platform)})`,
    });
  }
}

interface Documents {
  readonly manifest: Manifest;
  readonly config: ConfigFile;
  readonly signal?: AbortSignal | undefined;
}

// Layers can be removed at any time as long as their blobs are there.
async function unpackMissing(ctx: Context, documents: Documents): Promise<void> {
  await whileAdding(ctx, documents.signal, async (sync) => {
    await addLayers(ctx, documents);
    await sync();
  });
}

async function addLayers(ctx: Context, { manifest, config, signal }: Documents): Promise<void> {
  const chain = chainIds(config.rootfs.diff_ids);
  for (const [index, chainId] of chain.entries()) {
    const descriptor = manifest.layers[index];
    const diffId = config.rootfs.diff_ids[index];
    if (descriptor === undefined || diffId === undefined) continue;
    const lower = async (): Promise<string[]> => layerDirs(ctx, chain.slice(0, index));
    await addLayer(ctx, { descriptor, diffId, chainId, lower }, { source: refuse, signal });
  }
}

function refuse({ digest }: { readonly digest: string }): never {
  throw new ComposeError('state-corrupt', `the image store has lost ${digest}`, {
    hint: 'pull or load the image again',
  });
}

/** The directories of layers, top first. */
export function layerDirs(ctx: Context, chain: readonly string[]): string[] {
  return chain.map((id) => layerDiff(ctx.layout, id)).reverse();
}

function imageOf(
  ctx: Context,
  name: string,
  { stored, config }: Pick<Documents, 'config'> & { readonly stored: StoredImage },
): Image {
  return {
    name,
    id: stored.id,
    config: config.config,
    layers: layersOf(ctx, config),
    platform: stored.platform,
    repoDigests: stored.repoDigests,
    ...(config.created === undefined ? {} : { created: config.created }),
    pulled: stored.time,
  };
}

// An overlay needs something below, even when an image was made from scratch and has nothing.
function layersOf(ctx: Context, { rootfs }: ConfigFile): string[] {
  const layers = layerDirs(ctx, chainIds(rootfs.diff_ids));
  if (layers.length > 0) return layers;
  const { empty } = storeFiles(ctx.layout);
  mkdirSync(empty, { recursive: true, mode: 0o755 });
  return [empty];
}

/** An image as lists show it. */
export interface ImageSummary extends StoredImage {
  /** When it was made, ISO 8601. */
  readonly created?: string;
  readonly labels: Readonly<Record<string, string>>;
  /** Bytes of its files. */
  readonly size: number;
}

/** Every image of the store, newest first. */
export function listImages(ctx: Context): ImageSummary[] {
  return readImages(ctx.layout)
    .map((stored) => summaryOf(ctx, stored))
    .reverse();
}

/** A stored image with what its documents say. */
export function summaryOf(ctx: Context, stored: StoredImage): ImageSummary {
  const { config } = readDocuments(ctx, stored);
  return {
    ...stored,
    ...(config.created === undefined ? {} : { created: config.created }),
    labels: config.config.Labels ?? {},
    size: unpackedSize(layersOf(ctx, config)),
  };
}

/** Bytes of the files in layers, which are given as the directories of an image. */
export function unpackedSize(layers: readonly string[]): number {
  return layers.reduce((total, layer) => total + (readLayerRecord(dirname(layer))?.bytes ?? 0), 0);
}

/** Gives an image one more name. ComposeError `image-not-found`, `invalid-value`. */
export async function tagImage(ctx: Context, source: string, target: string): Promise<void> {
  const reference = tryParseReference(target);
  if (reference === undefined || reference.digest !== undefined)
    throw new ComposeError('invalid-value', `"${target}" is no name for an image`);
  await updateImages(ctx, (images) => {
    const stored = findImage(images, source) ?? missing(source);
    return nameImage(images, { ...stored, name: formatReference(reference), time: new Date().toISOString() });
  });
}

/** The list with one image added under its name; one that had the name before loses it. */
export function nameImage(images: readonly StoredImage[], added: StoredImage): StoredImage[] {
  const same = (image: StoredImage): boolean =>
    image.name === added.name && formatPlatform(image.platform) === formatPlatform(added.platform);
  const rest = images.filter((image) => !same(image) && !(image.name === undefined && image.id === added.id));
  const replaced = images.find(same);
  const orphan =
    replaced && replaced.id !== added.id && !rest.some((image) => image.id === replaced.id)
      ? [withoutName(replaced)]
      : [];
  return [...rest, ...orphan, added];
}

function withoutName({ name: _, ...image }: StoredImage): StoredImage {
  return image;
}
