// Images out into one archive that is both an OCI image layout and what `docker load` reads.
import { createReadStream } from 'node:fs';
import { ComposeError } from '../errors.ts';
import type { Context } from '../state/context.ts';
import { findImage, readDocuments } from './image.ts';
import { type Descriptor, MEDIA } from './manifest.ts';
import { tryParseReference } from './reference.ts';
import { blobFile, readBlob, readImages, type StoredImage } from './store.ts';
import { tarEnd, tarHeader, tarPadding } from './tar.ts';
import { CHUNK } from './unpack.ts';

/** The bytes of an archive of the named images. ComposeError `image-not-found`. */
export async function* saveArchive(ctx: Context, names: readonly string[]): AsyncGenerator<Uint8Array> {
  const images = readImages(ctx.layout);
  const chosen = names.map((name) => {
    const found = findImage(images, name);
    if (found === undefined) throw new ComposeError('image-not-found', `no image ${name}`);
    // an image asked for by id leaves without a name
    return tryParseReference(name) && found.name !== undefined && !found.id.includes(name)
      ? found
      : nameless(found);
  });
  yield* directory('blobs/');
  yield* directory('blobs/sha256/');
  for (const descriptor of blobsOf(ctx, chosen)) yield* blob(ctx, descriptor);
  yield* document('index.json', indexOf(chosen));
  yield* document('manifest.json', dockerManifest(ctx, chosen));
  yield* document('oci-layout', { imageLayoutVersion: '1.0.0' });
  yield tarEnd();
}

function nameless({ name: _, ...image }: StoredImage): StoredImage {
  return image;
}

function blobsOf(ctx: Context, images: readonly StoredImage[]): Descriptor[] {
  const all = images.flatMap((image) => {
    const { manifest } = readDocuments(ctx, image);
    return [...manifest.layers, manifest.config, image.manifest];
  });
  return [...new Map(all.map((descriptor) => [descriptor.digest, descriptor])).values()];
}

function indexOf(images: readonly StoredImage[]): unknown {
  return {
    schemaVersion: 2,
    mediaType: MEDIA.ociIndex,
    manifests: images.map(({ manifest, platform, name }) => ({
      ...manifest,
      platform,
      ...(name === undefined ? {} : { annotations: annotationsOf(name) }),
    })),
  };
}

function annotationsOf(name: string): Record<string, string> {
  return {
    'io.containerd.image.name': name,
    'org.opencontainers.image.ref.name': tryParseReference(name)?.tag ?? name,
  };
}

function dockerManifest(ctx: Context, images: readonly StoredImage[]): unknown {
  return images.map((image) => ({
    Config: pathOf(image.id),
    RepoTags:
      image.name === undefined || image.name.includes('@')
        ? []
        : [image.name.replace(/^docker\.io\/(library\/)?/, '')],
    Layers: readDocuments(ctx, image).manifest.layers.map((layer) => pathOf(layer.digest)),
  }));
}

function pathOf(digest: string): string {
  return `blobs/${digest.replace(':', '/')}`;
}

function* directory(name: string): Generator<Uint8Array> {
  yield tarHeader({ name, type: 'directory', mode: 0o755 });
}

function* document(name: string, value: unknown): Generator<Uint8Array> {
  const bytes = Buffer.from(JSON.stringify(value));
  yield tarHeader({ name, type: 'file', mode: 0o644, size: bytes.length });
  yield bytes;
  yield tarPadding(bytes.length);
}

async function* blob(ctx: Context, { digest, size }: Descriptor): AsyncGenerator<Uint8Array> {
  yield tarHeader({ name: pathOf(digest), type: 'file', mode: 0o644, size });
  if (size <= CHUNK) yield readBlob(ctx.layout, digest);
  else yield* createReadStream(blobFile(ctx.layout, digest), { highWaterMark: CHUNK });
  yield tarPadding(size);
}
