// Names: the networks' name tables, the fixed part of a hosts file, resolv.conf. Formats are in shim.h.
import { mkdirSync } from 'node:fs';
import type { Context } from '../state/context.ts';
import { networkFiles } from '../state/layout.ts';
import { withLock } from '../state/lock.ts';
import { readTextIfPresent, writeAtomically } from '../state/record.ts';
import { type Address, formatAddress, parseAddress } from './address.ts';
import type { NetworkRecord } from './record.ts';

/** One address of a container, and what it is called on that network. */
export interface NameLine {
  readonly address: string;
  readonly names: readonly string[];
}

/** Sets the lines of a container in a network's name table, in place of those it had. */
export function addNames(
  ctx: Context,
  network: NetworkRecord,
  container: string,
  lines: readonly NameLine[],
): Promise<void> {
  return editNames(ctx, network, (table) => replaceNames(table, container, lines));
}

/** The lines of one container. */
export interface NameEntry {
  readonly container: string;
  readonly lines: readonly NameLine[];
}

/** The same for many containers at once: the table is rewritten, and read by its readers, once. */
export function addAllNames(
  ctx: Context,
  network: NetworkRecord,
  entries: readonly NameEntry[],
): Promise<void> {
  return editNames(ctx, network, (table) =>
    entries.reduce((text, { container, lines }) => replaceNames(text, container, lines), table),
  );
}

/** Takes a container's lines out; the shim does the same when it ends. */
export function removeNames(ctx: Context, network: NetworkRecord, container: string): Promise<void> {
  return editNames(ctx, network, (table) => replaceNames(table, container, []));
}

/** Pure: a name table with other lines for one container. */
export function replaceNames(table: string, container: string, lines: readonly NameLine[]): string {
  const others = table.split('\n').filter((line) => line !== '' && !line.startsWith(`${container} `));
  const own = lines.map(({ address, names }) => [container, address, ...new Set(names)].join(' '));
  return [...others, ...own].map((line) => `${line}\n`).join('');
}

function editNames(ctx: Context, network: NetworkRecord, edit: (table: string) => string): Promise<void> {
  const files = networkFiles(ctx.layout, network.id);
  mkdirSync(files.runDir, { recursive: true, mode: 0o711 });
  return withLock(ctx.core, files.lock, { exclusive: true }, () => {
    const table = readTextIfPresent(files.names) ?? '';
    const edited = edit(table);
    if (edited !== table) writeAtomically(files.names, edited, { mode: 0o644 });
  });
}

const LOCALHOST = [
  '127.0.0.1\tlocalhost',
  '::1\tlocalhost ip6-localhost ip6-loopback',
  'fe00::\tip6-localnet',
  'ff00::\tip6-mcastprefix',
  'ff02::1\tip6-allnodes',
  'ff02::2\tip6-allrouters',
];

export interface HostsOptions {
  /** `NAME=ADDRESS` or `NAME:ADDRESS`, as `extra_hosts` has them; `host-gateway` stands for `gateways`. */
  readonly extraHosts?: readonly string[];
  /** The machine's addresses as the container sees them. */
  readonly gateways?: readonly string[];
  /** The host's own file, in a container that uses the host's network. */
  readonly base?: string;
}

/** The fixed first lines of a container's hosts file. */
export function hostsHeader({ extraHosts = [], gateways = [], base }: HostsOptions): string {
  const start = base === undefined ? LOCALHOST : base.replace(/\n+$/, '').split('\n');
  const extra = extraHosts.flatMap((entry) => extraHostLines(entry, gateways));
  return [...start, ...extra].map((line) => `${line}\n`).join('');
}

function extraHostLines(entry: string, gateways: readonly string[]): string[] {
  const [, name = '', text = ''] = /^([^=:]+)[=:](.*)$/.exec(entry.trim()) ?? [];
  const address = text.replace(/^\[(.*)\]$/, '$1');
  const addresses = address === 'host-gateway' ? gateways : [address];
  return addresses.map((value) => `${value}\t${name}`);
}

export interface ResolverOptions {
  /** Content of the host's /etc/resolv.conf. */
  readonly host: string;
  readonly dns?: readonly string[];
  readonly search?: readonly string[];
  readonly options?: readonly string[];
  /** The container uses the host's network: there is no server at 127.0.0.11. */
  readonly hostNetwork?: boolean;
}

/** A container's resolv.conf (resolv.conf(5)). */
export function resolvConf({
  host,
  dns = [],
  search = [],
  options = [],
  hostNetwork = false,
}: ResolverOptions): string {
  if (hostNetwork && dns.length + search.length + options.length === 0) return host;
  const servers = hostNetwork ? (dns.length > 0 ? dns : valuesOf(host, 'nameserver')) : ['127.0.0.11'];
  const domains = search.length > 0 ? search.filter((domain) => domain !== '.') : searchOf(host);
  const settings = resolverOptions(host, options, hostNetwork);
  return [
    ...servers.map((server) => `nameserver ${server}`),
    ...(domains.length > 0 ? [`search ${domains.join(' ')}`] : []),
    ...(settings.length > 0 ? [`options ${settings.join(' ')}`] : []),
  ]
    .map((line) => `${line}\n`)
    .join('');
}

// Names without a dot are what containers are called: they are asked for as they are first.
function resolverOptions(host: string, options: readonly string[], hostNetwork: boolean): string[] {
  const chosen =
    options.length > 0 ? [...options] : valuesOf(host, 'options').flatMap((line) => line.split(/\s+/));
  if (hostNetwork || chosen.some((option) => option.startsWith('ndots:'))) return chosen;
  return [...chosen, 'ndots:0'];
}

function valuesOf(text: string, keyword: string): string[] {
  return text.split('\n').flatMap((line) => {
    const [, key, value] = /^\s*(\S+)\s+(.*?)\s*(?:[#;].*)?$/.exec(line) ?? [];
    return key === keyword && value ? [value] : [];
  });
}

function searchOf(host: string): string[] {
  const last = [...valuesOf(host, 'search'), ...valuesOf(host, 'domain')][0];
  return last === undefined ? [] : last.split(/\s+/).filter((domain) => domain !== '.');
}

/** The name servers in a resolv.conf that can be reached from anywhere on this machine: not those on loopback. */
export function upstreamServers(text: string): Address[] {
  return valuesOf(text, 'nameserver')
    .flatMap((server) => parseAddress(server.replace(/%.*$/, '')) ?? [])
    .filter((address) => !isLoopback(address));
}

function isLoopback({ family, value }: Address): boolean {
  return family === 4 ? value >> 24n === 127n : value === 1n;
}

const SYSTEMD_UPSTREAMS = '/run/systemd/resolve/resolv.conf';

/** Where the shim's name server forwards to: the service's `dns`, else the machine's servers. */
export function dnsUpstreams(dns: readonly string[] = []): string[] {
  if (dns.length > 0) return [...dns];
  const files = ['/etc/resolv.conf', SYSTEMD_UPSTREAMS];
  const found = files
    .map((file) => upstreamServers(readTextIfPresent(file) ?? ''))
    .find(({ length }) => length > 0);
  return (found ?? []).map(formatAddress);
}
