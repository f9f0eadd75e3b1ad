// Blobs and manifests to a server.
import { ComposeError } from '../errors.ts';
import type { HttpResponse } from './http.ts';
import type { ManifestDocument } from './install.ts';
import type { Descriptor } from './manifest.ts';
import { pause, type Server } from './server.ts';

export interface Upload {
  readonly open: (start: number, end: number) => AsyncIterable<Uint8Array>;
  readonly from?: string | undefined;
  /** Bytes of one request; all at once unless told. */
  readonly chunkSize?: number | undefined;
  readonly onBytes?: (count: number) => void;
  readonly signal?: AbortSignal | undefined;
}

const PUSH_ATTEMPTS = 3;

export async function hasBlob(
  server: Server,
  { digest }: Descriptor,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const response = await server.send({ method: 'HEAD', path: `blobs/${digest}`, accept: [404], signal });
  response.body.resume();
  return response.status !== 404;
}

/** An upload that failed in the middle starts again: what the server kept of it is not known. */
export async function pushBlob(
  server: Server,
  descriptor: Descriptor,
  upload: Upload,
): Promise<'exists' | 'mounted' | 'pushed'> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await tryPush(server, descriptor, upload);
    } catch (error) {
      const again = error instanceof ComposeError && error.code === 'registry' && attempt < PUSH_ATTEMPTS;
      if (!again || upload.signal?.aborted) throw error;
      await pause(server.retryMs, attempt, { signal: upload.signal });
    }
  }
}

async function tryPush(
  server: Server,
  descriptor: Descriptor,
  upload: Upload,
): Promise<'exists' | 'mounted' | 'pushed'> {
  const { signal, from } = upload;
  if (await hasBlob(server, descriptor, signal)) return 'exists';
  const mount =
    from === undefined
      ? ''
      : `?mount=${encodeURIComponent(descriptor.digest)}&from=${encodeURIComponent(from)}`;
  const response = await server.send({
    method: 'POST',
    path: `blobs/uploads/${mount}`,
    body: () => new Uint8Array(0),
    headers: { 'content-length': '0' },
    also: from,
    signal,
  });
  response.body.resume();
  if (response.status === 201) return 'mounted';
  const location = locationOf(response);
  const least = Number(response.headers['oci-chunk-min-length'] ?? 0);
  const last =
    upload.chunkSize === undefined
      ? location
      : await pushChunks(server, descriptor, {
          upload,
          location,
          chunkSize: Math.max(upload.chunkSize, least || 0),
        });
  last.searchParams.set('digest', descriptor.digest);
  const whole = upload.chunkSize === undefined;
  const done = await server.send({
    method: 'PUT',
    path: last,
    once: true,
    headers: whole
      ? { 'content-type': 'application/octet-stream', 'content-length': String(descriptor.size) }
      : { 'content-length': '0' },
    body: () => (whole ? counted(upload.open(0, descriptor.size), upload.onBytes) : new Uint8Array(0)),
    signal,
  });
  done.body.resume();
  return 'pushed';
}

interface Chunks {
  readonly upload: Upload;
  readonly location: URL;
  readonly chunkSize: number;
}

async function pushChunks(
  server: Server,
  { size }: Descriptor,
  { upload, location, chunkSize }: Chunks,
): Promise<URL> {
  let next = location;
  for (let start = 0; start < size; ) {
    const end = Math.min(size, start + chunkSize);
    const from = start;
    const response = await server.send({
      method: 'PATCH',
      path: next,
      once: true,
      headers: {
        'content-type': 'application/octet-stream',
        'content-length': String(end - start),
        'content-range': `${start}-${end - 1}`,
      },
      body: () => counted(upload.open(from, end), upload.onBytes),
      signal: upload.signal,
    });
    response.body.resume();
    next = locationOf(response);
    start = end;
  }
  return next;
}

function locationOf(response: HttpResponse): URL {
  const { location } = response.headers;
  if (location === undefined)
    throw new ComposeError('registry', `${response.url.host} names no place for an upload`);
  return new URL(location, response.url);
}

async function* counted(
  source: AsyncIterable<Uint8Array>,
  onBytes?: (count: number) => void,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of source) {
    yield chunk;
    onBytes?.(chunk.length);
  }
}

interface ManifestPush {
  readonly tag: string;
  readonly signal: AbortSignal | undefined;
}

export async function pushManifest(
  server: Server,
  { descriptor, bytes }: ManifestDocument,
  { tag, signal }: ManifestPush,
): Promise<void> {
  const response = await server.send({
    method: 'PUT',
    path: `manifests/${tag}`,
    headers: { 'content-type': descriptor.mediaType, 'content-length': String(bytes.length) },
    body: () => bytes,
    signal,
  });
  response.body.resume();
}
