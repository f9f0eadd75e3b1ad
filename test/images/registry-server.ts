// A registry for tests: the distribution protocol from memory, with TLS, both kinds of authentication, and faults on demand.
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import * as http from 'node:http';
import * as https from 'node:https';
import { join } from 'node:path';
import { MEDIA } from '../../src/images/manifest.ts';
import { sha256 } from './world.ts';

export interface Asked {
  readonly method: string;
  readonly path: string;
  readonly range: string | undefined;
  readonly authorization: string | undefined;
}

/** What goes wrong with one answer. */
export type Fault =
  | { readonly kind: 'status'; readonly status: number; readonly retryAfter?: string }
  /** The connection ends after this many bytes of the body. */
  | { readonly kind: 'cut'; readonly after: number }
  /** Nothing comes any more after this many bytes. */
  | { readonly kind: 'stall'; readonly after: number }
  /** The second half of the body comes after this time. */
  | { readonly kind: 'late'; readonly ms: number }
  /** One byte is another. */
  | { readonly kind: 'wrong' }
  /** Another server has it. */
  | { readonly kind: 'redirect'; readonly to: string }
  /** Ranges are ignored: 200 and all of it. */
  | { readonly kind: 'no-range' };

export interface RegistryOptions {
  readonly auth?: 'none' | 'basic' | 'token';
  /** How long a token is said to be good for; five minutes unless told. */
  readonly tokenLifeS?: number;
  /** Directory with ca.crt, server.crt and server.key. */
  readonly tls?: string;
  /** The fault of an answer, or undefined; called for every request below /v2/ that is authorised. */
  readonly fault?: (asked: Asked) => Fault | undefined;
}

export const USER = 'user';
export const PASSWORD = 'pass:word';
/** Stands for both at the token server. */
export const IDENTITY = 'identity token';
const BASIC = `Basic ${Buffer.from(`${USER}:${PASSWORD}`).toString('base64')}`;

interface Stored {
  readonly type: string;
  readonly bytes: Buffer;
}

export class TestRegistry implements AsyncDisposable {
  readonly asked: Asked[] = [];
  readonly blobs = new Map<string, Buffer>();
  /** By `repository:tag` and `repository@digest`. */
  readonly manifests = new Map<string, Stored>();
  readonly linked = new Set<string>();
  host = '';
  readonly #options: RegistryOptions;
  readonly #server: http.Server | https.Server;
  readonly #uploads = new Map<string, Buffer>();
  readonly #tokens = new Set<string>();

  constructor(options: RegistryOptions = {}) {
    this.#options = options;
    const handle: http.RequestListener = (request, response) => void this.#answer(request, response);
    this.#server =
      options.tls === undefined
        ? http.createServer(handle)
        : https.createServer(
            {
              key: readFileSync(join(options.tls, 'server.key')),
              cert: readFileSync(join(options.tls, 'server.crt')),
            },
            handle,
          );
  }

