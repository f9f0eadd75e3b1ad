// `x-tscompose` of a service: what the Compose specification has no word for.
import type { Service } from '../compose/project.ts';
import { ComposeError } from '../errors.ts';
import type { OciIdMapping } from './oci.ts';
import type { ProbeRecord } from './record.ts';
import { durationMs } from './units.ts';

export interface IdMaps {
  readonly uids: readonly OciIdMapping[];
  readonly gids: readonly OciIdMapping[];
}

export interface ProbeSettings {
  readonly interval?: string;
  readonly timeout?: string;
  readonly start_period?: string;
  readonly start_interval?: string;
  readonly retries?: number;
}

export interface Extension {
  /** The user namespace of the container. */
  readonly userNamespace?: IdMaps;
  /** Mount target → ids in its file system (first column) and in the container. */
  readonly idmap: Readonly<Record<string, IdMaps>>;
  /** Clock → how far ahead of the machine's it is, in whole seconds and nanoseconds. */
  readonly time: Readonly<Record<string, { readonly secs: number; readonly nanosecs: number }>>;
  readonly hugetlb: readonly { readonly pageSize: string; readonly limit: number }[];
  readonly probe?: ProbeRecord;
  readonly probeSettings: ProbeSettings;
}

type Values = Readonly<Record<string, unknown>>;

const KNOWN = ['healthcheck', 'idmap', 'uid_map', 'gid_map', 'time', 'hugetlb'];

/** Throws ComposeError `unknown-key` or `invalid-value` naming the path below `x-tscompose`. */
export function extensionOf(service: Service): Extension {
  const own = mapping(service.extensions?.['x-tscompose'] ?? {}, 'x-tscompose');
  checkKeys(own, KNOWN, 'x-tscompose');
  const { healthcheck } = own;
  return {
    ...userNamespace(own),
    idmap: Object.fromEntries(
      Object.entries(mapping(own.idmap ?? {}, 'idmap')).map(([target, value]) => [
        target,
        idMaps(value, target),
      ]),
    ),
    time: Object.fromEntries(Object.entries(mapping(own.time ?? {}, 'time')).map(clockOffset)),
    hugetlb: Object.entries(mapping(own.hugetlb ?? {}, 'hugetlb')).map(([pageSize, limit]) => ({
      pageSize,
      limit: sizeOf(scalar(limit, `hugetlb.${pageSize}`), `hugetlb.${pageSize}`),
    })),
    ...(healthcheck === undefined ? { probeSettings: {} } : nativeCheck(healthcheck)),
  };
}

function userNamespace({ uid_map: uids, gid_map: gids = uids }: Values): Pick<Extension, 'userNamespace'> {
  if (uids === undefined && gids === undefined) return {};
  return { userNamespace: { uids: ranges(uids ?? gids, 'uid_map'), gids: ranges(gids, 'gid_map') } };
}

/** `"0:1000:1"`, a list of such, or `{uid: …, gid: …}`. */
function idMaps(value: unknown, target: string): IdMaps {
  const what = `idmap.${target}`;
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    const both = ranges(value, what);
    return { uids: both, gids: both };
  }
  const { uid, gid = uid } = mapping(value, what);
  checkKeys(mapping(value, what), ['uid', 'gid'], what);
  return { uids: ranges(uid ?? gid, `${what}.uid`), gids: ranges(gid, `${what}.gid`) };
}

function ranges(value: unknown, what: string): readonly OciIdMapping[] {
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  return list.map((one) => {
    const match = /^(\d+):(\d+):(\d+)$/.exec(String(one));
    if (match === null) throw invalid(what, one, 'a range of ids is CONTAINER:HOST:SIZE');
    return { containerID: Number(match[1]), hostID: Number(match[2]), size: Number(match[3]) };
  });
}

const SUFFIX: Readonly<Record<string, number>> = { '': 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30 };

function sizeOf(text: string, what: string): number {
  const match = /^(\d+)([kmg]?)b?$/i.exec(text);
  if (match === null) throw invalid(what, text, 'a size is a number with k, m or g');
  return Number(match[1]) * (SUFFIX[(match[2] ?? '').toLowerCase()] ?? 1);
}

const CLOCKS = ['monotonic', 'boottime'];

