// container.json: what the tool itself knows of a container, written once when it is created.
import type { Dict } from '../compose/project.ts';
import {
  asArray,
  asBoolean,
  asDict,
  asNumber,
  asObject,
  asString,
  type JsonObject,
  optional,
} from '../state/decode.ts';

/** The container's place in one network; addresses are what was asked for or leased. */
export interface EndpointRecord {
  /** The network's key in the compose file. */
  readonly key: string;
  /** The network's name on this machine. */
  readonly name: string;
  readonly id: string;
  readonly aliases: readonly string[];
  readonly ipv4?: string;
  readonly ipv6?: string;
  readonly mac?: string;
  /** Name inside the container; `ethN` in the order of the list when absent. */
  readonly interface?: string;
  readonly gwPriority?: number;
  readonly priority?: number;
  readonly linkLocalIps?: readonly string[];
  readonly driverOpts?: Dict<string>;
  /** Its service has one address there for all of its containers (`endpoint_mode: vip`). */
  readonly shared?: boolean;
}

export interface PortRecord {
  readonly target: number;
  readonly protocol: string;
  readonly hostIp?: string;
  /** A port, a range `8000-8010`, or absent for an ephemeral one. */
  readonly published?: number | string;
}

export interface MountRecord {
  readonly type: string;
  /** Name of the volume. */
  readonly name?: string;
  /** Id of the image. */
  readonly image?: string;
  readonly source: string;
  readonly target: string;
  readonly readOnly: boolean;
}

/** A check that the shim makes itself: what and where, see PROBE in launch.h. */
export interface ProbeRecord {
  readonly kind: 'http' | 'tcp' | 'file' | 'log';
  readonly args: readonly string[];
}

export interface HealthRecord {
  readonly probe?: ProbeRecord;
  /** argv; a shell command line is `["/bin/sh", "-c", LINE]`. Empty when there is a probe. */
  readonly test: readonly string[];
  readonly intervalMs: number;
  readonly timeoutMs: number;
  readonly startPeriodMs: number;
  readonly startIntervalMs: number;
  readonly retries: number;
}

export interface RestartRecord {
  readonly policy: 'no' | 'always' | 'unless-stopped' | 'on-failure';
  /** 0: no limit. */
  readonly attempts: number;
  /** -1: back-off. */
  readonly delayMs: number;
  readonly windowMs: number;
}

export interface ContainerRecord {
  readonly version: 1;
  /** 64 lower-case hex digits. */
  readonly id: string;
  readonly name: string;
  readonly project: string;
  readonly service: string;
  readonly number: number;
  readonly oneoff: boolean;
  /** RFC 3339. */
  readonly created: string;
  readonly configHash: string;
  readonly labels: Dict<string>;
  readonly image: { readonly name: string; readonly id: string };
  /** The effective argv. */
  readonly command: readonly string[];
  readonly tty: boolean;
  readonly stdinOpen: boolean;
  readonly autoRemove: boolean;
  /** `bridge` (see `networks`), `none`, `host` or `container:ID`. */
  readonly networkMode: string;
  readonly networks: readonly EndpointRecord[];
  /** Namespace → id of the container that lends it. */
  readonly joins: Dict<string>;
  readonly ports: readonly PortRecord[];
  /** `80/tcp`. */
  readonly exposed: readonly string[];
  readonly mounts: readonly MountRecord[];
  /** Names of the anonymous volumes that belong to this container. */
  readonly anonymousVolumes: readonly string[];
  readonly stopSignal: number;
  readonly stopGraceMs: number;
  readonly healthcheck?: HealthRecord;
  readonly restart: RestartRecord;
  /** As in the label com.docker.compose.depends_on. */
  readonly dependsOn: string;
  readonly logDriver: string;
  /** There is a file with all that the container printed, or the last of it. */
  readonly logKept: boolean;
  /** Control groups of the container, to remove and to read counters from. */
  readonly cgroups: readonly string[];
  /** What /etc/hosts, /etc/resolv.conf and /etc/hostname begin with at each launch; empty when they are borrowed. */
  readonly etc: { readonly hosts: string; readonly resolvConf: string; readonly hostname: string };
  /** It has a user namespace of its own, to which its network belongs. */
  readonly ownsUsers: boolean;
  /** Others may join its IPC namespace, and its /dev/shm with it. */
  readonly sharesIpc: boolean;
  /** How many bytes it may write into its root file system. */
  readonly storageLimit?: number;
}

/** Raised with every change of `ContainerRecord`: copies that another program made in this boot are not read then. */
export const RECORD_REVISION = 2;

const ID = /^[0-9a-f]{64}$/;

/** Whether that is how containers are called by the program. */
export function isId(name: string): boolean {
  return ID.test(name);
}

