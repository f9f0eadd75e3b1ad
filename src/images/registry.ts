// The client of the OCI distribution specification: repositories with manifests and blobs, at registries and their mirrors.
import { ComposeError } from '../errors.ts';
import { createAuthorizer } from './authorize.ts';
import type { Credential } from './credentials.ts';
import { fetchManifest, firstOf, resolve, streamBlob } from './download.ts';
import { createHttpClient, isLoopback } from './http.ts';
import type { ManifestDocument } from './install.ts';
import type { Descriptor } from './manifest.ts';
import type { Reference } from './reference.ts';
import { type Endpoint, endpointsOf, isInsecureHost, type Registries, readRegistries } from './registries.ts';
import { type Connection, checkAccess, hostName, type Server, serverOf } from './server.ts';
import { hasBlob, pushBlob, pushManifest, type Upload } from './upload.ts';

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

export interface RegistryClient {
  /** `origin`: mirrors are left out, which they are for a push anyway. */
  repository(reference: Reference, access: 'pull' | 'push', from?: 'origin'): Repository;
  /** Whether the credential is accepted; throws ComposeError `registry` when not. */
  check(registry: string, signal?: AbortSignal): Promise<void>;
  close(): void;
}

const RETRY_MS = 300;

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
  const repository: RegistryClient['repository'] = (reference, access, from) => {
    const endpoints = endpointsOf(reference, registries);
    for (const { insecure, host } of endpoints)
      if (insecure && !isLoopback(hostName(host))) insecureHosts.add(host);
    const used =
      access === 'push' || from === 'origin' ? endpoints.filter(({ isMirror }) => !isMirror) : endpoints;
    return repositoryOf(used.map((endpoint) => serverOf(connection, endpoint, access)));
  };
  return {
    repository,
    check: (registry, signal) => checkAccess(connection, endpointOfRegistry(registry, registries), signal),
    close: () => http.close(),
  };
}

/** Runs `fn` with a client that several calls share, or with one of its own. */
export async function withRegistries<T>(
  shared: RegistryClient | undefined,
  fn: (client: RegistryClient) => Promise<T>,
): Promise<T> {
  if (shared !== undefined) return fn(shared);
  const client = openRegistries({ environment: process.env });
  try {
    return await fn(client);
  } finally {
    client.close();
  }
}

function endpointOfRegistry(registry: string, registries: Registries): Endpoint {
  const found = endpointsOf({ registry, repository: 'library/x', tag: 'latest' }, registries).at(-1);
  if (found === undefined) throw new ComposeError('registry', `no server for ${registry}`);
  return found;
}

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
