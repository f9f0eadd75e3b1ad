// Images in files: OCI image layouts and the archives of `docker save`, read from a directory, a file or a stream.

import { createHash } from 'node:crypto';
import {
  createReadStream,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  statSync,
} from 'node:fs';
import { join } from 'node:path';
import { LAYER_FLAGS } from '../../core/index.ts';
import { ComposeError } from '../errors.ts';
import type { Context } from '../state/context.ts';
import { asArray, asObject, asString, optional } from '../state/decode.ts';
import { type BlobSource, type Progress, whileAdding } from './ingest.ts';
import { installImage, type ManifestDocument, understand } from './install.ts';
import {
  type Descriptor,
  decodeConfigFile,
  decodeIndex,
  isIndexType,
  MEDIA,
  mediaTypeOf,
} from './manifest.ts';
import { choosePlatform, hostPlatform, parsePlatform } from './platform.ts';
import { formatReference, parseReference, tryParseReference } from './reference.ts';
import { digestOf, makeStore, type StoredImage, storeFiles } from './store.ts';
import { CHUNK, decompress } from './unpack.ts';

export interface LoadOptions {
  /** Replaces the names that the archive has; allowed when it holds one image. */
  readonly name?: string | undefined;
  readonly platform?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: Progress) => void) | undefined;
}

/** One image found in an archive. */
interface Found {
  readonly names: readonly string[];
  readonly manifest: ManifestDocument;
  readonly source: BlobSource;
}

/**
 * Loads every image of an OCI layout (directory or tar) or of a `docker save` archive; tars may be compressed.
 * ComposeError `file-not-found`, `image-invalid`, `digest-mismatch`, `disk-full`.
 */
export async function loadArchive(
  ctx: Context,
  path: string | AsyncIterable<Uint8Array>,
  options: LoadOptions = {},
): Promise<readonly StoredImage[]> {
  if (typeof path === 'string' && !existsSync(path))
    throw new ComposeError('file-not-found', `there is no ${path}`);
  makeStore(ctx.layout);
  if (typeof path === 'string' && statSync(path).isDirectory()) return loadDirectory(ctx, path, options);
  return withTemporary(ctx, async (directory) => {
    const source = typeof path === 'string' ? createReadStream(path, { highWaterMark: CHUNK }) : path;
    await extract(ctx, source, { directory, signal: options.signal });
    return loadDirectory(ctx, directory, options);
  });
}

async function withTemporary<T>(ctx: Context, fn: (directory: string) => Promise<T>): Promise<T> {
  const directory = `${storeFiles(ctx.layout).ingest}/load-${process.pid}-${Date.now()}`;
  mkdirSync(directory, { mode: 0o700 });
  try {
    return await fn(directory);
  } finally {
    await ctx.core.removeTreeAsync(directory);
  }
}

interface Extraction {
  readonly directory: string;
  readonly signal: AbortSignal | undefined;
}

async function extract(
  ctx: Context,
  source: AsyncIterable<Uint8Array>,
  { directory, signal }: Extraction,
): Promise<void> {
  const layer = ctx.core.openLayer(directory, { flags: LAYER_FLAGS.noDevices, limit: 0 });
  try {
    await decompress(source, signal, async (tar) => {
      for await (const chunk of tar) await layer.write(chunk);
    });
    await layer.finish([]);
  } catch (cause) {
    if (!(cause instanceof Error) || cause.name === 'AbortError') throw cause;
    throw new ComposeError('image-invalid', `the archive cannot be read: ${cause.message}`, { cause });
  } finally {
    layer.free();
  }
}

async function loadDirectory(
  ctx: Context,
  directory: string,
  options: LoadOptions,
): Promise<readonly StoredImage[]> {
  const found = await findImages(directory, options);
  const wanted = options.name === undefined ? found : rename(found, options.name);
  return whileAdding(ctx, options.signal, async (sync) => {
    const images: StoredImage[] = [];
    for (const { names, manifest, source } of wanted) {
      const { signal, onProgress } = options;
      images.push(await installImage(ctx, { manifest, sync, names, source, signal, onProgress }));
    }
    return images;
  });
}

function rename(found: readonly Found[], name: string): readonly Found[] {
  const [only, ...others] = found;
  if (only === undefined || others.length > 0)
    throw new ComposeError(
      'usage',
      `the archive holds ${found.length} images, one name cannot stand for all`,
    );
  return [{ ...only, names: [formatReference(parseReference(name))] }];
}

async function findImages(directory: string, options: LoadOptions): Promise<readonly Found[]> {
  // Newer `docker save` archives are both; the layout knows the digests.
  if (existsSync(join(directory, 'index.json'))) return findInLayout(directory, options);
  if (existsSync(join(directory, 'manifest.json'))) return findInDockerArchive(directory);
  throw new ComposeError('image-invalid', 'this is neither an OCI image layout nor a `docker save` archive', {
    hint: 'it has neither index.json nor manifest.json; a plain file system is loaded with `tscompose image import`',
  });
}

// --- OCI image layout ---

function findInLayout(directory: string, options: LoadOptions): Found[] {
  const index = understand('index.json', () => decodeIndex(readJson(join(directory, 'index.json'))));
  const want = options.platform === undefined ? hostPlatform() : parsePlatform(options.platform);
  const source = layoutSource(directory);
  const read = (descriptor: Descriptor): ManifestDocument => readManifest(directory, descriptor);
  return index.manifests
    .filter(({ annotations }) => annotations?.['vnd.docker.reference.type'] === undefined)
    .map((descriptor) => {
      let manifest = read(descriptor);
      for (let depth = 0; isIndexType(manifest.descriptor.mediaType) && depth < 4; depth++) {
        const inner = understand(descriptor.digest, () => decodeIndex(JSON.parse(textOf(manifest.bytes))));
        const chosen = choosePlatform(inner.manifests, want);
        if (chosen === undefined)
          throw new ComposeError('image-not-found', 'the archive has no image for this platform');
        manifest = read(chosen);
      }
      return { names: namesOf(descriptor), manifest, source };
    });
}

