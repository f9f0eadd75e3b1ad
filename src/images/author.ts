// Images that are made here: a new layer from a stream of tar, a new configuration, and both in the store.
import { createHash } from 'node:crypto';
import { mkdirSync, renameSync, rmSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { ComposeError } from '../errors.ts';
import type { Context } from '../state/context.ts';
import { findImage, readDocuments } from './image.ts';
import { addBytes, whileAdding } from './ingest.ts';
import { installImage } from './install.ts';
import { type Descriptor, type HistoryEntry, type ImageConfig, MEDIA, type Platform } from './manifest.ts';
import { hostPlatform } from './platform.ts';
import { formatReference, parseReference } from './reference.ts';
import { blobFile, digestOf, readBlob, readImages, type StoredImage, storeFiles } from './store.ts';
import { CHUNK } from './unpack.ts';

export interface NewImage {
  /** Id or name of the image below; none for an image of one layer. */
  readonly base?: string | undefined;
  /** The bytes of the new layer, an uncompressed tar archive. */
  readonly layer: AsyncIterable<Uint8Array>;
  /** Complete, not a change of the base's. */
  readonly config: ImageConfig;
  readonly name?: string | undefined;
  readonly author?: string | undefined;
  readonly history: HistoryEntry;
  readonly platform?: Platform | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Adds an image of one more layer. ComposeError `image-not-found`, `disk-full`. */
export async function authorImage(ctx: Context, wanted: NewImage): Promise<StoredImage> {
  const names = wanted.name === undefined ? [] : [formatReference(parseReference(wanted.name))];
  const base = wanted.base === undefined ? undefined : findBase(ctx, wanted.base);
  return whileAdding(ctx, wanted.signal, async (sync) => {
    const { descriptor, diffId } = await storeLayer(ctx, wanted.layer, wanted.signal);
    const config = Buffer.from(JSON.stringify(configOf(ctx, wanted, { base, diffId })));
    const digest = digestOf(config);
    addBytes(ctx, digest, config);
    const layers = [...(base === undefined ? [] : readDocuments(ctx, base).manifest.layers), descriptor];
    const document = {
      schemaVersion: 2,
      mediaType: MEDIA.ociManifest,
      config: { mediaType: MEDIA.ociConfig, digest, size: config.length },
      layers,
    };
    const bytes = Buffer.from(JSON.stringify(document));
    const manifest = {
      descriptor: { mediaType: MEDIA.ociManifest, digest: digestOf(bytes), size: bytes.length },
      bytes,
    };
    return installImage(ctx, { manifest, sync, names, source: nowhere, signal: wanted.signal });
  });
}

function findBase(ctx: Context, name: string): StoredImage {
  const found = findImage(readImages(ctx.layout), name);
  if (found === undefined) throw new ComposeError('image-not-found', `no image ${name}`);
  return found;
}

function nowhere({ digest }: Descriptor): never {
  throw new ComposeError('state-corrupt', `the image store has lost ${digest}`, {
    hint: 'pull the base image again',
  });
}

interface Below {
  readonly base: StoredImage | undefined;
  readonly diffId: string;
}

function configOf(ctx: Context, wanted: NewImage, { base, diffId }: Below): unknown {
  const below = base === undefined ? undefined : readDocuments(ctx, base).config;
  // fields that we do not know stay as they are
  const known: unknown = base === undefined ? {} : JSON.parse(readBlob(ctx.layout, base.id).toString('utf8'));
  const { os, architecture, variant } = wanted.platform ?? below ?? hostPlatform();
  return {
    ...(typeof known === 'object' ? known : {}),
    os,
    architecture,
    ...(variant === undefined ? {} : { variant }),
    created: new Date().toISOString(),
    ...(wanted.author === undefined ? {} : { author: wanted.author }),
    config: wanted.config,
    rootfs: { type: 'layers', diff_ids: [...(below?.rootfs.diff_ids ?? []), diffId] },
    history: [...(below?.history ?? []), { created: new Date().toISOString(), ...wanted.history }],
  };
}

interface StoredLayer {
  readonly descriptor: Descriptor;
  readonly diffId: string;
}

/** Compresses a layer into the store, with both of its digests computed on the way. */
async function storeLayer(
  ctx: Context,
  tar: AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined,
): Promise<StoredLayer> {
  const { ingest } = storeFiles(ctx.layout);
  mkdirSync(ingest, { recursive: true });
  const partial = `${ingest}/author-${process.pid}-${Date.now()}`;
  const plain = createHash('sha256');
  const packed = createHash('sha256');
  let size = 0;
  const file = await open(partial, 'wx', 0o600);
  try {
    await pipeline(
      async function* () {
        for await (const chunk of tar) {
          plain.update(chunk);
          yield chunk;
        }
      },
      createGzip({ chunkSize: CHUNK }),
      async (compressed: AsyncIterable<Uint8Array>) => {
        for await (const chunk of compressed) {
          packed.update(chunk);
          size += chunk.length;
          await file.write(chunk);
        }
      },
      signal === undefined ? {} : { signal },
    );
    const digest = `sha256:${packed.digest('hex')}`;
    renameSync(partial, blobFile(ctx.layout, digest));
    return {
      descriptor: { mediaType: MEDIA.ociLayerGzip, digest, size },
      diffId: `sha256:${plain.digest('hex')}`,
    };
  } finally {
    await file.close();
    rmSync(partial, { force: true });
  }
}
