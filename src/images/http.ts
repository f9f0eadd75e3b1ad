// One HTTP exchange: node:http and node:https, because fetch can neither take a private CA nor a proxy nor be told apart
// from a stall, and costs more to load.
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import * as http from 'node:http';
import * as https from 'node:https';
import { BlockList, isIP, type Socket } from 'node:net';
import { join } from 'node:path';
import * as tls from 'node:tls';
import { ComposeError } from '../errors.ts';

export interface HttpRequest {
  readonly url: URL;
  readonly method: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array | AsyncIterable<Uint8Array>;
  readonly signal?: AbortSignal | undefined;
}

export interface HttpResponse {
  readonly status: number;
  readonly headers: http.IncomingHttpHeaders;
  /** Must be read to its end, or destroyed. */
  readonly body: http.IncomingMessage;
  /** Where the answer came from, after redirects. */
  readonly url: URL;
}

export interface HttpOptions {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** How long nothing may come before the connection counts as dead. */
  readonly stallMs?: number;
  /** Certificates are not verified for these hosts. */
  readonly isInsecure?: (host: string) => boolean;
}

export interface HttpClient {
  /** Follows redirects of GET and HEAD. Network failures are thrown as they are; see `isTransient`. */
  request(request: HttpRequest): Promise<HttpResponse>;
  close(): void;
}

const STALL_MS = 30_000;
const MOST_REDIRECTS = 8;
const CERTIFICATE_DIRS = ['/etc/docker/certs.d', '/etc/containers/certs.d'];
const SYSTEM_CAS = [
  '/etc/ssl/certs/ca-certificates.crt',
  '/etc/pki/tls/certs/ca-bundle.crt',
  '/etc/ssl/ca-bundle.pem',
  '/etc/ssl/cert.pem',
];

/** A client that keeps connections; close it at the end, it would keep the process alive. */
export function createHttpClient(options: HttpOptions): HttpClient {
  const agents = { http: new http.Agent({ keepAlive: true }), https: new https.Agent({ keepAlive: true }) };
  const contexts = new Map<string, tls.ConnectionOptions>();
  const tlsOptions = (host: string): tls.ConnectionOptions => {
    const known = contexts.get(host) ?? tlsOptionsOf(host, options);
    contexts.set(host, known);
    return known;
  };
  const exchange = (request: HttpRequest): Promise<HttpResponse> =>
    send(request, { options, agents, tlsOptions });
  return {
    request: (request) => follow(request, exchange, MOST_REDIRECTS),
    close: () => {
      agents.http.destroy();
      agents.https.destroy();
    },
  };
}

type Exchange = (request: HttpRequest) => Promise<HttpResponse>;

async function follow(request: HttpRequest, exchange: Exchange, redirects: number): Promise<HttpResponse> {
  const response = await exchange(request);
  const { location } = response.headers;
  const redirected = [301, 302, 303, 307, 308].includes(response.status) && location !== undefined;
  if (!redirected || !/^(GET|HEAD)$/.test(request.method)) return response;
  response.body.resume();
  if (redirects === 0) throw new ComposeError('registry', `${request.url.origin} redirects without end`);
  const url = new URL(location, request.url);
  if (!/^https?:$/.test(url.protocol))
    throw new ComposeError('registry', `${request.url.origin} redirects to ${url}`);
  // what authorises at one server is not the business of another
  const { authorization: _, ...rest } = request.headers ?? {};
  const headers = url.origin === request.url.origin ? request.headers : rest;
  return follow({ ...request, url, ...(headers === undefined ? {} : { headers }) }, exchange, redirects - 1);
}

interface Connections {
  readonly options: HttpOptions;
  readonly agents: { readonly http: http.Agent; readonly https: https.Agent };
  readonly tlsOptions: (host: string) => tls.ConnectionOptions;
}

