// Configs and secrets, and the files that every container gets a version of its own of.
import type { FileObjectConfig, FileObjectMount, Project, Service } from '../compose/project.ts';
import { ComposeError, type Position } from '../errors.ts';
import type { BindMount } from './mounts.ts';

/** Content that is written to the container's directory and bound read-only. */
export interface ContentFile {
  readonly target: string;
  readonly content: Uint8Array;
  readonly uid: number;
  readonly gid: number;
  readonly mode: number;
}

export interface ObjectFiles {
  readonly binds: readonly BindMount[];
  readonly contents: readonly ContentFile[];
}

export interface ObjectFileWish {
  readonly project: Pick<Project, 'configs' | 'secrets' | 'environment' | 'positionOf'>;
  readonly serviceName: string;
  readonly service: Service;
  /** Throws when the file is missing. */
  readonly readFile: (path: string) => Uint8Array;
  readonly exists: (path: string) => boolean;
  /** Directory of the external ones. */
  readonly store: (kind: Kind) => string;
}

type Kind = 'configs' | 'secrets';

/** Files of the configs and secrets of a service; a file with no owner or mode asked for is bound as it is. */
export function objectFilesOf(wish: ObjectFileWish): ObjectFiles {
  const placed = (['configs', 'secrets'] as const).flatMap((kind) =>
    (wish.service[kind] ?? []).map((mount, index) => placeObject(wish, kind, mount, index)),
  );
  return {
    binds: placed.flatMap((item) => ('type' in item ? [item] : [])),
    contents: placed.flatMap((item) => ('content' in item ? [item] : [])),
  };
}

function placeObject(
  wish: ObjectFileWish,
  kind: Kind,
  mount: FileObjectMount,
  index: number,
): BindMount | ContentFile {
  const config = wish.project[kind][mount.source];
  const at = wish.project.positionOf(`services.${wish.serviceName}.${kind}[${index}]`);
  const singular = kind === 'configs' ? 'config' : 'secret';
  if (config === undefined)
    throw new ComposeError('undefined-reference', `unknown ${singular} ${mount.source}`, atOf(at));
  const target = targetOf(kind, mount);
  if (config.file !== undefined) return fileObject({ wish, path: config.file, mount, target, at, singular });
  if (config.external) {
    return { target, content: externalObject(wish, kind, config.name, atOf(at)), ...ownership(mount) };
  }
  const content = Buffer.from(textOf(wish, config, `${singular} ${mount.source}`, at));
  return { target, content, ...ownership(mount) };
}

function atOf(at: Position | undefined): { readonly at?: Position } {
  return at === undefined ? {} : { at };
}

function targetOf(kind: Kind, { source, target }: FileObjectMount): string {
  const folder = kind === 'configs' ? '/' : '/run/secrets/';
  if (!target) return `${folder}${source}`;
  return target.startsWith('/') ? target : `${folder}${target}`;
}

interface FileObject {
  readonly wish: ObjectFileWish;
  readonly path: string;
  readonly mount: FileObjectMount;
  readonly target: string;
  readonly at: Position | undefined;
  readonly singular: string;
}

function fileObject({ wish, path, mount, target, at, singular }: FileObject): BindMount | ContentFile {
  if (!wish.exists(path)) {
    throw new ComposeError(
      'bind-source-missing',
      `${singular} ${mount.source}: ${path} does not exist`,
      atOf(at),
    );
  }
  const asIs = mount.uid === undefined && mount.gid === undefined && mount.mode === undefined;
  if (!asIs) return { target, content: wish.readFile(path), ...ownership(mount) };
  return { type: 'bind', source: path, target, readOnly: true, createSource: false, ...atOf(at) };
}

function ownership({ uid, gid, mode }: FileObjectMount) {
  return {
    uid: Number.parseInt(uid ?? '0', 10) || 0,
    gid: Number.parseInt(gid ?? '0', 10) || 0,
    mode: mode === undefined ? 0o444 : Number.parseInt(mode, 8),
  };
}

function textOf(
  wish: ObjectFileWish,
  config: FileObjectConfig,
  what: string,
  at: Position | undefined,
): string {
  if (config.content !== undefined) return config.content;
  if (config.environment !== undefined) {
    const value = wish.project.environment[config.environment];
    if (value !== undefined) return value;
    throw new ComposeError(
      'required-variable',
      `${what} needs the variable ${config.environment}, which is not set`,
      atOf(at),
    );
  }
  throw new ComposeError('missing-key', `${what} has no content`, {
    hint: 'give it `file:`, `environment:` or `content:`',
    ...atOf(at),
  });
}

