// Requests to one server of the OCI distribution specification: scheme, authentication, retries, and what a refusal means.
import { setTimeout as delay } from 'node:timers/promises';
import { ComposeError } from '../errors.ts';
import type { Authorizer } from './authorize.ts';
import {
  codeOf,
  type HttpClient,
  type HttpRequest,
  type HttpResponse,
  isLoopback,
  isTransient,
  isWrongProtocol,
  readBody,
} from './http.ts';
import type { Endpoint } from './registries.ts';

export const MOST_ATTEMPTS = 5;
const LONGEST_PAUSE_MS = 20_000;

/** What all requests of one command share. */
export interface Connection {
  readonly http: HttpClient;
  /** What each host turned out to speak. */
  readonly schemes: Map<string, 'http' | 'https'>;
  readonly authorizer: Authorizer;
  readonly retryMs: number;
}

/** One repository at one server. */
export interface Server {
  readonly endpoint: Endpoint;
  readonly retryMs: number;
  /** `path` below /v2/REPOSITORY/, or a whole URL that the server gave. */
  send(request: ServerRequest): Promise<HttpResponse>;
}

export interface ServerRequest {
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

/** The server of an endpoint; a token is asked for with the rights that `access` needs. */
export function serverOf(connection: Connection, endpoint: Endpoint, access: 'pull' | 'push'): Server {
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

/** Waits before the next attempt: as long as the server says, otherwise twice as long as before. */
export async function pause(firstMs: number, attempt: number, { response, signal }: Pause): Promise<void> {
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

/** What is thrown for a failure of the network: ComposeError `registry`, or the reason of an abort. */
export function explainNetwork(error: unknown, { host }: Endpoint, signal: AbortSignal | undefined): unknown {
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

/** A host without its port and brackets. */
export function hostName(host: string): string {
  return host.replace(/:\d+$/, '').replace(/^\[|\]$/g, '');
}

/** Whether the credential is accepted; throws ComposeError `registry` when not. */
export async function checkAccess(
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
