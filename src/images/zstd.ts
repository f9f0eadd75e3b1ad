// Zstandard: Node's own decoder where it has one (from 22.15 on), a library in JavaScript otherwise.
import type { Transform } from 'node:stream';
import * as zlib from 'node:zlib';
import { ComposeError } from '../errors.ts';

/** A transform stream that decompresses, or undefined on a Node that has none. */
export function nativeZstd(): Transform | undefined {
  const { createZstdDecompress } = zlib as { createZstdDecompress?: () => Transform };
  return createZstdDecompress?.();
}

/** The decompressed bytes of a zstd stream. ComposeError `image-invalid` when it is damaged. */
export async function* inflateZstd(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const { Decompress } = await import('fzstd');
  const ready: Uint8Array[] = [];
  const stream = new Decompress((chunk) => ready.push(chunk));
  for await (const chunk of source) {
    decode(() => stream.push(chunk));
    yield* ready.splice(0);
  }
  decode(() => stream.push(new Uint8Array(0), true));
  yield* ready.splice(0);
}

function decode(step: () => void): void {
  try {
    step();
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ComposeError('image-invalid', `zstd data is damaged: ${reason}`, { cause });
  }
}