// The name is a file: nothing that leaves its place can be one.
const OBJECT_NAME = /^[a-zA-Z0-9_][a-zA-Z0-9_.-]*$/;

function externalObject(
  wish: ObjectFileWish,
  kind: Kind,
  name: string,
  place: { readonly at?: Position },
): Uint8Array {
  const path = `${wish.store(kind)}/${name}`;
  if (OBJECT_NAME.test(name) && wish.exists(path)) return wish.readFile(path);
  throw new ComposeError('file-not-found', `external ${kind.slice(0, -1)} ${name}: ${path} does not exist`, {
    hint: `put its content into ${path}, or give it \`file:\` or \`environment:\``,
    ...place,
  });
}

export interface HostsWish {
  readonly service: Service;
  readonly hostname: string;
  readonly addresses: readonly string[];
  /** What `host-gateway` stands for; none when the container has no route to the host. */
  readonly hostGateways: readonly string[];
}

const LOCAL_NAMES = [
  '127.0.0.1\tlocalhost',
  '::1\tlocalhost ip6-localhost ip6-loopback',
  'fe00::\tip6-localnet',
  'ff00::\tip6-mcastprefix',
  'ff02::1\tip6-allnodes',
  'ff02::2\tip6-allrouters',
];

/** The fixed first lines of /etc/hosts: loopback, extra_hosts, and the container's own addresses. */
export function hostsHeader({ service, hostname, addresses, hostGateways }: HostsWish): string {
  const names = service.domainname ? `${hostname}.${service.domainname} ${hostname}` : hostname;
  const extra = (service.extra_hosts ?? []).flatMap((entry) => extraHost(entry, hostGateways));
  const own = addresses.map((address) => `${address}\t${names}`);
  return `${[...LOCAL_NAMES, ...extra, ...own].join('\n')}\n`;
}

function extraHost(entry: string, hostGateways: readonly string[]): readonly string[] {
  const at = entry.indexOf('=');
  const [name, address] = [entry.slice(0, at), entry.slice(at + 1)];
  if (address !== 'host-gateway') return [`${address.replace(/^\[(.*)\]$/, '$1')}\t${name}`];
  if (hostGateways.length > 0) return hostGateways.map((gateway) => `${gateway}\t${name}`);
  throw new ComposeError(
    'invalid-value',
    `extra_hosts: ${name} asks for host-gateway, but no network leads to the host`,
    { path: 'extra_hosts' },
  );
}

export interface ResolverFile {
  readonly text: string;
  /** Servers that the shim's own resolver asks; empty when it does not answer. */
  readonly upstream: readonly string[];
}

/** /etc/resolv.conf: our resolver in a network of our own, else the machine's file with the service's changes. */
export function resolverOf(service: Service, machineText: string, own: boolean): ResolverFile {
  const machine = parseResolver(machineText);
  const servers = service.dns?.length ? service.dns : machine.servers;
  const search = service.dns_search?.length
    ? service.dns_search.filter((domain) => domain !== '.')
    : machine.search;
  const options = service.dns_opt?.length ? service.dns_opt : machine.options;
  const ownOptions = options.some((option) => option.startsWith('ndots:'))
    ? options
    : [...options, 'ndots:0'];
  const lines = [
    ...(own ? ['127.0.0.11'] : servers).map((server) => `nameserver ${server}`),
    ...(search.length > 0 ? [`search ${search.join(' ')}`] : []),
    ...((own ? ownOptions : options).length > 0 ? [`options ${(own ? ownOptions : options).join(' ')}`] : []),
  ];
  return { text: `${lines.join('\n')}\n`, upstream: own ? servers : [] };
}

function parseResolver(text: string) {
  const words = text.split('\n').map((line) =>
    line
      .replace(/[#;].*/, '')
      .trim()
      .split(/\s+/),
  );
  const values = (key: string) => words.filter(([first]) => first === key).map(([, ...rest]) => rest);
  return {
    servers: values('nameserver').flatMap(([server]) => server ?? []),
    search: values('search').at(-1) ?? values('domain').at(-1) ?? [],
    options: values('options').flat(),
  };
}