// skopeo and umoci write the tag alone, docker and buildkit the whole name.
function namesOf({ annotations = {} }: Descriptor): string[] {
  const full = annotations['io.containerd.image.name'];
  const reference = annotations['org.opencontainers.image.ref.name'];
  if (full !== undefined) return completeName(full);
  return reference !== undefined && /[/:@]/.test(reference) ? completeName(reference) : [];
}

function completeName(name: string): string[] {
  const reference = tryParseReference(name);
  return reference === undefined ? [] : [formatReference(reference)];
}

function readManifest(directory: string, descriptor: Descriptor): ManifestDocument {
  const bytes = readFileSync(layoutBlob(directory, descriptor.digest));
  const algorithm = descriptor.digest.split(':')[0] ?? '';
  const actual = `${algorithm}:${createHash(algorithm === 'sha512' ? 'sha512' : 'sha256')
    .update(bytes)
    .digest('hex')}`;
  if (actual !== descriptor.digest)
    throw new ComposeError(
      'digest-mismatch',
      `the content of ${descriptor.digest} is wrong: it is ${actual}`,
    );
  const mediaType =
    descriptor.mediaType || understand(descriptor.digest, () => mediaTypeOf(JSON.parse(textOf(bytes))));
  return { descriptor: { mediaType, digest: descriptor.digest, size: bytes.length }, bytes };
}

function layoutBlob(directory: string, digest: string): string {
  if (!/^sha(?:256|512):[0-9a-f]+$/.test(digest))
    throw new ComposeError('image-invalid', `"${digest}" is no digest that can be verified`);
  return safePath(directory, `blobs/${digest.replace(':', '/')}`);
}

function layoutSource(directory: string): BlobSource {
  return ({ digest }, start) =>
    createReadStream(layoutBlob(directory, digest), { start, highWaterMark: CHUNK });
}

// --- docker save ---

interface SavedImage {
  readonly Config: string;
  readonly RepoTags?: readonly string[];
  readonly Layers: readonly string[];
}

function decodeSaved(value: unknown, what: string): SavedImage {
  const object = asObject(value, what);
  const strings = (list: unknown, name: string): string[] => asArray(list ?? [], name, asString);
  return {
    Config: asString(object.Config, 'Config'),
    ...optional(object, 'RepoTags', strings),
    Layers: strings(object.Layers, 'Layers'),
  };
}

async function findInDockerArchive(directory: string): Promise<Found[]> {
  const list = understand('manifest.json', () =>
    asArray(readJson(join(directory, 'manifest.json')), 'manifest.json', decodeSaved),
  );
  return Promise.all(list.map((saved) => findSaved(directory, saved)));
}

/** An archive has no manifest of its own: one is made of what it holds. */
async function findSaved(directory: string, saved: SavedImage): Promise<Found> {
  const configBytes = readFileSync(safePath(directory, saved.Config));
  const config = understand(saved.Config, () => decodeConfigFile(JSON.parse(textOf(configBytes))));
  const files = new Map<string, string>();
  const configDigest = digestOf(configBytes);
  files.set(configDigest, safePath(directory, saved.Config));
  const layers: Descriptor[] = [];
  for (const [index, name] of saved.Layers.entries()) {
    const descriptor = await describeLayer(safePath(directory, name), config.rootfs.diff_ids[index]);
    files.set(descriptor.digest, safePath(directory, name));
    layers.push(descriptor);
  }
  const document = {
    schemaVersion: 2,
    mediaType: MEDIA.ociManifest,
    config: { mediaType: MEDIA.ociConfig, digest: configDigest, size: configBytes.length },
    layers,
  };
  const bytes = Buffer.from(JSON.stringify(document));
  const descriptor = { mediaType: MEDIA.ociManifest, digest: digestOf(bytes), size: bytes.length };
  return {
    names: (saved.RepoTags ?? []).flatMap(completeName),
    manifest: { descriptor, bytes },
    source: ({ digest }, start) =>
      createReadStream(files.get(digest) ?? join(directory, digest), { start, highWaterMark: CHUNK }),
  };
}

async function describeLayer(path: string, diffId: string | undefined): Promise<Descriptor> {
  const hash = createHash('sha256');
  let head: Buffer | undefined;
  for await (const chunk of createReadStream(path, { highWaterMark: CHUNK })) {
    const bytes = Buffer.from(chunk);
    head ??= bytes;
    hash.update(bytes);
  }
  const digest = `sha256:${hash.digest('hex')}`;
  const compressed = digest !== diffId && head?.[0] === 0x1f;
  const mediaType = compressed ? MEDIA.ociLayerGzip : MEDIA.ociLayer;
  return { mediaType, digest, size: lstatSync(path).size };
}

/** A file of the archive; links in it lead nowhere else. */
function safePath(directory: string, name: string): string {
  try {
    const root = realpathSync(directory);
    const path = realpathSync(join(directory, name));
    if (path.startsWith(`${root}/`) && statSync(path).isFile()) return path;
  } catch (cause) {
    throw new ComposeError('image-invalid', `the archive has no ${name}`, { cause });
  }
  throw new ComposeError('image-invalid', `${name} leads out of the archive`);
}

function readJson(path: string): unknown {
  return JSON.parse(readFileSync(path, 'utf8'));
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('utf8');
}