function clockOffset([clock, value]: readonly [string, unknown]) {
  if (!CLOCKS.includes(clock)) throw unknownKey(`time.${clock}`, CLOCKS);
  const ms = durationMs(scalar(value, `time.${clock}`));
  const secs = Math.floor(ms / 1000);
  return [clock, { secs, nanosecs: Math.round((ms - secs * 1000) * 1e6) }] as const;
}

const SETTINGS = ['interval', 'timeout', 'start_period', 'start_interval', 'retries'] as const;
const KINDS = ['http', 'tcp', 'file', 'log'] as const;

function nativeCheck(value: unknown): Pick<Extension, 'probe' | 'probeSettings'> {
  const check = mapping(value, 'healthcheck');
  checkKeys(check, [...KINDS, ...SETTINGS], 'healthcheck');
  const kinds = KINDS.filter((kind) => check[kind] !== undefined);
  const [kind] = kinds;
  if (kind === undefined || kinds.length > 1) {
    throw new ComposeError('conflicting-keys', `x-tscompose.healthcheck needs one of ${KINDS.join(', ')}`, {
      path: 'x-tscompose.healthcheck',
    });
  }
  const durations = SETTINGS.filter((name) => name !== 'retries' && check[name] !== undefined);
  return {
    probe: { kind, args: probeArguments(kind, check[kind]) },
    probeSettings: {
      ...Object.fromEntries(durations.map((name) => [name, scalar(check[name], `healthcheck.${name}`)])),
      ...(check.retries === undefined
        ? {}
        : { retries: Number(scalar(check.retries, 'healthcheck.retries')) }),
    },
  };
}

function probeArguments(kind: ProbeRecord['kind'], value: unknown): readonly string[] {
  const what = `healthcheck.${kind}`;
  switch (kind) {
    case 'http':
      return httpArguments(value);
    case 'tcp': {
      const { host, port } = endpointOf(scalar(value, what), what);
      return [host, port];
    }
    case 'file':
    case 'log':
      return [scalar(value, what)];
  }
}

/** `http://localhost:8080/path`, `8080/path`, or `{url: …, status: 204}`. */
function httpArguments(value: unknown): readonly string[] {
  const what = 'healthcheck.http';
  const isMapping = typeof value === 'object' && value !== null;
  const { url, status = '' } = isMapping ? mapping(value, what) : { url: value };
  const match = /^(?:http:\/\/)?([^/]*)(\/.*)?$/.exec(scalar(url, what));
  if (match === null) throw invalid(what, url, 'it is http://HOST:PORT/PATH, or PORT/PATH');
  const { host, port } = endpointOf(match[1] ?? '', what);
  return [host, port, match[2] ?? '/', String(status)];
}

/** `8080`, `localhost:8080`, `10.0.0.1:8080`, `[::1]:8080`. */
function endpointOf(text: string, what: string): { readonly host: string; readonly port: string } {
  const match = /^(?:(localhost|[\d.]+|\[[0-9a-fA-F:]+\])?:)?(\d{1,5})$/.exec(text);
  if (match === null)
    throw invalid(what, text, 'an address is HOST:PORT or PORT, the host localhost or a number');
  const [, host = 'localhost', port = ''] = match;
  return { host: host === 'localhost' ? '127.0.0.1' : host.replace(/[[\]]/g, ''), port };
}

function mapping(value: unknown, what: string): Values {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Values;
  throw invalid(what, value, 'a mapping is expected');
}

function scalar(value: unknown, what: string): string {
  if (typeof value === 'string' || typeof value === 'number') return String(value);
  throw invalid(what, value, 'a text or a number is expected');
}

function checkKeys(values: Values, known: readonly string[], what: string): void {
  const unknown = Object.keys(values).find((key) => !known.includes(key));
  if (unknown !== undefined) throw unknownKey(`${what}.${unknown}`, known);
}

function unknownKey(path: string, known: readonly string[]): ComposeError {
  return new ComposeError('unknown-key', `${path} is not known`, {
    hint: `known are ${known.join(', ')}`,
    path: below(path),
  });
}

function invalid(what: string, value: unknown, hint: string): ComposeError {
  return new ComposeError('invalid-value', `x-tscompose: ${what}: ${JSON.stringify(value)} is wrong`, {
    hint,
    path: below(what),
  });
}

function below(path: string): string {
  return path.startsWith('x-tscompose') ? path : `x-tscompose.${path}`;
}
