// The image store: an OCI image layout of everything that is here, and a directory per unpacked layer.
//
//   images/oci-layout, index.json   the names, one descriptor each, as the image specification has them
//   images/blobs/ALGORITHM/HEX      whole and verified, or not there
//   images/layers/CHAIN/diff        a layer unpacked on top of its parents, shared by chain id
//   images/empty/                   the layer of images that have none
//   images/ingest/                  half-made things; whoever has the lock of a thing may go on with it
//   images/unsynced/                a mark of each process that adds things which may not have reached the disk
import { createHash } from 'node:crypto';
import { closeSync, existsSync, fsyncSync, mkdirSync, openSync, readFileSync } from 'node:fs';
import { ComposeError } from '../errors.ts';
import type { Context } from '../state/context.ts';
import { asNumber, asObject, asString } from '../state/decode.ts';
import { imagesDir, type Layout } from '../state/layout.ts';
import { withLock } from '../state/lock.ts';
import { makePrivateDirectory, readRecord, writeRecord } from '../state/record.ts';
import { type Descriptor, decodeIndex, MEDIA, type Platform } from './manifest.ts';

export interface StoreFiles {
  readonly dir: string;
  readonly index: string;
  readonly layout: string;
  readonly blobs: string;
  readonly layers: string;
  readonly empty: string;
  readonly ingest: string;
  readonly unsynced: string;
}

export function storeFiles(layout: Layout): StoreFiles {
  const dir = imagesDir(layout);
  return {
    dir,
    index: `${dir}/index.json`,
    layout: `${dir}/oci-layout`,
    blobs: `${dir}/blobs`,
    layers: `${dir}/layers`,
    empty: `${dir}/empty`,
    ingest: `${dir}/ingest`,
    unsynced: `${dir}/unsynced`,
  };
}

export function blobFile(layout: Layout, digest: string): string {
  return `${storeFiles(layout).blobs}/${digest.replace(':', '/')}`;
}

/** The half of a blob that arrived so far. */
export function partialFile(layout: Layout, digest: string): string {
  return `${storeFiles(layout).ingest}/${digest.replace(':', '-')}`;
}

export function layerDir(layout: Layout, chainId: string): string {
  return `${storeFiles(layout).layers}/${hexOf(chainId)}`;
}

/** The directory that overlayfs gets. */
export function layerDiff(layout: Layout, chainId: string): string {
  return `${layerDir(layout, chainId)}/diff`;
}

/** What is known of an unpacked layer. */
export interface LayerRecord {
  readonly diffId: string;
  readonly chainId: string;
  /** Digest of the blob that it was unpacked from. */
  readonly blob: string;
  /** Bytes of file content. */
  readonly bytes: number;
  readonly entries: number;
}

export function readLayerRecord(dir: string): LayerRecord | undefined {
  return readRecord(`${dir}/layer.json`, (value) => {
    const object = asObject(value, 'layer');
    return {
      diffId: asString(object.diffId, 'diffId'),
      chainId: asString(object.chainId, 'chainId'),
      blob: asString(object.blob, 'blob'),
      bytes: asNumber(object.bytes, 'bytes'),
      entries: asNumber(object.entries, 'entries'),
    };
  });
}

/** Lock of one thing that is being made; it dies with the boot, as the half-made thing may not. */
export function pieceLock(layout: Layout, piece: string): string {
  return `${layout.runDir}/locks/images/${piece.replace(':', '-')}`;
}

export function hexOf(digest: string): string {
  return digest.slice(digest.indexOf(':') + 1);
}

/** The algorithms in which we can verify. ComposeError `image-invalid` for any other. */
export function algorithmOf(digest: string): 'sha256' | 'sha512' {
  if (/^sha256:[0-9a-f]{64}$/.test(digest)) return 'sha256';
  if (/^sha512:[0-9a-f]{128}$/.test(digest)) return 'sha512';
  throw new ComposeError('image-invalid', `"${digest}" is no digest that can be verified`);
}

export function digestOf(bytes: Uint8Array | string): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}

/** The chain id of each layer: what it and all below it contain. */
export function chainIds(diffIds: readonly string[]): string[] {
  const chain: string[] = [];
  for (const diffId of diffIds) {
    const parent = chain.at(-1);
    chain.push(parent === undefined ? diffId : digestOf(`${parent} ${diffId}`));
  }
  return chain;
}

