// Manifests and blobs from the servers that may have them: mirrors first, then the origin.
import { createHash } from 'node:crypto';
import { ComposeError } from '../errors.ts';
import { type HttpResponse, isTransient, readBody } from './http.ts';
import type { ManifestDocument } from './install.ts';
import { type Descriptor, MANIFEST_TYPES, mediaTypeOf } from './manifest.ts';
import { formatReference, type Reference } from './reference.ts';
import type { Endpoint } from './registries.ts';
import { explainNetwork, MOST_ATTEMPTS, pause, type Server } from './server.ts';
import { algorithmOf } from './store.ts';

/** Asks mirrors first; whatever goes wrong there, the next one may know better. */
export async function firstOf<T>(
  servers: readonly Server[],
  reference: Reference,
  ask: (server: Server) => Promise<T>,
): Promise<T> {
  const usable = servers.filter(({ endpoint }) => !endpoint.digestOnly || reference.digest !== undefined);
  for (const server of usable.slice(0, -1)) {
    try {
      const answer = await ask(server);
      if (answer !== undefined) return answer;
    } catch (error) {
      if (!(error instanceof ComposeError) || error.code === 'interrupted') throw error;
    }
  }
  const last = usable.at(-1);
  if (last === undefined) throw new ComposeError('registry', `no server for ${formatReference(reference)}`);
  return ask(last);
}

const ACCEPT = { accept: MANIFEST_TYPES.join(', ') };

function manifestPath({ tag, digest }: Reference): string {
  return `manifests/${digest ?? tag}`;
}

/** What a tag or digest stands for at one server; undefined when it has no such image. */
export async function resolve(
  server: Server,
  reference: Reference,
  signal: AbortSignal | undefined,
): Promise<Descriptor | undefined> {
  const response = await server.send({
    method: 'HEAD',
    path: manifestPath(reference),
    headers: ACCEPT,
    accept: [404, 405],
    signal,
  });
  response.body.resume();
  if (response.status === 404) return undefined;
  const digest = response.headers['docker-content-digest'];
  const size = Number(response.headers['content-length']);
  if (response.status === 405 || typeof digest !== 'string' || Number.isNaN(size))
    return (await fetchManifest(server, reference, signal)).descriptor;
  return { mediaType: mediaTypeHeader(response) ?? '', digest, size };
}

/** A manifest or index of one server, verified. */
export async function fetchManifest(
  server: Server,
  reference: Reference,
  signal: AbortSignal | undefined,
): Promise<ManifestDocument> {
  const response = await server.send({
    method: 'GET',
    path: manifestPath(reference),
    headers: ACCEPT,
    accept: [404],
    signal,
  });
  const bytes = await readBody(response);
  if (response.status === 404)
    throw new ComposeError(
      'image-not-found',
      `${server.endpoint.host} has no image ${formatReference(reference)}`,
    );
  const algorithm = reference.digest === undefined ? 'sha256' : algorithmOf(reference.digest);
  const digest = `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}`;
  const said = reference.digest ?? response.headers['docker-content-digest'];
  if (typeof said === 'string' && said.startsWith('sha256:') && said !== digest)
    throw new ComposeError('digest-mismatch', `${server.endpoint.host} gives ${digest} for ${said}`);
  if (reference.digest !== undefined && reference.digest !== digest)
    throw new ComposeError(
      'digest-mismatch',
      `${server.endpoint.host} gives ${digest} for ${reference.digest}`,
    );
  return { descriptor: { mediaType: typeOf(response, bytes), digest, size: bytes.length }, bytes };
}

function mediaTypeHeader({ headers }: HttpResponse): string | undefined {
  return headers['content-type']?.split(';')[0]?.trim();
}

function typeOf(response: HttpResponse, bytes: Buffer): string {
  const said = mediaTypeHeader(response);
  if (said !== undefined && MANIFEST_TYPES.includes(said)) return said;
  if (said?.includes('v1+prettyjws') || said === 'application/vnd.docker.distribution.manifest.v1+json')
    throw new ComposeError(
      'unsupported',
      'the registry has this image only in the schema 1 format, which is obsolete',
    );
  try {
    return mediaTypeOf(JSON.parse(bytes.toString('utf8')));
  } catch (cause) {
    throw new ComposeError('image-invalid', `${response.url.host} answered with no manifest`, { cause });
  }
}

interface BlobRange {
  readonly offset: number;
  readonly signal: AbortSignal | undefined;
}

/** Streams a blob; after a failure the rest is asked for, as often as something comes in between. */
export async function* streamBlob(
  servers: readonly Server[],
  descriptor: Descriptor,
  { offset, signal }: BlobRange,
): AsyncGenerator<Uint8Array> {
  const reference = { registry: '', repository: '', digest: descriptor.digest };
  let position = offset;
  let sources = servers;
  for (let failures = 0; position < descriptor.size || descriptor.size === 0; ) {
    const before = position;
    try {
      const response = await firstOf(sources, reference, (server) =>
        openBlob(server, descriptor, { offset: position, signal }),
      );
      let skip = response.status === 206 ? 0 : position;
      for await (const chunk of response.body) {
        const bytes: Buffer = chunk;
        if (skip >= bytes.length) {
          skip -= bytes.length;
          continue;
        }
        const part = skip === 0 ? bytes : bytes.subarray(skip);
        skip = 0;
        position += part.length;
        yield part;
      }
      if (position >= descriptor.size) return;
      if (position === before) failures++;
    } catch (error) {
      if (signal?.aborted || error instanceof ComposeError) throw error;
      failures = position > before ? 1 : failures + 1;
      if (failures >= MOST_ATTEMPTS || !isTransientStream(error))
        throw explainNetwork(error, hostOf(servers), signal);
      // a mirror that fails in the middle is not asked again
      if (sources.length > 1) sources = sources.slice(1);
      await pause(sources[0]?.retryMs ?? 0, failures, { signal });
      continue;
    }
    if (failures >= MOST_ATTEMPTS) return; // whoever verifies the bytes finds that some are missing
  }
}

function hostOf(servers: readonly Server[]): Endpoint {
  const endpoint = servers.at(-1)?.endpoint;
  if (endpoint === undefined) throw new ComposeError('registry', 'there is no server for this name');
  return endpoint;
}

// Node calls a body that ends early "aborted", with the code of a reset connection.
function isTransientStream(error: unknown): boolean {
  return isTransient(error) || (error instanceof Error && /aborted|premature/i.test(error.message));
}

async function openBlob(
  server: Server,
  { digest }: Descriptor,
  { offset, signal }: BlobRange,
): Promise<HttpResponse> {
  const headers = offset > 0 ? { range: `bytes=${offset}-` } : {};
  const response = await server.send({
    method: 'GET',
    path: `blobs/${digest}`,
    headers,
    accept: [416],
    signal,
  });
  if (response.status !== 416) return response;
  response.body.resume();
  return server.send({ method: 'GET', path: `blobs/${digest}`, signal });
}