  async listen(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    const address = this.#server.address();
    if (typeof address !== 'object' || address === null) throw new Error('no address');
    this.host = `127.0.0.1:${address.port}`;
    return this;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** Puts an image here as another tool would; returns the digest of its manifest. */
  put(
    repository: string,
    tag: string,
    image: {
      readonly layers: readonly Uint8Array[];
      readonly diffIds: readonly string[];
      readonly schema2?: boolean;
    },
  ): string {
    const blob = (bytes: Uint8Array): { digest: string; size: number } => {
      const digest = sha256(bytes);
      this.blobs.set(digest, Buffer.from(bytes));
      this.linked.add(`${repository}@${digest}`);
      return { digest, size: bytes.length };
    };
    const layers = image.layers.map((layer) => ({ mediaType: MEDIA.ociLayerGzip, ...blob(layer) }));
    const config = {
      os: 'linux',
      architecture: 'amd64',
      config: { Cmd: ['x'] },
      rootfs: { type: 'layers', diff_ids: image.diffIds },
    };
    const mediaType = image.schema2 ? MEDIA.dockerManifest : MEDIA.ociManifest;
    const document = {
      schemaVersion: 2,
      mediaType,
      config: { mediaType: MEDIA.ociConfig, ...blob(Buffer.from(JSON.stringify(config))) },
      layers,
    };
    return this.putManifest(repository, tag, {
      type: mediaType,
      bytes: Buffer.from(JSON.stringify(document)),
    });
  }

  putManifest(repository: string, tag: string, stored: Stored): string {
    const digest = sha256(stored.bytes);
    this.manifests.set(`${repository}:${tag}`, stored);
    this.manifests.set(`${repository}@${digest}`, stored);
    return digest;
  }

  count(method: string, pattern: RegExp): number {
    return this.asked.filter((asked) => asked.method === method && pattern.test(asked.path)).length;
  }

  async #answer(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', `http://${this.host}`);
    const { authorization, range } = request.headers;
    const asked = { method: request.method ?? '', path: url.pathname + url.search, range, authorization };
    this.asked.push(asked);
    if (url.pathname === '/token') return await this.#token(url, request, response);
    if (!this.#isAuthorised(authorization, url, response)) return void request.resume();
    const fault = this.#options.fault?.(asked);
    if (fault?.kind === 'status') {
      request.resume();
      response.writeHead(
        fault.status,
        fault.retryAfter === undefined ? {} : { 'retry-after': fault.retryAfter },
      );
      return void response.end(JSON.stringify({ errors: [{ code: 'FAULT', message: 'this is a test' }] }));
    }
    if (fault?.kind === 'redirect') {
      request.resume();
      return void response.writeHead(307, { location: `http://${fault.to}${url.pathname}` }).end();
    }
    const [, repository = '', kind = '', name = ''] =
      /^\/v2\/(.+)\/(manifests|blobs)\/(.+)$/.exec(url.pathname) ?? [];
    if (url.pathname === '/v2/') response.writeHead(200).end('{}');
    else if (kind === 'manifests')
      await this.#manifest(request, response, `${repository}${name.includes(':') ? '@' : ':'}${name}`);
    else if (name.startsWith('uploads/')) await this.#upload(request, response, { repository, url });
    else if (kind === 'blobs') this.#blob(request, response, { digest: name, repository, fault });
    else response.writeHead(404).end();
  }

  #isAuthorised(authorization: string | undefined, url: URL, response: http.ServerResponse): boolean {
    const { auth = 'none', tls } = this.#options;
    if (auth === 'none' || (auth === 'basic' && authorization === BASIC)) return true;
    if (auth === 'token' && this.#tokens.has(authorization?.replace('Bearer ', '') ?? '')) return true;
    const [, repository = ''] = /^\/v2\/(.+)\/(?:manifests|blobs)\//.exec(url.pathname) ?? [];
    const realm = `${tls === undefined ? 'http' : 'https'}://${this.host}/token`;
    const challenge =
      auth === 'basic'
        ? 'Basic realm="test"'
        : `Bearer realm="${realm}",service="test service",scope="repository:${repository}:pull"`;
    response
      .writeHead(401, { 'www-authenticate': challenge })
      .end('{"errors":[{"code":"UNAUTHORIZED","message":"who are you?"}]}');
    return false;
  }

  async #token(url: URL, request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const form = new URLSearchParams((await bodyOf(request)).toString('utf8'));
    const asked = request.method === 'POST' ? form : url.searchParams;
    const isKnown = request.headers.authorization === BASIC || form.get('refresh_token') === IDENTITY;
    if (!isKnown || asked.get('service') !== 'test service') return void response.writeHead(401).end('{}');
    const token = randomBytes(16).toString('hex');
    this.#tokens.add(token);
    response.end(JSON.stringify({ token, expires_in: this.#options.tokenLifeS ?? 300 }));
  }

  async #manifest(request: http.IncomingMessage, response: http.ServerResponse, key: string): Promise<void> {
    if (request.method === 'PUT') {
      const [repository = '', tag = ''] = key.split(/[:@](?=[^/]*$)/);
      this.putManifest(repository, tag, {
        type: request.headers['content-type'] ?? '',
        bytes: await bodyOf(request),
      });
      return void response.writeHead(201).end();
    }
    const stored = this.manifests.get(key);
    if (stored === undefined)
      return void response
        .writeHead(404)
        .end('{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown"}]}');
    response.writeHead(200, {
      'content-type': stored.type,
      'content-length': stored.bytes.length,
      'docker-content-digest': sha256(stored.bytes),
    });
    response.end(request.method === 'HEAD' ? undefined : stored.bytes);
  }

  #blob(
    request: http.IncomingMessage,
    response: http.ServerResponse,
    {
      digest,
      repository,
      fault,
    }: { readonly digest: string; readonly repository: string; readonly fault: Fault | undefined },
  ): void {
    const whole = this.blobs.get(digest);
    if (whole === undefined || !this.linked.has(`${repository}@${digest}`))
      return void response.writeHead(404).end();
    const start =
      fault?.kind === 'no-range' ? 0 : Number(/bytes=(\d+)-/.exec(request.headers.range ?? '')?.[1] ?? 0);
    const bytes = Buffer.from(whole.subarray(start));
    const last = bytes.length - 1;
    if (fault?.kind === 'wrong') bytes[last] = (bytes[last] ?? 0) ^ 1;
    response.writeHead(start > 0 ? 206 : 200, { 'content-length': bytes.length });
    if (request.method === 'HEAD') return void response.end();
    if (fault?.kind === 'cut')
      return void response.write(bytes.subarray(0, fault.after), () => response.destroy());
    if (fault?.kind === 'stall') return void response.write(bytes.subarray(0, fault.after));
    if (fault?.kind === 'late') {
      const half = bytes.length >> 1;
      response.write(bytes.subarray(0, half));
      return void setTimeout(() => response.end(bytes.subarray(half)), fault.ms);
    }
    response.end(bytes);
  }

  async #upload(
    request: http.IncomingMessage,
    response: http.ServerResponse,
    { repository, url }: { readonly repository: string; readonly url: URL },
  ): Promise<void> {
    const body = await bodyOf(request);
    const { searchParams, pathname } = url;
    const mount = searchParams.get('mount');
    if (
      request.method === 'POST' &&
      mount !== null &&
      this.linked.has(`${searchParams.get('from')}@${mount}`)
    ) {
      this.linked.add(`${repository}@${mount}`);
      return void response.writeHead(201).end();
    }
    const id =
      request.method === 'POST' ? randomBytes(8).toString('hex') : (pathname.split('/').at(-1) ?? '');
    const sofar = Buffer.concat([this.#uploads.get(id) ?? Buffer.alloc(0), body]);
    this.#uploads.set(id, sofar);
    const digest = searchParams.get('digest');
    if (request.method !== 'PUT' || digest === null) {
      return void response
        .writeHead(202, { location: `/v2/${repository}/blobs/uploads/${id}?state=${sofar.length}` })
        .end();
    }
    if (sha256(sofar) !== digest)
      return void response
        .writeHead(400)
        .end('{"errors":[{"code":"DIGEST_INVALID","message":"wrong digest"}]}');
    this.blobs.set(digest, sofar);
    this.linked.add(`${repository}@${digest}`);
    response.writeHead(201).end();
  }
}

async function bodyOf(request: http.IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(Buffer.from(chunk));
  return Buffer.concat(chunks);
}

/** A CA of its own and a certificate for 127.0.0.1 and registry.test, in `dir`; false when openssl is missing. */
export function makeCertificates(dir: string): boolean {
  const script = `cd "$0" &&
    openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=test-ca -keyout ca.key -out ca.crt &&
    openssl req -newkey rsa:2048 -nodes -subj /CN=127.0.0.1 -keyout server.key -out server.csr &&
    printf 'subjectAltName=IP:127.0.0.1,DNS:registry.test' > ext && openssl x509 -req -in server.csr -CA ca.crt -CAkey ca.key -CAcreateserial -days 2 -extfile ext -out server.crt`;
  return spawnSync('sh', ['-c', script, dir], { stdio: 'ignore' }).status === 0;
}
