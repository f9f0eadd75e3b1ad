// How things get into the store: blobs whole and verified or not at all, layers unpacked once, all of it durable at the end.
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import { ComposeError } from '../errors.ts';
import { currentBootId } from '../state/boot.ts';
import type { Context } from '../state/context.ts';
import { lockFile } from '../state/layout.ts';
import { withLock } from '../state/lock.ts';
import { writeAtomically } from '../state/record.ts';
import type { Descriptor } from './manifest.ts';
import { algorithmOf, blobFile, layerDir, makeStore, partialFile, pieceLock, storeFiles } from './store.ts';
import { CHUNK, unpackLayer } from './unpack.ts';

/** Bytes of a blob from `offset` on. */
export type BlobSource = (
  descriptor: Descriptor,
  offset: number,
  signal: AbortSignal | undefined,
) => AsyncIterable<Uint8Array>;

/** How far one blob or layer is; bytes that were here already count. */
export interface Progress {
  readonly digest: string;
  readonly phase: 'waiting' | 'downloading' | 'uploading' | 'unpacking' | 'done' | 'exists' | 'mounted';
  readonly bytes: number;
  readonly total: number;
}

export interface IngestOptions {
  readonly source: BlobSource;
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: Progress) => void) | undefined;
}

/** A layer to be: its blob, and where it stands in the image. */
export interface LayerWanted {
  readonly descriptor: Descriptor;
  readonly diffId: string;
  readonly chainId: string;
  /** Resolves with the directories below, top first, when they are complete. */
  readonly lower: () => Promise<readonly string[]>;
}

/**
 * Runs `fn` while things are added: nothing is pruned meanwhile. `fn` calls `sync` when all bytes are there and before
 * it promises them to anybody; once, because on a busy machine that is what takes longest.
 */
export async function whileAdding<T>(
  ctx: Context,
  signal: AbortSignal | undefined,
  fn: (sync: () => Promise<void>) => Promise<T>,
): Promise<T> {
  makeStore(ctx.layout);
  if (mayBeTorn(ctx)) await dropTorn(ctx, signal);
  return withLock(ctx.core, lockFile(ctx.layout, 'images'), { exclusive: false, signal }, async () => {
    const { dir, unsynced } = storeFiles(ctx.layout);
    const left = listMarks(ctx).filter((name) => !isAlive(Number(name.split('.')[1])));
    const mark = markUnsynced(ctx);
    const sync = (): Promise<void> => ctx.core.syncFilesystemAsync(dir);
    const result = await fn(sync);
    // the same sync also settled what killed processes had left
    for (const name of [mark, ...left]) rmSync(`${unsynced}/${name}`, { force: true });
    return result;
  });
}

/** Whether the machine went down while things were added, so that some may be torn. */
export function mayBeTorn(ctx: Context): boolean {
  const bootId = currentBootId();
  return listMarks(ctx).some((name) => !name.startsWith(bootId));
}

async function dropTorn(ctx: Context, signal: AbortSignal | undefined): Promise<void> {
  const { checkStore } = await import('./check.ts');
  await checkStore(ctx, { repair: true, signal });
}

function listMarks(ctx: Context): string[] {
  const { unsynced } = storeFiles(ctx.layout);
  return existsSync(unsynced) ? readdirSync(unsynced) : [];
}

/** `BOOT.PID.NUMBER`: this process adds things that may not be on the disk. The mark itself is, before any of them. */
function markUnsynced(ctx: Context): string {
  const { unsynced } = storeFiles(ctx.layout);
  mkdirSync(unsynced, { recursive: true, mode: 0o700 });
  const mark = `${currentBootId()}.${process.pid}.${randomBytes(4).toString('hex')}`;
  writeFileSync(`${unsynced}/${mark}`, '', { mode: 0o600, flush: true });
  return mark;
}

function isAlive(pid: number): boolean {
  return existsSync(`/proc/${pid}`);
}

/** Puts a small blob whose bytes are at hand into the store. */
export function addBytes(ctx: Context, digest: string, bytes: Uint8Array): void {
  if (!existsSync(blobFile(ctx.layout, digest))) writeAtomically(blobFile(ctx.layout, digest), bytes);
}

/** Gets a blob into the store unless it is there. */
export async function addBlob(ctx: Context, descriptor: Descriptor, options: IngestOptions): Promise<void> {
  for await (const _ of blobBytes(ctx, descriptor, options)) {
    // reading is what stores it
  }
}

/** Gets a layer and its blob into the store unless they are there. */
export async function addLayer(ctx: Context, wanted: LayerWanted, options: IngestOptions): Promise<void> {
  const { descriptor, chainId } = wanted;
  const { signal } = options;
  const lock = pieceLock(ctx.layout, `layer-${chainId}`);
  if (hasLayer(ctx, chainId)) return addBlob(ctx, descriptor, options);
  await withLock(ctx.core, lock, { exclusive: true, signal }, async () => {
    if (hasLayer(ctx, chainId)) await addBlob(ctx, descriptor, options);
    else await makeLayer(ctx, wanted, options);
  });
}

export function hasLayer(ctx: Context, chainId: string): boolean {
  return existsSync(layerDir(ctx.layout, chainId));
}

async function makeLayer(ctx: Context, wanted: LayerWanted, options: IngestOptions): Promise<void> {
  const { descriptor } = wanted;
  const wasVerified = existsSync(blobFile(ctx.layout, descriptor.digest));
  try {
    await unpackInto(ctx, wanted, options);
  } catch (error) {
    if (wasVerified || !isAboutContent(error)) throw error;
    // Bytes that were changed on the way break the archive before their digest can tell so. What counts is what the
    // verified blob says.
    await addBlob(ctx, descriptor, options);
    await unpackInto(ctx, wanted, { ...options, onProgress: undefined });
  }
  const { digest, size } = descriptor;
  options.onProgress?.({ digest, phase: 'done', bytes: size, total: size });
}

