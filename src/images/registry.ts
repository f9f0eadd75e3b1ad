// The client of the OCI distribution specification: manifests, blobs, uploads; authentication, retries, mirrors.
import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { ComposeError } from '../errors.ts';
import { type Authorizer, createAuthorizer } from './authorize.ts';
import type { Credential } from './credentials.ts';
import {
  codeOf,
  createHttpClient,
  type HttpRequest,
  type HttpResponse,
  isLoopback,
  isTransient,
  isWrongProtocol,
  readBody,
} from './http.ts';
import type { ManifestDocument } from './install.ts';
import { type Descriptor, MANIFEST_TYPES, mediaTypeOf } from './manifest.ts';
import { formatReference, type Reference } from './reference.ts';
import { type Endpoint, endpointsOf, isInsecureHost, type Registries, readRegistries } from './registries.ts';
import { algorithmOf } from './store.ts';

type Environment = Readonly<Record<string, string | undefined>>;

export interface RegistryOptions {
  readonly environment: Environment;
  /** Read from the configuration files unless given. */
  readonly registries?: Registries;
  /** How long nothing may come before a connection counts as dead. */
  readonly stallMs?: number;
  /** First pause before a retry; it doubles. */
  readonly retryMs?: number;
  /** Instead of what the files say. */
  readonly credential?: Credential;
}

/** One repository at its registry, with the mirrors that may stand for it. */
export interface Repository {
  /** What a tag or digest stands for: one HEAD request. Undefined when there is no such image. */
  resolve(reference: Reference, signal?: AbortSignal): Promise<Descriptor | undefined>;
  /** A manifest or index, verified. ComposeError `image-not-found`. */
  manifest(which: Reference, signal?: AbortSignal): Promise<ManifestDocument>;
  /** The bytes of a blob from an offset; goes on after a cut connection. They are not verified. */
  blob(descriptor: Descriptor, offset: number, signal: AbortSignal | undefined): AsyncIterable<Uint8Array>;
  hasBlob(descriptor: Descriptor, signal?: AbortSignal): Promise<boolean>;
  /** Stores a blob; `from` is a repository of the same registry that may have it already. Returns how. */
  pushBlob(descriptor: Descriptor, upload: Upload): Promise<'exists' | 'mounted' | 'pushed'>;
  pushManifest(document: ManifestDocument, tag: string, signal?: AbortSignal): Promise<void>;
}

export interface Upload {
  readonly open: (start: number, end: number) => AsyncIterable<Uint8Array>;
  readonly from?: string | undefined;
  /** Bytes of one request; all at once unless told. */
  readonly chunkSize?: number | undefined;
  readonly onBytes?: (count: number) => void;
  readonly signal?: AbortSignal | undefined;
}

export interface RegistryClient {
  repository(reference: Reference, access: 'pull' | 'push'): Repository;
  /** Whether the credential is accepted; throws ComposeError `registry` when not. */
  check(registry: string, signal?: AbortSignal): Promise<void>;
  close(): void;
}

const MOST_ATTEMPTS = 5;
const PUSH_ATTEMPTS = 3;
const RETRY_MS = 300;
const LONGEST_PAUSE_MS = 20_000;

/** Opens a client for one command; tokens and connections are shared by all its requests. */
export function openRegistries(options: RegistryOptions): RegistryClient {
  const registries = options.registries ?? readRegistries(options.environment);
  const insecureHosts = new Set<string>();
  const http = createHttpClient({
    environment: options.environment,
    ...(options.stallMs === undefined ? {} : { stallMs: options.stallMs }),
    // a certificate of a loopback server is verified all the same: plain HTTP is what makes it insecure
    isInsecure: (host) =>
      insecureHosts.has(host) || (isInsecureHost(host, registries) && !isLoopback(host.replace(/:\d+$/, ''))),
  });
  const connection: Connection = {
    http,
    schemes: new Map(),
    authorizer: createAuthorizer(http, options),
    retryMs: options.retryMs ?? RETRY_MS,
  };
  const repository = (reference: Reference, access: 'pull' | 'push'): Repository => {
    const endpoints = endpointsOf(reference, registries);
    for (const { insecure, host } of endpoints)
      if (insecure && !isLoopback(hostName(host))) insecureHosts.add(host);
    const used = access === 'push' ? endpoints.filter(({ isMirror }) => !isMirror) : endpoints;
    return repositoryOf(used.map((endpoint) => serverOf(connection, endpoint, access)));
  };
  return {
    repository,
    check: (registry, signal) => checkAccess(connection, endpointOfRegistry(registry, registries), signal),
    close: () => http.close(),
  };
}

