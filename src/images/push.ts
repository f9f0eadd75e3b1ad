// From the store to a registry.
import { createReadStream } from 'node:fs';
import { ComposeError } from '../errors.ts';
import type { Context } from '../state/context.ts';
import { findImage, readDocuments } from './image.ts';
import type { Progress } from './ingest.ts';
import { type Descriptor, type Manifest, MEDIA } from './manifest.ts';
import { familiarReference, parseReference, type Reference } from './reference.ts';
import { type RegistryClient, type Repository, withRegistries } from './registry.ts';
import { blobFile, readBlob, readImages, type StoredImage, updateImages } from './store.ts';
import { CHUNK } from './unpack.ts';

export interface PushOptions {
  readonly registries?: RegistryClient | undefined;
  /** Bytes of one request of an upload; all at once unless told. */
  readonly chunkSize?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: Progress) => void) | undefined;
}

export interface Pushed {
  readonly name: string;
  readonly digest: string;
  readonly size: number;
}

const PARALLEL = 3;

/** Pushes an image under its name. ComposeError `image-not-found`, `registry`. */
export async function pushImage(ctx: Context, name: string, options: PushOptions = {}): Promise<Pushed> {
  const reference = parseReference(name);
  const tag = reference.tag;
  if (tag === undefined)
    throw new ComposeError('invalid-value', `cannot push ${name}: an image is pushed by a tag`);
  const images = readImages(ctx.layout);
  const stored = findImage(images, name);
  if (stored === undefined)
    throw new ComposeError('image-not-found', `no image ${familiarReference(reference)} to push`, {
      hint: 'build it, or give it this name with `tscompose image tag`',
    });
  return withRegistries(options.registries, async (client) => {
    const repository = client.repository(reference, 'push');
    const { manifest } = readDocuments(ctx, stored);
    await pushBlobs(ctx, { repository, manifest, options, origins: originsOf(ctx, images, reference) });
    const bytes = readBlob(ctx.layout, stored.manifest.digest);
    await repository.pushManifest({ descriptor: stored.manifest, bytes }, tag, options.signal);
    await remember(ctx, stored, reference);
    return { name: familiarReference(reference), digest: stored.manifest.digest, size: bytes.length };
  });
}

interface Blobs {
  readonly repository: Repository;
  readonly manifest: Manifest;
  readonly options: PushOptions;
  readonly origins: ReadonlyMap<string, string>;
}

async function pushBlobs(ctx: Context, { repository, manifest, options, origins }: Blobs): Promise<void> {
  const all = new Map([...manifest.layers, manifest.config].map((blob) => [blob.digest, blob]));
  const queue = [...all.values()].filter(isPushed);
  const worker = async (): Promise<void> => {
    for (let blob = queue.shift(); blob !== undefined; blob = queue.shift()) {
      options.signal?.throwIfAborted();
      await pushBlob(ctx, blob, { repository, options, from: origins.get(blob.digest) });
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, worker));
}

/** Layers that may not be distributed stay where their URLs say. */
function isPushed({ mediaType, urls = [] }: Descriptor): boolean {
  return !(urls.length > 0 && /foreign|nondistributable/.test(mediaType)) && mediaType !== MEDIA.ociIndex;
}

interface BlobPush {
  readonly repository: Repository;
  readonly options: PushOptions;
  readonly from: string | undefined;
}

async function pushBlob(
  ctx: Context,
  blob: Descriptor,
  { repository, options, from }: BlobPush,
): Promise<void> {
  const { digest, size } = blob;
  const tell = (phase: Progress['phase'], bytes: number): void =>
    options.onProgress?.({ digest, phase, bytes, total: size });
  let sent = 0;
  tell('waiting', 0);
  const how = await repository.pushBlob(blob, {
    open: (start, end) =>
      size === 0
        ? nothing()
        : createReadStream(blobFile(ctx.layout, digest), { start, end: end - 1, highWaterMark: CHUNK }),
    from,
    chunkSize: options.chunkSize,
    onBytes: (count) => {
      sent += count;
      tell('uploading', Math.min(sent, size));
    },
    signal: options.signal,
  });
  tell(how === 'pushed' ? 'done' : how, size);
}

async function* nothing(): AsyncGenerator<Uint8Array> {
  // an empty blob has no bytes to read
}

/** Another repository of the same registry that each blob is known to be in. */
function originsOf(
  ctx: Context,
  images: readonly StoredImage[],
  { registry, repository }: Reference,
): Map<string, string> {
  const origins = new Map<string, string>();
  for (const image of images) {
    const source = image.repoDigests
      .filter((each) => each.startsWith(`${registry}/`))
      .map((each) => each.slice(registry.length + 1, each.indexOf('@')))
      .find((path) => path !== repository);
    if (source === undefined) continue;
    const { manifest } = readDocuments(ctx, image);
    for (const { digest } of [manifest.config, ...manifest.layers]) origins.set(digest, source);
  }
  return origins;
}

async function remember(
  ctx: Context,
  stored: StoredImage,
  { registry, repository }: Reference,
): Promise<void> {
  const digest = `${registry}/${repository}@${stored.manifest.digest}`;
  if (stored.repoDigests.includes(digest)) return;
  await updateImages(ctx, (images) =>
    images.map((image) =>
      image.id === stored.id && image.manifest.digest === stored.manifest.digest
        ? { ...image, repoDigests: [...image.repoDigests, digest] }
        : image,
    ),
  );
}