async function unpackInto(ctx: Context, wanted: LayerWanted, options: IngestOptions): Promise<void> {
  const { descriptor, diffId, chainId, lower } = wanted;
  const half = partialFile(ctx.layout, `layer:${chainId.replace(':', '-')}`);
  await ctx.core.removeTreeAsync(half);
  try {
    const { signal } = options;
    const { bytes, entries } = await unpackLayer(ctx, blobBytes(ctx, descriptor, options), `${half}/diff`, {
      signal,
      size: descriptor.size,
      diffId,
      lower,
    });
    const record = { version: 1, diffId, chainId, blob: descriptor.digest, bytes, entries };
    writeFileSync(`${half}/layer.json`, `${JSON.stringify(record)}\n`);
    renameSync(half, layerDir(ctx.layout, chainId));
  } catch (error) {
    await ctx.core.removeTreeAsync(half);
    throw error;
  }
}

function isAboutContent(error: unknown): boolean {
  return (
    error instanceof ComposeError && (error.code === 'image-invalid' || error.code === 'digest-mismatch')
  );
}

/** The bytes of a blob, from the store or, stored on the way, from its source; fails at the end when they are wrong. */
async function* blobBytes(
  ctx: Context,
  descriptor: Descriptor,
  options: IngestOptions,
): AsyncGenerator<Uint8Array> {
  const path = blobFile(ctx.layout, descriptor.digest);
  if (existsSync(path)) {
    options.onProgress?.({
      digest: descriptor.digest,
      phase: 'exists',
      bytes: descriptor.size,
      total: descriptor.size,
    });
    return yield* readFrom(path);
  }
  const lock = await holdLock(ctx, pieceLock(ctx.layout, `blob-${descriptor.digest}`), options.signal);
  try {
    if (existsSync(path)) yield* readFrom(path);
    else yield* receive(ctx, descriptor, options);
  } finally {
    ctx.core.close(lock);
  }
}

async function holdLock(ctx: Context, path: string, signal: AbortSignal | undefined): Promise<number> {
  mkdirSync(dirname(path), { recursive: true, mode: 0o711 });
  const fd = ctx.core.lock(path, { exclusive: true });
  return fd ?? ctx.core.lockWait(path, { exclusive: true, ...(signal === undefined ? {} : { signal }) });
}

/** Goes on from what an earlier attempt left, and renames the file when all of it is right. */
async function* receive(
  ctx: Context,
  descriptor: Descriptor,
  { source, signal, onProgress }: IngestOptions,
): AsyncGenerator<Uint8Array> {
  const { digest, size } = descriptor;
  const partial = partialFile(ctx.layout, digest);
  const algorithm = algorithmOf(digest);
  const hash = createHash(algorithm);
  const file = await open(partial, 'a+', 0o600);
  let received = 0;
  try {
    const tell = (): void => onProgress?.({ digest, phase: 'downloading', bytes: received, total: size });
    for await (const chunk of resumable(file, size)) {
      hash.update(chunk);
      received += chunk.length;
      tell();
      yield chunk;
    }
    if (received < size || size === 0) {
      for await (const chunk of batched(source(descriptor, received, signal))) {
        received += chunk.length;
        if (received > size) throw wrongContent(descriptor, 'it is longer than its manifest says');
        hash.update(chunk);
        await file.write(chunk);
        tell();
        yield chunk;
      }
    }
    const actual = `${algorithm}:${hash.digest('hex')}`;
    if (received !== size) throw wrongContent(descriptor, `${received} bytes came instead of ${size}`);
    if (actual !== digest) throw wrongContent(descriptor, `it is ${actual}`);
    renameSync(partial, blobFile(ctx.layout, digest));
    onProgress?.({ digest, phase: 'unpacking', bytes: size, total: size });
  } catch (error) {
    if (error instanceof ComposeError && error.code === 'digest-mismatch') rmSync(partial, { force: true });
    throw explainDisk(error, digest);
  } finally {
    await file.close();
  }
}

/** What is in the file already; nothing of it when that is more than the blob has. */
async function* resumable(file: FileHandle, size: number): AsyncGenerator<Uint8Array> {
  const { size: present } = await file.stat();
  if (present > size) return void (await file.truncate(0));
  for (let offset = 0; offset < present; ) {
    const buffer = Buffer.allocUnsafe(Math.min(CHUNK, present - offset));
    const { bytesRead } = await file.read(buffer, 0, buffer.length, offset);
    if (bytesRead === 0) return;
    offset += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}

async function* readFrom(path: string): AsyncGenerator<Uint8Array> {
  const file = await open(path, 'r');
  try {
    yield* resumable(file, statSync(path).size);
  } finally {
    await file.close();
  }
}

/** Joins small pieces: each costs a few crossings between threads. */
async function* batched(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  let parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of source) {
    parts.push(part);
    length += part.length;
    if (length < CHUNK) continue;
    yield parts.length === 1 ? part : Buffer.concat(parts, length);
    parts = [];
    length = 0;
  }
  if (length > 0) yield Buffer.concat(parts, length);
}

function wrongContent({ digest }: Descriptor, why: string): ComposeError {
  return new ComposeError('digest-mismatch', `the content of ${digest} is wrong: ${why}`, {
    hint: 'the registry or something on the way to it changed the data; nothing of it was kept',
  });
}

function explainDisk(error: unknown, digest: string): unknown {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code !== 'ENOSPC' && code !== 'EDQUOT') return error;
  return new ComposeError('disk-full', `no space left to store ${digest}`, { cause: error });
}