/** Checks what was read from container.json; throws TypeError naming the field that is wrong. */
export function decodeContainerRecord(value: unknown): ContainerRecord {
  const o = asObject(value, 'container');
  if (o.version !== 1) throw new TypeError(`version ${String(o.version)} is not known`);
  const id = asString(o.id, 'id');
  if (!isId(id)) throw new TypeError('id is not 64 hex digits');
  return {
    version: 1,
    id,
    ...identity(o),
    command: asArray(o.command, 'command', asString),
    tty: asBoolean(o.tty, 'tty'),
    stdinOpen: asBoolean(o.stdinOpen, 'stdinOpen'),
    autoRemove: asBoolean(o.autoRemove, 'autoRemove'),
    networkMode: asString(o.networkMode, 'networkMode'),
    networks: asArray(o.networks, 'networks', endpoint),
    joins: asDict(o.joins, 'joins', asString),
    ports: asArray(o.ports, 'ports', port),
    exposed: asArray(o.exposed, 'exposed', asString),
    mounts: asArray(o.mounts, 'mounts', mount),
    anonymousVolumes: asArray(o.anonymousVolumes, 'anonymousVolumes', asString),
    stopSignal: asNumber(o.stopSignal, 'stopSignal'),
    stopGraceMs: asNumber(o.stopGraceMs, 'stopGraceMs'),
    ...optional(o, 'healthcheck', health),
    restart: restart(o.restart),
    dependsOn: asString(o.dependsOn, 'dependsOn'),
    logDriver: asString(o.logDriver, 'logDriver'),
    logKept: o.logKept === undefined || asBoolean(o.logKept, 'logKept'),
    cgroups: asArray(o.cgroups, 'cgroups', asString),
    etc: etc(o.etc),
    ownsUsers: asBoolean(o.ownsUsers, 'ownsUsers'),
    sharesIpc: asBoolean(o.sharesIpc, 'sharesIpc'),
    ...optional(o, 'storageLimit', asNumber),
  };
}

function identity(o: JsonObject) {
  const image = asObject(o.image, 'image');
  return {
    name: asString(o.name, 'name'),
    project: asString(o.project, 'project'),
    service: asString(o.service, 'service'),
    number: asNumber(o.number, 'number'),
    oneoff: asBoolean(o.oneoff, 'oneoff'),
    created: asString(o.created, 'created'),
    configHash: asString(o.configHash, 'configHash'),
    labels: asDict(o.labels, 'labels', asString),
    image: { name: asString(image.name, 'image.name'), id: asString(image.id, 'image.id') },
  };
}

function etc(value: unknown): ContainerRecord['etc'] {
  const o = asObject(value, 'etc');
  return {
    hosts: asString(o.hosts, 'etc.hosts'),
    resolvConf: asString(o.resolvConf, 'etc.resolvConf'),
    hostname: asString(o.hostname, 'etc.hostname'),
  };
}

function endpoint(value: unknown, what: string): EndpointRecord {
  const o = asObject(value, what);
  return {
    key: asString(o.key, `${what}.key`),
    name: asString(o.name, `${what}.name`),
    id: asString(o.id, `${what}.id`),
    aliases: asArray(o.aliases, `${what}.aliases`, asString),
    ...optional(o, 'ipv4', asString),
    ...optional(o, 'ipv6', asString),
    ...optional(o, 'mac', asString),
    ...optional(o, 'interface', asString),
    ...optional(o, 'gwPriority', asNumber),
    ...optional(o, 'priority', asNumber),
    ...optional(o, 'linkLocalIps', (v, w) => asArray(v, w, asString)),
    ...optional(o, 'driverOpts', (v, w) => asDict(v, w, asString)),
    ...optional(o, 'shared', asBoolean),
  };
}

function port(value: unknown, what: string): PortRecord {
  const o = asObject(value, what);
  return {
    target: asNumber(o.target, `${what}.target`),
    protocol: asString(o.protocol, `${what}.protocol`),
    ...optional(o, 'hostIp', asString),
    ...optional(o, 'published', (v, w) => (typeof v === 'number' ? v : asString(v, w))),
  };
}

function mount(value: unknown, what: string): MountRecord {
  const o = asObject(value, what);
  return {
    type: asString(o.type, `${what}.type`),
    ...optional(o, 'name', asString),
    ...optional(o, 'image', asString),
    source: asString(o.source, `${what}.source`),
    target: asString(o.target, `${what}.target`),
    readOnly: asBoolean(o.readOnly, `${what}.readOnly`),
  };
}

function health(value: unknown, what: string): HealthRecord {
  const o = asObject(value, what);
  return {
    ...optional(o, 'probe', probe),
    test: asArray(o.test, `${what}.test`, asString),
    intervalMs: asNumber(o.intervalMs, `${what}.intervalMs`),
    timeoutMs: asNumber(o.timeoutMs, `${what}.timeoutMs`),
    startPeriodMs: asNumber(o.startPeriodMs, `${what}.startPeriodMs`),
    startIntervalMs: asNumber(o.startIntervalMs, `${what}.startIntervalMs`),
    retries: asNumber(o.retries, `${what}.retries`),
  };
}

const PROBES = ['http', 'tcp', 'file', 'log'] as const;

function probe(value: unknown, what: string): ProbeRecord {
  const o = asObject(value, what);
  const kind = PROBES.find((known) => known === o.kind);
  if (kind === undefined) throw new TypeError(`${what}.kind is not known`);
  return { kind, args: asArray(o.args, `${what}.args`, asString) };
}

const POLICIES = ['no', 'always', 'unless-stopped', 'on-failure'] as const;

function restart(value: unknown): RestartRecord {
  const o = asObject(value, 'restart');
  const policy = POLICIES.find((known) => known === o.policy);
  if (policy === undefined) throw new TypeError('restart.policy is not known');
  return {
    policy,
    attempts: asNumber(o.attempts, 'restart.attempts'),
    delayMs: asNumber(o.delayMs, 'restart.delayMs'),
    windowMs: asNumber(o.windowMs, 'restart.windowMs'),
  };
}