/** Reads a small blob (manifest, configuration) and verifies it. ComposeError `state-corrupt`. */
export function readBlob(layout: Layout, digest: string): Buffer {
  const path = blobFile(layout, digest);
  const bytes = readFileSync(path);
  const actual = `${algorithmOf(digest)}:${createHash(algorithmOf(digest)).update(bytes).digest('hex')}`;
  if (actual === digest) return bytes;
  throw new ComposeError('state-corrupt', `the content of ${path} does not match its name`, {
    hint: 'run `tscompose system check` to repair the image store',
  });
}

export function readJsonBlob<T>(layout: Layout, digest: string, decode: (value: unknown) => T): T {
  return decode(JSON.parse(readBlob(layout, digest).toString('utf8')));
}

export function hasBlob(layout: Layout, digest: string): boolean {
  return existsSync(blobFile(layout, digest));
}

/** One image of the store under one name; without a name when another image took it over. */
export interface StoredImage {
  /** The complete name, `docker.io/library/busybox:latest` or `…@sha256:…`. */
  readonly name?: string;
  readonly manifest: Descriptor;
  readonly platform: Platform;
  /** Digest of the image configuration. */
  readonly id: string;
  /** What the tag stood for in the registry: the manifest's digest or that of an index. */
  readonly target: string;
  /** When it was pulled, loaded or tagged, ISO 8601. */
  readonly time: string;
  /** `repository@digest` of each registry it came from or went to. */
  readonly repoDigests: readonly string[];
}

const NAME = 'org.opencontainers.image.ref.name';
const ID = 'tscompose.id';
const TARGET = 'tscompose.target';
const TIME = 'tscompose.time';
const REPO_DIGESTS = 'tscompose.repo-digests';

/** All images, in the order in which they were added. */
export function readImages(layout: Layout): readonly StoredImage[] {
  return readRecord(storeFiles(layout).index, decodeImages) ?? [];
}

/** Changes the list of images; `change` sees the present one. */
export async function updateImages(
  ctx: Context,
  change: (images: readonly StoredImage[]) => readonly StoredImage[],
): Promise<void> {
  const { index, dir } = storeFiles(ctx.layout);
  makeStore(ctx.layout);
  await withLock(ctx.core, pieceLock(ctx.layout, 'index'), { exclusive: true }, () => {
    const images = readImages(ctx.layout);
    const changed = change(images);
    if (changed === images) return;
    writeRecord(index, encodeImages(changed));
    for (const path of [index, dir]) flush(path);
  });
}

function flush(path: string): void {
  const fd = openSync(path, 'r');
  fsyncSync(fd);
  closeSync(fd);
}

/** Makes the directories and the mark of an OCI layout. */
export function makeStore(layout: Layout): void {
  const files = storeFiles(layout);
  if (existsSync(files.layout) && existsSync(files.ingest)) return;
  makePrivateDirectory(imagesDir(layout));
  for (const dir of [`${files.blobs}/sha256`, `${files.blobs}/sha512`, files.layers, files.ingest])
    mkdirSync(dir, { recursive: true, mode: 0o711 });
  writeRecord(files.layout, { imageLayoutVersion: '1.0.0' });
}

function encodeImages(images: readonly StoredImage[]): unknown {
  return { schemaVersion: 2, mediaType: MEDIA.ociIndex, manifests: images.map(encodeImage) };
}

function encodeImage(image: StoredImage): Descriptor {
  return {
    ...image.manifest,
    platform: image.platform,
    annotations: {
      ...(image.name === undefined ? {} : { [NAME]: image.name }),
      [ID]: image.id,
      [TARGET]: image.target,
      [TIME]: image.time,
      [REPO_DIGESTS]: image.repoDigests.join(' '),
    },
  };
}

function decodeImages(value: unknown): StoredImage[] {
  return decodeIndex(asObject(value, 'index')).manifests.map(decodeImage);
}

function decodeImage({ annotations = {}, platform, ...manifest }: Descriptor): StoredImage {
  const { [NAME]: name, [ID]: id, [TARGET]: target, [TIME]: time, [REPO_DIGESTS]: digests } = annotations;
  if (id === undefined || time === undefined || platform === undefined)
    throw new TypeError(`${manifest.digest} was not added by this program`);
  return {
    ...(name === undefined ? {} : { name }),
    manifest,
    platform,
    id,
    target: target ?? manifest.digest,
    time,
    repoDigests: digests ? digests.split(' ') : [],
  };
}