function endpointOfRegistry(registry: string, registries: Registries): Endpoint {
  const found = endpointsOf({ registry, repository: 'library/x', tag: 'latest' }, registries).at(-1);
  if (found === undefined) throw new ComposeError('registry', `no server for ${registry}`);
  return found;
}

function hostName(host: string): string {
  return host.replace(/:\d+$/, '').replace(/^\[|\]$/g, '');
}

// --- one server ---

interface Connection {
  readonly http: ReturnType<typeof createHttpClient>;
  /** What each host turned out to speak. */
  readonly schemes: Map<string, 'http' | 'https'>;
  readonly authorizer: Authorizer;
  readonly retryMs: number;
}

interface Server {
  readonly endpoint: Endpoint;
  readonly retryMs: number;
  /** `path` below /v2/REPOSITORY/, or a whole URL that the server gave. */
  send(request: ServerRequest): Promise<HttpResponse>;
}

interface ServerRequest {
  readonly method: string;
  readonly path: string | URL;
  readonly headers?: Readonly<Record<string, string>>;
  /** Made anew for every attempt. */
  readonly body?: () => Uint8Array | AsyncIterable<Uint8Array>;
  /** Further repositories that the token must open for reading. */
  readonly also?: string | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Statuses below 500 that are no failure; 2xx always are fine. */
  readonly accept?: readonly number[];
  /** Not to be repeated by itself: a server may have taken a part of it. */
  readonly once?: boolean;
}

function serverOf(connection: Connection, endpoint: Endpoint, access: 'pull' | 'push'): Server {
  const scopes = (also: string | undefined): string[] => [
    `repository:${endpoint.repository}:${access === 'push' ? 'pull,push' : 'pull'}`,
    ...(also === undefined ? [] : [`repository:${also}:pull`]),
  ];
  return {
    endpoint,
    retryMs: connection.retryMs,
    send: (request) =>
      withRetries(connection, endpoint, request, () =>
        speak(connection, endpoint, async (scheme) => {
          const base = `${scheme}://${endpoint.host}/v2/${endpoint.repository}/`;
          const url = typeof request.path === 'string' ? new URL(base + request.path) : request.path;
          return connection.authorizer.send(
            { ...plain(request), url },
            { host: endpoint.host, repository: endpoint.repository, scopes: scopes(request.also) },
          );
        }),
      ),
  };
}

function plain({ method, headers, body, signal }: ServerRequest): Omit<HttpRequest, 'url'> {
  return {
    method,
    ...(headers === undefined ? {} : { headers }),
    ...(body === undefined ? {} : { body: body() }),
    signal,
  };
}

/** Finds out whether an insecure host speaks TLS, once; a host that must be secure is never asked without. */
async function speak(
  { schemes }: Connection,
  { host, insecure }: Endpoint,
  send: (scheme: 'http' | 'https') => Promise<HttpResponse>,
): Promise<HttpResponse> {
  const known = schemes.get(host) ?? (insecure ? undefined : 'https');
  if (known !== undefined) return send(known);
  // What listens on loopback mostly speaks plain HTTP, what was configured as insecure mostly TLS.
  const order: readonly ('http' | 'https')[] = isLoopback(hostName(host))
    ? ['http', 'https']
    : ['https', 'http'];
  const [first = 'https', second = 'http'] = order;
  try {
    const response = await send(first);
    if (first === 'https' || !(await refusesPlain(response)))
      return remember(schemes, host, { scheme: first, response });
  } catch (error) {
    if (!isWrongProtocol(error) && codeOf(error) !== 'ECONNREFUSED') throw error;
    if (codeOf(error) === 'ECONNREFUSED' && isLoopback(hostName(host))) throw error;
  }
  return remember(schemes, host, { scheme: second, response: await send(second) });
}