async function send(
  request: HttpRequest,
  { options, agents, tlsOptions }: Connections,
): Promise<HttpResponse> {
  const { url, method, headers, signal } = request;
  signal?.throwIfAborted();
  const secure = url.protocol === 'https:';
  const proxy = proxyFor(url, options.environment);
  const settings: https.RequestOptions = {
    method,
    headers: { 'user-agent': 'tscompose', ...headers },
    agent: secure ? agents.https : agents.http,
    ...(signal ? { signal } : {}),
    ...(secure ? tlsOptions(url.host) : {}),
  };
  if (proxy === undefined)
    return transfer(request, secure ? https.request(url, settings) : http.request(url, settings), options);
  if (!/^https?:$/.test(proxy.protocol))
    throw new ComposeError('registry', `a proxy of the kind ${proxy.protocol}// is not understood`, {
      hint: 'name one that speaks HTTP, or except the registry in NO_PROXY',
    });
  const reach: https.RequestOptions = {
    host: nameOf(proxy),
    port: proxy.port || (proxy.protocol === 'https:' ? 443 : 80),
    ...(proxy.protocol === 'https:' ? tlsOptions(proxy.host) : {}),
  };
  if (secure) {
    const socket = await tunnel(proxy, reach, { target: url, signal });
    // with any agent, also `false`, the connection would be made by that one
    const { agent: _, ...rest } = settings;
    const direct = {
      ...rest,
      createConnection: () => tls.connect({ socket, servername: nameOf(url), ...tlsOptions(url.host) }),
    };
    return transfer(request, https.request(url, direct), options);
  }
  const through = {
    ...settings,
    ...reach,
    agent: proxy.protocol === 'https:' ? agents.https : agents.http,
    path: url.href,
    headers: { ...settings.headers, host: url.host, ...proxyHeaders(proxy) },
  };
  return transfer(request, requestTo(proxy)(through), options);
}

function transfer(
  request: HttpRequest,
  sent: http.ClientRequest,
  { stallMs = STALL_MS }: HttpOptions,
): Promise<HttpResponse> {
  return new Promise((resolve, reject) => {
    sent.setTimeout(stallMs, () => sent.destroy(new StalledError(request.url.host, stallMs)));
    sent.on('error', reject);
    sent.on('response', (body) => {
      resolve({ status: body.statusCode ?? 0, headers: body.headers, body, url: request.url });
    });
    void writeBody(sent, request.body).catch((error: Error) => sent.destroy(error));
  });
}

async function writeBody(sent: http.ClientRequest, body: HttpRequest['body']): Promise<void> {
  if (body === undefined || body instanceof Uint8Array) return void sent.end(body);
  for await (const chunk of body) {
    if (sent.destroyed) return;
    if (!sent.write(chunk)) await drained(sent);
  }
  sent.end();
}

function drained(sent: http.ClientRequest): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      sent.off('drain', done);
      sent.off('close', done);
      resolve();
    };
    sent.on('drain', done);
    sent.on('close', done);
  });
}

class StalledError extends Error {
  readonly code = 'ETIMEDOUT';
  constructor(host: string, stallMs: number) {
    super(`${host} sent nothing for ${stallMs / 1000} seconds`);
  }
}

const TRANSIENT = new Set([
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'EAI_AGAIN',
  'ECONNABORTED',
  'ENETUNREACH',
  'EHOSTUNREACH',
  'ERR_STREAM_PREMATURE_CLOSE',
]);

/** Whether a network failure may be gone at the next attempt. */
export function isTransient(error: unknown): boolean {
  const code = codeOf(error);
  return code !== undefined && TRANSIENT.has(code);
}

/** Whether the other side does not speak the protocol that the URL says, TLS or not. */
export function isWrongProtocol(error: unknown): boolean {
  const code = codeOf(error) ?? '';
  return code === 'EPROTO' || code.startsWith('ERR_SSL_') || code.startsWith('HPE_') || code === 'ECONNRESET';
}

export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;
}

/** All of a small answer; ComposeError `registry` when it has more than `limit` bytes. */
export async function readBody(response: HttpResponse, limit = 8 * 1024 * 1024): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of response.body) {
    const bytes = Buffer.from(chunk);
    length += bytes.length;
    if (length > limit)
      throw new ComposeError('registry', `${response.url.host} answered with more than ${limit} bytes`);
    chunks.push(bytes);
  }
  return Buffer.concat(chunks);
}

// --- certificates ---

function tlsOptionsOf(host: string, { environment, isInsecure }: HttpOptions): tls.ConnectionOptions {
  const own = certificatesFor(host, environment);
  const ca = [...new Set([...tls.rootCertificates, ...systemCertificates(environment), ...own.ca])];
  return {
    secureContext: tls.createSecureContext({ ca, ...own.client }),
    ...(isInsecure?.(host) ? { rejectUnauthorized: false } : {}),
  };
}

function systemCertificates(environment: HttpOptions['environment']): string[] {
  const { SSL_CERT_FILE, SSL_CERT_DIR, NODE_EXTRA_CA_CERTS } = environment;
  const bundle = SSL_CERT_FILE ?? SYSTEM_CAS.find((path) => existsSync(path));
  const files = [
    bundle,
    NODE_EXTRA_CA_CERTS,
    ...(SSL_CERT_DIR?.split(':').flatMap(filesIn) ?? []).filter(isCertificate),
  ];
  return files.flatMap((file) => (file && isFile(file) ? [readFileSync(file, 'utf8')] : []));
}

interface OwnCertificates {
  readonly ca: readonly string[];
  readonly client: tls.SecureContextOptions;
}

