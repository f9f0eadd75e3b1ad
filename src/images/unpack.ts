// Layers become directories: decompressed, verified against their diff id, written beneath one directory by the core.
import { createHash } from 'node:crypto';
import { mkdirSync, statfsSync } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { errnoOf, LAYER_FLAGS, SystemError } from '../../core/index.ts';
import { ComposeError } from '../errors.ts';
import type { Context } from '../state/context.ts';

/** Bytes handed on at a time: large enough that crossing threads costs nothing, small enough for the memory. */
export const CHUNK = 512 * 1024;

// What a layer may become. Deflate can make a thousandfold; real layers stay below ten, a large empty file aside.
const MOST_EXPANSION = 200;
const ALWAYS_ALLOWED = 1024 ** 3;

export interface UnpackOptions {
  readonly signal?: AbortSignal | undefined;
  /** Compressed size, which bounds what it may become. */
  readonly size: number;
  /** `sha256:…` of the tar archive; not verified when absent. */
  readonly diffId: string;
  /** Directories of the layers below, top first; asked for at the end, when they are complete. */
  readonly lower: () => Promise<readonly string[]>;
  /** Tells of bytes of tar that are written. */
  readonly onBytes?: (count: number) => void;
}

/** Unpacks a layer from its compressed bytes. ComposeError `image-invalid`, `digest-mismatch`, `disk-full`. */
export async function unpackLayer(
  ctx: Context,
  source: AsyncIterable<Uint8Array>,
  directory: string,
  options: UnpackOptions,
): Promise<{ readonly bytes: number; readonly entries: number }> {
  mkdirSync(directory, { recursive: true, mode: 0o755 });
  const limit = layerLimit(directory, options.size);
  const layer = ctx.core.openLayer(directory, { flags: layerFlags(), limit });
  const hash = createHash('sha256');
  try {
    await decompress(source, options.signal, async (tar) => {
      for await (const chunk of tar) {
        hash.update(chunk);
        await layer.write(chunk);
        options.onBytes?.(chunk.length);
      }
    });
    const actual = `sha256:${hash.digest('hex')}`;
    if (actual !== options.diffId)
      throw new ComposeError('digest-mismatch', `a layer unpacks to ${actual} instead of ${options.diffId}`);
    return await layer.finish(await options.lower());
  } catch (error) {
    throw explainFailure(error, options.diffId, limit);
  } finally {
    layer.free();
  }
}

/** Feeds the decompressed bytes of gzip, zstd or plain data, whichever it is, to `consume`. */
export async function decompress(
  source: AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined,
  consume: (tar: AsyncIterable<Uint8Array>) => Promise<void>,
): Promise<void> {
  const { head, all } = await peek(source, 4);
  const aborting = signal === undefined ? {} : { signal };
  switch (compressionOf(head)) {
    case 'gzip':
      return pipeline(all, createGunzip({ chunkSize: CHUNK }), consume, aborting);
    case 'zstd': {
      const { inflateZstd, nativeZstd } = await import('./zstd.ts');
      const native = nativeZstd();
      return native
        ? pipeline(all, native, consume, aborting)
        : pipeline(inflateZstd(all), consume, aborting);
    }
    default:
      return pipeline(all, consume, aborting);
  }
}

function compressionOf(head: Uint8Array): 'gzip' | 'zstd' | 'none' {
  if (head[0] === 0x1f && head[1] === 0x8b) return 'gzip';
  const magic = Buffer.from(head).toString('hex');
  if (magic === '28b52ffd' || /^5[0-9a-f]2a4d18$/.test(magic)) return 'zstd';
  if (magic.startsWith('425a68') || magic === 'fd377a58')
    throw new ComposeError(
      'unsupported',
      'a layer is compressed with bzip2 or xz, which no registry serves',
      {
        hint: 'make the image again with gzip or zstd',
      },
    );
  return 'none';
}

/** The first bytes of a stream, and the whole of it. */
async function peek(
  source: AsyncIterable<Uint8Array>,
  count: number,
): Promise<{ head: Uint8Array; all: AsyncGenerator<Uint8Array> }> {
  const iterator = source[Symbol.asyncIterator]();
  let head = Buffer.alloc(0);
  while (head.length < count) {
    const next = await iterator.next();
    if (next.done) break;
    head = head.length === 0 ? Buffer.from(next.value) : Buffer.concat([head, next.value]);
  }
  async function* all(): AsyncGenerator<Uint8Array> {
    try {
      if (head.length > 0) yield head;
      for (let next = await iterator.next(); !next.done; next = await iterator.next()) yield next.value;
    } finally {
      await iterator.return?.();
    }
  }
  return { head: head.subarray(0, count), all: all() };
}

function layerFlags(): number {
  const { whiteouts, owners, userXattr, noDevices } = LAYER_FLAGS;
  return process.getuid?.() === 0 ? whiteouts + owners : whiteouts + userXattr + noDevices;
}

/** What is too much for this layer, or for this disk. */
function layerLimit(directory: string, size: number): number {
  const { bavail, bsize } = statfsSync(directory);
  const free = Math.max(1, bavail * bsize);
  return Math.min(free, Math.max(ALWAYS_ALLOWED, size * MOST_EXPANSION));
}

function explainFailure(error: unknown, diffId: string, limit: number): unknown {
  if (isZlibError(error))
    return new ComposeError('image-invalid', `layer ${diffId} is damaged: ${error.message}`, {
      cause: error,
    });
  const cause = error instanceof ComposeError ? error.cause : undefined;
  if (!(cause instanceof SystemError)) return error;
  const entry = cause.path;
  switch (errnoOf(error)) {
    case 'EXDEV':
    case 'ELOOP':
      return invalid(`layer ${diffId} has an entry that leaves the image: ${entry}`, error);
    case 'EBADMSG':
      return invalid(`layer ${diffId} is no valid tar archive: ${cause.step}: ${entry}`, error);
    case 'EFBIG':
      return invalid(`layer ${diffId} unpacks to more than ${limit} bytes`, error);
    case 'ENOTDIR':
    case 'ENAMETOOLONG':
    case 'ENOENT':
    case 'EEXIST':
      return invalid(`layer ${diffId} has an entry that cannot be made: ${entry}: ${cause.message}`, error);
    case 'ENOSPC':
    case 'EDQUOT':
      return new ComposeError('disk-full', `no space left to unpack layer ${diffId}`, { cause: error });
    default:
      return error;
  }
}

function invalid(message: string, cause: unknown): ComposeError {
  return new ComposeError('image-invalid', message, { cause });
}

function isZlibError(error: unknown): error is Error {
  return error instanceof Error && 'code' in error && /^Z_/.test(String(error.code));
}
