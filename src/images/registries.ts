// Which servers a name is fetched from: mirrors, insecure and blocked registries, from our own small file, from
// registries.conf and from Docker's daemon.json.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ComposeError } from '../errors.ts';
import { asArray, asDict, asObject, asString, type JsonObject } from '../state/decode.ts';
import { inNetwork, isLoopback } from './http.ts';
import { DEFAULT_REGISTRY, type Reference } from './reference.ts';
import { parseToml } from './toml.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** A server that may have an image, in the order to be asked. */
export interface Endpoint {
  /** Host and port of the server. */
  readonly host: string;
  /** Path of the repository there. */
  readonly repository: string;
  /** Plain HTTP, and certificates that nobody signed, are accepted. */
  readonly insecure: boolean;
  readonly isMirror: boolean;
  /** A mirror that has digests only. */
  readonly digestOnly: boolean;
}

interface MirrorRule {
  readonly location: string;
  readonly insecure: boolean;
  readonly digestOnly: boolean;
  /** Not for what is asked for by digest. */
  readonly tagOnly?: boolean;
}

/** One rule of registries.conf; `prefix` is matched against `host/repository`. */
interface RegistryRule {
  readonly prefix: string;
  /** What stands in the place of the prefix; the name stays as it is when undefined. */
  readonly location: string | undefined;
  readonly insecure: boolean;
  readonly blocked: boolean;
  readonly mirrors: readonly MirrorRule[];
}

export interface Registries {
  readonly rules: readonly RegistryRule[];
  /** Hosts, `host:port`, addresses and networks in CIDR form. */
  readonly insecure: readonly string[];
}

const DOCKER_HOST = 'registry-1.docker.io';

/** Reads all configuration that exists. ComposeError `invalid-value` names a file that cannot be understood. */
export function readRegistries(environment: Environment): Registries {
  const own = ownFiles(environment).flatMap((path) => readJson(path, decodeOwn));
  const daemon = daemonFiles(environment).flatMap((path) => readJson(path, decodeDaemon));
  const conf = containersFiles(environment).flatMap(readConf);
  const all = [...own, ...daemon];
  return {
    rules: [...all.flatMap(({ rules }) => rules), ...conf],
    insecure: all.flatMap(({ insecure }) => insecure),
  };
}

/** The servers of a reference, mirrors first. ComposeError `registry` when it is blocked. */
export function endpointsOf(reference: Reference, registries: Registries): readonly Endpoint[] {
  const { registry, repository } = reference;
  const name = `${registry}/${repository}`;
  const rule = ruleFor(name, registries.rules);
  if (rule?.blocked) throw new ComposeError('registry', `${registry} is blocked by registries.conf`);
  const mirrors = (rule?.mirrors ?? [])
    .filter(({ tagOnly }) => !(tagOnly && reference.digest !== undefined))
    .map((mirror) => endpoint(name, rule?.prefix ?? registry, { ...mirror, isMirror: true }, registries));
  const origin = {
    location: rule?.location,
    insecure: rule?.insecure ?? false,
    digestOnly: false,
    isMirror: false,
  };
  return [...mirrors, endpoint(name, rule?.prefix ?? registry, origin, registries)];
}

/** Whether plain HTTP is fine for a host. */
export function isInsecureHost(host: string, registries: Registries): boolean {
  const name = host.replace(/:\d+$/, '').replace(/^\[|\]$/g, '');
  return (
    isLoopback(name) ||
    registries.insecure.some((entry) => entry === host || entry === name || inNetwork(name, entry))
  );
}

function endpoint(
  name: string,
  prefix: string,
  target: Omit<MirrorRule, 'location'> & Pick<RegistryRule, 'location'> & { readonly isMirror: boolean },
  registries: Registries,
): Endpoint {
  // what follows the prefix is appended to the location, which may have a path itself
  const rest = prefix.startsWith('*.') ? name.slice(name.indexOf('/')) : name.slice(prefix.length);
  const full = (target.location === undefined ? name : `${target.location}${rest}`).replace(
    /^https?:\/\//,
    '',
  );
  const slash = full.indexOf('/');
  const host = full.slice(0, slash);
  return {
    host: host === DEFAULT_REGISTRY ? DOCKER_HOST : host,
    repository: full.slice(slash + 1),
    insecure: target.insecure || isInsecureHost(host, registries),
    isMirror: target.isMirror,
    digestOnly: target.digestOnly,
  };
}

function ruleFor(name: string, rules: readonly RegistryRule[]): RegistryRule | undefined {
  const fits = rules.filter(({ prefix }) => matchesPrefix(name, prefix));
  return fits.sort((a, b) => b.prefix.length - a.prefix.length)[0];
}

function matchesPrefix(name: string, prefix: string): boolean {
  if (!prefix.startsWith('*.')) return name === prefix || name.startsWith(`${prefix}/`);
  const host = name.slice(0, name.indexOf('/'));
  return host.endsWith(prefix.slice(1));
}