/** `certs.d/HOST/`: CA certificates end in .crt, a client certificate is a .cert with a .key beside it. */
function certificatesFor(host: string, environment: HttpOptions['environment']): OwnCertificates {
  const config = environment.XDG_CONFIG_HOME ?? (environment.HOME && `${environment.HOME}/.config`);
  const dirs = [
    ...CERTIFICATE_DIRS,
    ...(config ? [`${config}/containers/certs.d`] : []),
    ...(environment.HOME ? [`${environment.HOME}/.docker/certs.d`] : []),
  ];
  const files = dirs.flatMap((dir) => filesIn(join(dir, host)));
  const cert = files.find((file) => file.endsWith('.cert'));
  const key = cert?.replace(/\.cert$/, '.key');
  return {
    ca: files.filter((file) => file.endsWith('.crt')).map((file) => readFileSync(file, 'utf8')),
    client: cert && key && existsSync(key) ? { cert: readFileSync(cert), key: readFileSync(key) } : {},
  };
}

function filesIn(dir: string): string[] {
  const names = statSync(dir, { throwIfNoEntry: false })?.isDirectory() ? readdirSync(dir) : [];
  return names.map((name) => join(dir, name)).filter(isFile);
}

function isCertificate(path: string): boolean {
  return /\.(?:pem|crt|\d+)$/.test(path);
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false;
}

// --- proxies ---

function proxyFor(url: URL, environment: HttpOptions['environment']): URL | undefined {
  const name = url.protocol === 'https:' ? 'HTTPS_PROXY' : 'HTTP_PROXY';
  const { ALL_PROXY, all_proxy } = environment;
  const proxy = environment[name.toLowerCase()] || environment[name] || all_proxy || ALL_PROXY;
  if (!proxy || isExempt(url, environment.no_proxy || environment.NO_PROXY || '')) return undefined;
  return new URL(/^[a-z0-9]+:\/\//i.test(proxy) ? proxy : `http://${proxy}`);
}

function isExempt(url: URL, list: string): boolean {
  const host = nameOf(url);
  if (isLoopback(host)) return true;
  return list
    .split(',')
    .map((entry) => entry.trim().toLowerCase())
    .filter((entry) => entry !== '')
    .some((entry) => {
      if (entry === '*' || entry === url.host || inNetwork(host, entry)) return true;
      const name = entry.replace(/^\*?\./, '');
      return host === name || host.endsWith(`.${name}`);
    });
}

/** The host without port and brackets. */
export function nameOf(url: URL): string {
  return url.hostname.replace(/^\[|\]$/g, '').toLowerCase();
}

export function isLoopback(name: string): boolean {
  return (
    name === 'localhost' || name.endsWith('.localhost') || name === '::1' || /^127(\.\d+){3}$/.test(name)
  );
}

/** Whether an address is in a network in CIDR form. */
export function inNetwork(name: string, entry: string): boolean {
  const [address, bits] = entry.split('/');
  const family = isIP(name);
  if (address === undefined || bits === undefined || family === 0 || isIP(address) !== family) return false;
  const list = new BlockList();
  list.addSubnet(address, Number(bits), family === 4 ? 'ipv4' : 'ipv6');
  return list.check(name, family === 4 ? 'ipv4' : 'ipv6');
}

function proxyHeaders(proxy: URL): Record<string, string> {
  if (proxy.username === '') return {};
  const pair = `${decodeURIComponent(proxy.username)}:${decodeURIComponent(proxy.password)}`;
  return { 'proxy-authorization': `Basic ${Buffer.from(pair).toString('base64')}` };
}

/** How a proxy itself is spoken to. */
function requestTo(proxy: URL): typeof http.request {
  return proxy.protocol === 'https:' ? https.request : http.request;
}

interface Tunnel {
  readonly target: URL;
  readonly signal: AbortSignal | undefined;
}

function tunnel(proxy: URL, reach: https.RequestOptions, { target, signal }: Tunnel): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const path = `${target.hostname}:${target.port || 443}`;
    const asked = requestTo(proxy)({
      ...reach,
      method: 'CONNECT',
      path,
      headers: { host: path, ...proxyHeaders(proxy) },
      agent: false,
      ...(signal ? { signal } : {}),
    });
    asked.setTimeout(STALL_MS, () => asked.destroy(new StalledError(proxy.host, STALL_MS)));
    asked.on('error', reject);
    asked.on('connect', (response, socket) => {
      if (response.statusCode === 200) return resolve(socket);
      socket.destroy();
      reject(new ComposeError('registry', `the proxy ${proxy.host} refuses ${path}: ${response.statusCode}`));
    });
    asked.end();
  });
}