interface Spoken {
  readonly scheme: 'http' | 'https';
  readonly response: HttpResponse;
}

function remember(schemes: Connection['schemes'], host: string, { scheme, response }: Spoken): HttpResponse {
  schemes.set(host, scheme);
  return response;
}

/** A TLS server that is spoken to in clear says 400, and so does nobody else to a request without a body. */
async function refusesPlain(response: HttpResponse): Promise<boolean> {
  if (response.status !== 400) return false;
  const text = (await readBody(response)).toString('utf8');
  return text === '' || /HTTPS|SSL|TLS/i.test(text);
}

/** Repeats what may succeed later; throws ComposeError `registry` for everything else that is not accepted. */
async function withRetries(
  { retryMs }: Connection,
  endpoint: Endpoint,
  { signal, accept = [], method, path, once = false }: ServerRequest,
  send: () => Promise<HttpResponse>,
): Promise<HttpResponse> {
  for (let attempt = 1; ; attempt++) {
    const last = once || attempt === MOST_ATTEMPTS;
    try {
      const response = await send();
      const { status } = response;
      if ((status >= 200 && status < 300) || accept.includes(status)) return response;
      if (!isTransientStatus(status) || last) throw await refusal(response, endpoint, `${method} ${path}`);
      response.body.resume();
      await pause(retryMs, attempt, { response, signal });
    } catch (error) {
      if (error instanceof ComposeError || signal?.aborted || !isTransient(error) || last)
        throw explainNetwork(error, endpoint, signal);
      await pause(retryMs, attempt, { signal });
    }
  }
}

function isTransientStatus(status: number): boolean {
  return status === 408 || status === 429 || (status >= 500 && status !== 501);
}

interface Pause {
  readonly response?: HttpResponse;
  readonly signal: AbortSignal | undefined;
}

async function pause(firstMs: number, attempt: number, { response, signal }: Pause): Promise<void> {
  const asked = response?.headers['retry-after'];
  const seconds = asked === undefined ? Number.NaN : Number(asked);
  const told = Number.isNaN(seconds) ? Date.parse(asked ?? '') - Date.now() : seconds * 1000;
  const doubled = firstMs * 2 ** (attempt - 1) * (0.75 + Math.random() / 2);
  const ms = Math.min(LONGEST_PAUSE_MS, Number.isNaN(told) ? doubled : Math.max(told, 0));
  await delay(ms, undefined, signal === undefined ? {} : { signal });
}

async function refusal(
  response: HttpResponse,
  { host, repository }: Endpoint,
  what: string,
): Promise<ComposeError> {
  const detail = await errorDetail(response);
  const { status } = response;
  const said = detail === '' ? `${status}` : `${status} ${detail}`;
  if (status === 401 || status === 403)
    return new ComposeError('registry', `${host} refuses access to ${repository}: ${said}`, {
      hint: `check the name, or run \`tscompose login ${host}\``,
    });
  if (status === 404) return new ComposeError('image-not-found', `${host} has no ${repository}: ${said}`);
  if (status === 429)
    return new ComposeError('registry', `${host} limits the rate of requests: ${said}`, {
      hint: 'wait, or log in',
    });
  return new ComposeError('registry', `${host} answers ${what} with ${said}`);
}

/** The messages of an error document, as the specification has it. */
async function errorDetail(response: HttpResponse): Promise<string> {
  try {
    const text = (await readBody(response, 64 * 1024)).toString('utf8').trim();
    const { errors } = JSON.parse(text) as { errors?: { code?: string; message?: string }[] };
    return (errors ?? []).map(({ code, message }) => message || code).join(', ');
  } catch {
    return ''; // the status says enough
  }
}