// --- our own file: { "mirrors": { "docker.io": ["https://…"] }, "insecure": ["host:port", "10.0.0.0/8"] } ---

function ownFiles(environment: Environment): string[] {
  const { TSCOMPOSE_REGISTRIES, XDG_CONFIG_HOME, HOME } = environment;
  if (TSCOMPOSE_REGISTRIES) return [TSCOMPOSE_REGISTRIES];
  const config = XDG_CONFIG_HOME ?? (HOME ? `${HOME}/.config` : undefined);
  return [...(config ? [`${config}/tscompose/registries.json`] : []), '/etc/tscompose/registries.json'];
}

function decodeOwn(value: unknown): Registries {
  const object = asObject(value, 'registries');
  const mirrors = Object.entries(asDict(object.mirrors ?? {}, 'mirrors', stringsOf));
  return {
    rules: mirrors.map(([prefix, locations]) => mirrorRule(prefix, locations)),
    insecure: stringsOf(object.insecure ?? [], 'insecure'),
  };
}

// That of the user is what a rootless daemon reads.
function daemonFiles({ XDG_CONFIG_HOME, HOME }: Environment): string[] {
  const config = XDG_CONFIG_HOME ?? (HOME ? `${HOME}/.config` : undefined);
  return [...(config ? [`${config}/docker/daemon.json`] : []), '/etc/docker/daemon.json'];
}

function decodeDaemon(value: unknown): Registries {
  const object = asObject(value, 'daemon.json');
  const mirrors = stringsOf(object['registry-mirrors'] ?? [], 'registry-mirrors');
  return {
    rules: mirrors.length > 0 ? [mirrorRule(DEFAULT_REGISTRY, mirrors)] : [],
    insecure: stringsOf(object['insecure-registries'] ?? [], 'insecure-registries'),
  };
}

function mirrorRule(prefix: string, locations: readonly string[]): RegistryRule {
  const mirrors = locations.map((location) => ({
    location: location.replace(/^https?:\/\//, '').replace(/\/+$/, ''),
    insecure: location.startsWith('http://'),
    digestOnly: false,
  }));
  return { prefix, location: undefined, insecure: false, blocked: false, mirrors };
}

// --- registries.conf, version 2 ---

function containersFiles(environment: Environment): string[] {
  const { CONTAINERS_REGISTRIES_CONF, XDG_CONFIG_HOME, HOME } = environment;
  if (CONTAINERS_REGISTRIES_CONF) return [CONTAINERS_REGISTRIES_CONF];
  const config = XDG_CONFIG_HOME ?? (HOME ? `${HOME}/.config` : undefined);
  const user = config ? `${config}/containers/registries.conf` : undefined;
  const main = user !== undefined && existsSync(user) ? user : '/etc/containers/registries.conf';
  const dropIns = `${main}.d`;
  const extra = existsSync(dropIns)
    ? readdirSync(dropIns)
        .filter((name) => name.endsWith('.conf'))
        .sort()
    : [];
  return [...extra.reverse().map((name) => join(dropIns, name)), main];
}

function readConf(path: string): RegistryRule[] {
  if (!existsSync(path)) return [];
  return decodeFile(path, () => {
    const { registry = [] } = parseToml(readFileSync(path, 'utf8'));
    return asArray(registry, 'registry', decodeRule);
  });
}

function decodeRule(value: unknown, what: string): RegistryRule {
  const object = asObject(value, what);
  const location = textOf(object, 'location');
  const prefix = textOf(object, 'prefix') ?? location;
  if (prefix === undefined) throw new TypeError(`${what} has neither prefix nor location`);
  return {
    prefix,
    location,
    insecure: object.insecure === true,
    blocked: object.blocked === true,
    mirrors: asArray(object.mirror ?? [], 'mirror', (mirror, name) => {
      const entry = asObject(mirror, name);
      return {
        location: asString(entry.location, 'location'),
        insecure: entry.insecure === true,
        digestOnly: object['mirror-by-digest-only'] === true || entry['pull-from-mirror'] === 'digest-only',
        tagOnly: entry['pull-from-mirror'] === 'tag-only',
      };
    }),
  };
}

function textOf(object: JsonObject, key: string): string | undefined {
  const value = object[key];
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function stringsOf(value: unknown, what: string): string[] {
  return asArray(value, what, asString);
}

function readJson(path: string, decode: (value: unknown) => Registries): Registries[] {
  if (!existsSync(path)) return [];
  return [decodeFile(path, () => decode(JSON.parse(readFileSync(path, 'utf8'))))];
}

function decodeFile<T>(path: string, decode: () => T): T {
  try {
    return decode();
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ComposeError('invalid-value', `cannot understand ${path}: ${reason}`, { cause });
  }
}