function explainNetwork(error: unknown, { host }: Endpoint, signal: AbortSignal | undefined): unknown {
  if (error instanceof ComposeError || !(error instanceof Error)) return error;
  if (signal?.aborted) return signal.reason ?? error;
  const code = codeOf(error) ?? '';
  const isCertificate = /CERT|SELF_SIGNED|UNABLE_TO/.test(code) || /certificate/i.test(error.message);
  const hint = isCertificate
    ? `put its CA certificate into /etc/docker/certs.d/${host}/ca.crt, or name it in SSL_CERT_FILE`
    : code === 'ENOTFOUND' || code === 'EAI_AGAIN'
      ? 'is this machine online? `--offline` works with what is here'
      : undefined;
  return new ComposeError('registry', `cannot reach ${host}: ${error.message || code}`, {
    cause: error,
    ...(hint === undefined ? {} : { hint }),
  });
}

// --- a repository on one or several servers ---

function repositoryOf(servers: readonly Server[]): Repository {
  const origin = servers.at(-1);
  if (origin === undefined) throw new ComposeError('registry', 'there is no server for this name');
  return {
    resolve: (reference, signal) =>
      firstOf(servers, reference, (server) => resolve(server, reference, signal)),
    manifest: (reference, signal) =>
      firstOf(servers, reference, (server) => fetchManifest(server, reference, signal)),
    blob: (descriptor, offset, signal) => streamBlob(servers, descriptor, { offset, signal }),
    hasBlob: (descriptor, signal) => hasBlob(origin, descriptor, signal),
    pushBlob: (descriptor, upload) => pushBlob(origin, descriptor, upload),
    pushManifest: (document, tag, signal) => pushManifest(origin, document, { tag, signal }),
  };
}

/** Asks mirrors first; whatever goes wrong there, the next one may know better. */
async function firstOf<T>(
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

async function resolve(
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

async function fetchManifest(
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
async function* streamBlob(
  servers: readonly Server[],
  descriptor: Descriptor,
  { offset, signal }: BlobRange,
): AsyncGenerator<Uint8Array> {
  const reference = { registry: '', repository: '', digest: descriptor.digest };
  let position = offset;
  for (let failures = 0; position < descriptor.size || descriptor.size === 0; ) {
    const before = position;
    try {
      const response = await firstOf(servers, reference, (server) =>
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
      await pause(RETRY_MS, failures, { signal });
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

// --- push ---

async function hasBlob(
  server: Server,
  { digest }: Descriptor,
  signal: AbortSignal | undefined,
): Promise<boolean> {
  const response = await server.send({ method: 'HEAD', path: `blobs/${digest}`, accept: [404], signal });
  response.body.resume();
  return response.status !== 404;
}

/** An upload that failed in the middle starts again: what the server kept of it is not known. */
async function pushBlob(
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
  const last =
    upload.chunkSize === undefined ? location : await pushChunks(server, descriptor, { upload, location });
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
}

async function pushChunks(server: Server, { size }: Descriptor, { upload, location }: Chunks): Promise<URL> {
  let next = location;
  for (let start = 0; start < size; ) {
    const end = Math.min(size, start + (upload.chunkSize ?? size));
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

async function pushManifest(
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

// --- login ---

async function checkAccess(
  connection: Connection,
  endpoint: Endpoint,
  signal: AbortSignal | undefined,
): Promise<void> {
  const request = { method: 'GET', path: '', signal };
  const response = await withRetries(connection, endpoint, request, () =>
    speak(connection, endpoint, (scheme) =>
      connection.authorizer.send(
        { method: 'GET', url: new URL(`${scheme}://${endpoint.host}/v2/`), signal },
        { host: endpoint.host, repository: '', scopes: [] },
      ),
    ),
  );
  response.body.resume();
}
