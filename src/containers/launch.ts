// The compiler: an OCI runtime specification and what it cannot say → the steps of a launch program; pure.
import { capabilityMask } from './capabilities.ts';
import { type CgroupLayout, type CgroupPlan, type Controller, planCgroups } from './cgroup.ts';
import { deviceProgram } from './device-bpf.ts';
import { DEVICE_LINKS } from './devices.ts';
import { hookSteps, hooksBeforePivot } from './hooks.ts';
import { type MountFlags, mountAttributes, parseMountOptions } from './mount-options.ts';
import type { OciDeviceRule, OciIdMapping, OciMount, OciNamespaceType, OciProcess, OciSpec } from './oci.ts';
import type { HealthRecord, RestartRecord } from './record.ts';
import { schedulingSteps } from './scheduling.ts';
import type { Scope } from './scope.ts';
import { type LaunchProgram, type Step, step } from './steps.ts';
import type { Warning } from './warning.ts';

/** How a mount of the specification is made, where its options cannot say it; by destination. */
export interface MountDetail {
  /** Make a missing source directory. */
  readonly createSource?: boolean;
  /** Resolved below `base` without leaving it. */
  readonly subpath?: { readonly base: string; readonly path: string };
  /** Of what is mounted, this directory takes its place; resolved without leaving it. */
  readonly subdirectory?: string;
  /** Directory of a volume that takes the image's content when it is empty. */
  readonly copyUp?: string;
}

export type RootFs =
  | {
      readonly kind: 'overlay';
      /** Top first. */
      readonly lower: readonly string[];
      readonly upper: string;
      readonly work: string;
      readonly options: readonly string[];
      /** Paths of the lower directories that are hidden. */
      readonly masks: readonly string[];
    }
  | { readonly kind: 'directory'; readonly path: string };

export interface LaunchExtras {
  /** Where the root file system is mounted; seen by the container only. */
  readonly mountPoint: string;
  readonly rootFs: RootFs;
  /** Ids mean others on the machine: the layers' owners follow the maps of the container. */
  readonly mapsLayers?: boolean;
  readonly mounts: Readonly<Record<string, MountDetail>>;
  readonly cgroups: CgroupLayout;
  readonly scope?: Scope | undefined;
  readonly hasCgroupFile: (controller: Controller, file: string) => boolean;
  /** `user[:group]`, and groups by name or number. */
  readonly user: string;
  readonly groups: readonly string[];
  /** The compiled filter of `linux.seccomp`. */
  readonly seccomp?: { readonly flags: number; readonly filter: Uint8Array };
  readonly init: boolean;
  readonly standardInput: 'none' | 'open' | 'once';
  readonly log: LogSettings;
  readonly restart: RestartRecord;
  readonly stopSignal: number;
  readonly stopGraceMs: number;
  readonly healthcheck?: HealthRecord;
  readonly names?: NameSettings;
  /** For the state that hooks read; needed when there are hooks. */
  readonly bundle?: { readonly id: string; readonly path: string };
  /** The root file system is in the initramfs, where pivot_root(2) is impossible. */
  readonly moveRoot?: boolean;
}

export interface LogSettings {
  readonly driver: string;
  readonly path: string;
  /** 0: no limit. */
  readonly maxBytes: number;
  readonly files: number;
  readonly nonBlocking: boolean;
  readonly details?: LogDetails;
}

/** What only some drivers need. */
export interface LogDetails {
  /** For journald and syslog. */
  readonly tag: string;
  /** What waits for a slow receiver before entries are lost, where the container is not to wait. */
  readonly bufferBytes: number;
  /** Of each entry: members of a json-file line, or fields for journald. */
  readonly attributes: string;
  /** Of syslog: where to, how written, and a number of syslog(3). */
  readonly destination: string;
  readonly format: string;
  readonly facility: number;
}

/** How the container knows others by name. */
export interface NameSettings {
  readonly hostsFile: string;
  readonly header: string;
  /** Name tables of the container's networks. */
  readonly tables: readonly string[];
  /** A name in the tables, and a further name that only this container sees. */
  readonly links: readonly (readonly [name: string, alias: string])[];
  /** Servers that questions are forwarded to; undefined: no resolver of ours. */
  readonly upstream?: readonly string[];
}

export interface Launch {
  readonly program: LaunchProgram;
  /** Every directory that the shim makes. */
  readonly cgroups: readonly string[];
  readonly warnings: readonly Warning[];
}

/** Compiles the launch of a container. */
export function compileLaunch(spec: OciSpec, extras: LaunchExtras): Launch {
  const cgroups = planOf(spec, extras);
  const program = [
    ...cgroupSteps(cgroups, spec.linux.resources?.devices ?? []),
    ...namespaceSteps(spec),
    ...rootSteps(spec, extras),
    ...mountSteps(spec, extras),
    ...hookSteps(spec, extras.bundle),
    ...hooksBeforePivot(spec),
    step(extras.moveRoot ? 'MOVE_ROOT' : 'PIVOT_ROOT'),
    ...sealSteps(spec),
    ...processSteps(spec, extras),
    ...superviseSteps(extras),
  ];
  return { program, cgroups: cgroups.create, warnings: cgroups.warnings };
}

const DEFAULT_CGROUP = '/tscompose';

function planOf({ linux }: OciSpec, extras: LaunchExtras): CgroupPlan {
  const { cgroups: layout, hasCgroupFile: hasFile, scope } = extras;
  const { cgroupsPath: path = DEFAULT_CGROUP, resources = {} } = linux;
  return planCgroups({ path, resources, layout, hasFile, scope });
}

function cgroupSteps(plan: CgroupPlan, rules: readonly OciDeviceRule[]): Step[] {
  const { deviceList, deviceProgram: programDirectory, scope } = plan;
  return [
    ...(scope === undefined
      ? []
      : [step('CGROUP_SCOPE', scope.slice, scope.unit, scope.description, scope.aside)]),
    ...plan.create.map((directory) => step('CGROUP_CREATE', directory, Number(directory === plan.cpuset))),
    ...plan.writes.map(([file, value]) => step('CGROUP_WRITE', file, value)),
    ...(deviceList === undefined ? [] : rules.map((rule) => deviceWrite(deviceList, rule))),
    ...(programDirectory === undefined || allowsAll(rules)
      ? []
      : [step('CGROUP_DEVICES', programDirectory, deviceProgram(rules))]),
    ...plan.join.map((directory) => step('CGROUP_JOIN', directory, Number(directory === plan.unified))),
  ];
}

function allowsAll(rules: readonly OciDeviceRule[]): boolean {
  const last = rules.at(-1);
  return last === undefined || (last.allow && last.type === undefined && last.major === undefined);
}

function deviceWrite(directory: string, rule: OciDeviceRule): Step {
  const file = `${directory}/devices.${rule.allow ? 'allow' : 'deny'}`;
  if (rule.type === undefined || rule.type === 'a') return step('CGROUP_WRITE', file, 'a');
  const number = (value: number | undefined) => (value === undefined || value < 0 ? '*' : String(value));
  const value = `${rule.type} ${number(rule.major)}:${number(rule.minor)} ${rule.access ?? 'rwm'}`;
  return step('CGROUP_WRITE', file, value);
}

/** CLONE_NEW* of linux/sched.h. */
export const NAMESPACE_FLAGS: Readonly<Record<OciNamespaceType, number>> = {
  time: 0x80,
  mount: 0x2_0000,
  cgroup: 0x200_0000,
  uts: 0x400_0000,
  ipc: 0x800_0000,
  user: 0x1000_0000,
  pid: 0x2000_0000,
  network: 0x4000_0000,
};

function namespaceSteps({ linux }: OciSpec): Step[] {
  const made = linux.namespaces.filter(({ path }) => path === undefined);
  const joined = linux.namespaces.filter(({ path }) => path !== undefined);
  return [
    step(
      'NAMESPACES',
      made.reduce((flags, { type }) => flags + NAMESPACE_FLAGS[type], 0),
    ),
    ...joined.map(({ type }) => step('JOIN_NAMESPACE', NAMESPACE_FLAGS[type], type)),
    ...(linux.uidMappings?.length ? [step('UID_MAP', mapText(linux.uidMappings))] : []),
    ...(linux.gidMappings?.length ? [step('GID_MAP', mapText(linux.gidMappings))] : []),
    ...Object.entries(linux.timeOffsets ?? {}).map(([clock, { secs = 0, nanosecs = 0 }]) =>
      step('TIME_OFFSET', clock, secs, nanosecs),
    ),
  ];
}

function mapText(mappings: readonly OciIdMapping[]): string {
  return mappings.map(({ containerID, hostID, size }) => `${containerID} ${hostID} ${size}\n`).join('');
}

const MOUNT_ATTR_RDONLY = 0x1;
const MS_RDONLY = 0x1;
const MS_NOSUID = 0x2;
const MS_NODEV = 0x4;
const MS_REC = 0x4000;
const MS_PRIVATE = 0x4_0000;
const MS_SLAVE = 0x8_0000;

function rootSteps(spec: OciSpec, { rootFs, mountPoint, mounts, mapsLayers }: LaunchExtras): Step[] {
  // Slave, never shared: what the container mounts must not come out, what the host mounts may come in.
  const propagation = spec.linux.rootfsPropagation === 'private' ? MS_PRIVATE : MS_SLAVE;
  const label = spec.linux.mountLabel;
  const root =
    rootFs.kind === 'directory'
      ? step('ROOT_BIND', mountPoint, rootFs.path)
      : step(
          'ROOT_OVERLAY',
          mountPoint,
          rootFs.upper,
          rootFs.work,
          [...rootFs.options, ...(label === undefined ? [] : [contextOption(label)])].join(','),
          ...rootFs.lower,
        );
  const copies = spec.mounts.flatMap(({ destination }) => {
    const volume = mounts[destination]?.copyUp;
    return volume === undefined ? [] : [step('COPY_UP', destination, volume)];
  });
  const maps = mapsLayers
    ? [step('ROOT_IDMAP', mapText(spec.linux.uidMappings ?? []), mapText(spec.linux.gidMappings ?? []))]
    : [];
  return [
    step('ROOT_PROPAGATION', propagation | MS_REC),
    ...(rootFs.kind === 'overlay' ? maps : []),
    root,
    ...copies,
  ];
}

// A mask that something is mounted below has to be a directory that takes mount points.
function imageMasks({ rootFs }: LaunchExtras, mounts: readonly OciMount[]): Step[] {
  if (rootFs.kind !== 'overlay') return [];
  return rootFs.masks.map((path) =>
    mounts.some(({ destination }) => destination.startsWith(`${path}/`))
      ? step('MOUNT', 'tmpfs', 'tmpfs', path, MS_NOSUID | MS_NODEV, 'mode=755')
      : step('MASK', path),
  );
}

function mountSteps(spec: OciSpec, extras: LaunchExtras): Step[] {
  const isOwnDevice = ({ destination }: OciMount) => destination === '/dev';
  const deviceMount = spec.mounts.findLastIndex(isOwnDevice);
  const before = spec.mounts.slice(0, deviceMount + 1);
  const after = spec.mounts.slice(deviceMount + 1);
  const compile = (mount: OciMount) => compileMount(mount, spec, extras);
  return [
    ...before.flatMap(compile),
    ...(isBound(before.at(-1)) ? [] : deviceSteps(spec)),
    ...imageMasks(extras, spec.mounts),
    ...after.flatMap(compile),
    ...spec.mounts.flatMap(sealMount),
  ];
}

// Somebody else's /dev is left as it is.
function isBound(mount: OciMount | undefined): boolean {
  return mount !== undefined && (mount.type === 'bind' || parseMountOptions(mount.options ?? []).bind);
}

// A tmpfs takes mount points until all mounts are there.
function sealMount({ type, destination, options = [] }: OciMount): Step[] {
  const isSealed = type === 'tmpfs' && options.includes('ro');
  return isSealed ? [step('MOUNT_ATTRIBUTES', destination, MOUNT_ATTR_RDONLY, 0, 0, 0)] : [];
}

function deviceSteps({ linux }: OciSpec): Step[] {
  const nodes = (linux.devices ?? []).map(
    ({ path, type, major, minor, fileMode = 0o666, uid = 0, gid = 0 }) =>
      step('DEVICE', path, FILE_TYPE[type] | fileMode, major, minor, uid, gid),
  );
  return [...nodes, ...DEVICE_LINKS.map(([path, content]) => step('SYMLINK', content, path))];
}

const FILE_TYPE = { c: 0o020000, b: 0o060000, p: 0o010000 } as const;

function compileMount(mount: OciMount, spec: OciSpec, extras: LaunchExtras): Step[] {
  const { type = 'none', source = type, destination } = mount;
  const parsed = parseMountOptions(mount.options ?? []);
  if (type === 'cgroup') return cgroupMount(destination, parsed, spec, extras);
  const bind = parsed.bind || type === 'bind';
  if (bind && parsed.remount) return remount(destination, parsed);
  const made = bind
    ? [...idmapSteps(mount, parsed, spec), bindStep(source, destination, parsed, extras.mounts[destination])]
    : mountStep(mount, source, labelled(parsed, type, spec));
  const { subdirectory } = extras.mounts[destination] ?? {};
  return [
    ...made,
    ...attributeSteps(destination, parsed, bind),
    ...(subdirectory === undefined ? [] : [step('SUBDIRECTORY', destination, subdirectory)]),
  ];
}

function mountStep({ type = 'none', destination }: OciMount, source: string, parsed: MountFlags): Step[] {
  const flags = type === 'tmpfs' ? parsed.flags & ~MS_RDONLY : parsed.flags;
  const name = parsed.copyUp && type === 'tmpfs' ? 'MOUNT_COPY_UP' : 'MOUNT';
  return [step(name, type, source, destination, flags, parsed.data)];
}

const LABELLED = new Set(['tmpfs', 'overlay', 'devpts', 'mqueue', 'ramfs']);

// What is made for the container has files that it may use.
function labelled(parsed: MountFlags, type: string, { linux: { mountLabel } }: OciSpec): MountFlags {
  if (mountLabel === undefined || !LABELLED.has(type)) return parsed;
  return { ...parsed, data: [parsed.data, contextOption(mountLabel)].filter(Boolean).join(',') };
}

function contextOption(label: string): string {
  return `context="${label}"`;
}

function remount(destination: string, { flags }: MountFlags): Step[] {
  const { set, clear } = mountAttributes(flags);
  return [step('MOUNT_ATTRIBUTES', destination, set, clear, 0, 0)];
}

function idmapSteps(mount: OciMount, { idmap }: MountFlags, { linux }: OciSpec): Step[] {
  const uid = mount.uidMappings ?? linux.uidMappings ?? [];
  const gid = mount.gidMappings ?? linux.gidMappings ?? [];
  if (uid.length === 0 || (idmap === 'none' && mount.uidMappings === undefined)) return [];
  return [step('BIND_IDMAP', mapText(uid), mapText(gid), idmap === 'deep' ? 1 : 0)];
}

// BIND knows its propagation itself.
function attributeSteps(path: string, { deep, lost, propagation }: MountFlags, bind: boolean): Step[] {
  const own = bind ? 0 : propagation;
  return [
    ...(bind && lost !== 0 ? [step('MOUNT_ATTRIBUTES', path, 0, lost, 0, 0)] : []),
    ...(deep.set || deep.clear ? [step('MOUNT_ATTRIBUTES', path, deep.set, deep.clear, 0, 1)] : []),
    ...(own === 0 ? [] : [step('MOUNT_ATTRIBUTES', path, 0, 0, own & ~MS_REC, own & MS_REC ? 1 : 0)]),
  ];
}

const BIND_RECURSIVE = 1;
const BIND_CREATE_SOURCE = 2;
const BIND_READ_ONLY_DEEP = 4;

function bindStep(source: string, target: string, parsed: MountFlags, detail: MountDetail = {}): Step {
  const options =
    (parsed.recursive ? BIND_RECURSIVE : 0) |
    (detail.createSource ? BIND_CREATE_SOURCE : 0) |
    (parsed.deepReadOnly ? BIND_READ_ONLY_DEEP : 0);
  const base = detail.subpath?.base ?? source;
  return step('BIND', base, detail.subpath?.path ?? '', target, parsed.flags, parsed.propagation, options);
}

// Programs look for their own limits at the top of these mounts. A cgroup namespace shows them there; without one, on
// v1, the container's own groups are bound there, as other runtimes do it.
function cgroupMount(target: string, { flags }: MountFlags, spec: OciSpec, extras: LaunchExtras): Step[] {
  const own = spec.linux.namespaces.some(({ type }) => type === 'cgroup');
  const { cgroups: layout } = extras;
  if (layout.mode === 'none') return [];
  if (layout.mode === 'v2' && !own) {
    return [step('BIND', '/sys/fs/cgroup', '', target, flags, 0, BIND_RECURSIVE | BIND_READ_ONLY_DEEP)];
  }
  if (layout.mode === 'v2') return [step('MOUNT', 'cgroup2', 'cgroup', target, flags, '')];
  if (!own) return ownGroups(target, flags, spec, extras);
  const inside = (mountPoint: string) => `${target}/${mountPoint.split('/').at(-1)}`;
  const unified =
    layout.unified === undefined
      ? []
      : [step('MOUNT', 'cgroup2', 'cgroup', inside(layout.unified), flags, '')];
  return [
    step('MOUNT', 'tmpfs', 'tmpfs', target, flags & ~MS_RDONLY, 'mode=755'),
    ...layout.hierarchies.map(({ mountPoint, data }) =>
      step('MOUNT', 'cgroup', 'cgroup', inside(mountPoint), flags, data),
    ),
    ...unified,
    ...(flags & MS_RDONLY ? [step('READ_ONLY_PATH', target)] : []),
  ];
}

const ROOT_PROPAGATION: Readonly<Record<string, number>> = {
  shared: 0x10_0000,
  private: MS_PRIVATE,
  unbindable: 0x2_0000,
};

// pivot_root(2) does not take a shared root, so that comes afterwards.
function propagationSteps(name: string | undefined): Step[] {
  const [kind = '', recursive = false] = name?.startsWith('r') ? [name.slice(1), true] : [name];
  const flag = ROOT_PROPAGATION[kind];
  return flag === undefined ? [] : [step('ROOT_PROPAGATION', recursive ? flag | MS_REC : flag)];
}

function ownGroups(target: string, flags: number, spec: OciSpec, extras: LaunchExtras): Step[] {
  const path = spec.linux.cgroupsPath ?? DEFAULT_CGROUP;
  const made = new Set(planOf(spec, extras).create);
  const groups = extras.cgroups.hierarchies.filter(({ mountPoint }) => made.has(mountPoint + path));
  return [
    step('MOUNT', 'tmpfs', 'tmpfs', target, flags & ~MS_RDONLY, 'mode=755'),
    ...groups.map(({ mountPoint }) =>
      step('BIND', mountPoint + path, '', `${target}/${mountPoint.split('/').at(-1)}`, flags, 0, 0),
    ),
    ...(flags & MS_RDONLY ? [step('READ_ONLY_PATH', target)] : []),
  ];
}

function sealSteps({ linux, root, hostname, domainname, process }: OciSpec): Step[] {
  return [
    ...propagationSteps(linux.rootfsPropagation),
    ...(hostname === undefined ? [] : [step('HOSTNAME', hostname)]),
    ...(domainname === undefined ? [] : [step('DOMAINNAME', domainname)]),
    ...Object.entries(linux.sysctl ?? {}).map(([name, value]) => step('SYSCTL', name, value)),
    ...(linux.maskedPaths ?? []).map((path) => step('MASK', path)),
    ...(linux.readonlyPaths ?? []).map((path) => step('READ_ONLY_PATH', path)),
    step('WORKING_DIRECTORY', process.cwd, 1),
    ...(root.readonly ? [step('ROOT_READ_ONLY')] : []),
  ];
}

/** RLIMIT_* of asm-generic/resource.h. */
const RLIMITS: Readonly<Record<string, number>> = {
  RLIMIT_CPU: 0,
  RLIMIT_FSIZE: 1,
  RLIMIT_DATA: 2,
  RLIMIT_STACK: 3,
  RLIMIT_CORE: 4,
  RLIMIT_RSS: 5,
  RLIMIT_NPROC: 6,
  RLIMIT_NOFILE: 7,
  RLIMIT_MEMLOCK: 8,
  RLIMIT_AS: 9,
  RLIMIT_LOCKS: 10,
  RLIMIT_SIGPENDING: 11,
  RLIMIT_MSGQUEUE: 12,
  RLIMIT_NICE: 13,
  RLIMIT_RTPRIO: 14,
  RLIMIT_RTTIME: 15,
};

/** What makes a process that of the container: the same for its first one and for `exec`. */
export interface Identity {
  readonly user: string;
  readonly groups: readonly string[];
  readonly seccomp?: { readonly flags: number; readonly filter: Uint8Array };
}

export function identitySteps(process: OciProcess, { user, groups, seccomp }: Identity): Step[] {
  const sets = process.capabilities;
  return [
    ...(process.rlimits ?? []).map(({ type, soft, hard }) => step('RLIMIT', RLIMITS[type] ?? -1, soft, hard)),
    ...(process.oomScoreAdj === undefined ? [] : [step('OOM_SCORE_ADJ', process.oomScoreAdj)]),
    ...(process.user.umask === undefined ? [] : [step('UMASK', process.user.umask)]),
    ...schedulingSteps(process),
    ...(process.apparmorProfile ? [step('LSM_LABEL', 'apparmor', process.apparmorProfile)] : []),
    ...(process.selinuxLabel ? [step('LSM_LABEL', 'selinux', process.selinuxLabel)] : []),
    step('ENVIRONMENT', ...process.env),
    step('USER', user === '' ? '0:0' : user, ...groups),
    ...(sets === undefined
      ? []
      : [
          step(
            'CAPABILITIES',
            capabilityMask(sets.bounding),
            capabilityMask(sets.effective),
            capabilityMask(sets.permitted),
            capabilityMask(sets.inheritable),
            capabilityMask(sets.ambient),
          ),
        ]),
    ...(process.noNewPrivileges ? [step('NO_NEW_PRIVILEGES')] : []),
    ...(seccomp === undefined ? [] : [step('SECCOMP', seccomp.flags, seccomp.filter)]),
  ];
}

const DEFAULT_ROWS = 24;
const DEFAULT_COLUMNS = 80;
const STANDARD_INPUT = { none: 0, open: 1, once: 2 } as const;

function processSteps({ process, linux }: OciSpec, extras: LaunchExtras): Step[] {
  const { height = DEFAULT_ROWS, width = DEFAULT_COLUMNS } = process.consoleSize ?? {};
  return [
    ...identitySteps(process, extras),
    ...(process.terminal ? [step('TERMINAL', height, width)] : []),
    ...personalitySteps(linux.personality),
    step('STANDARD_INPUT', STANDARD_INPUT[extras.standardInput]),
    ...(extras.init ? [step('INIT')] : []),
    step('EXEC', ...process.args),
  ];
}

const PERSONALITIES: Readonly<Record<string, number>> = { LINUX: 0, LINUX32: 8 };

function personalitySteps(personality: OciSpec['linux']['personality']): Step[] {
  const value = PERSONALITIES[personality?.domain ?? ''];
  return value === undefined ? [] : [step('PERSONALITY', value)];
}

function superviseSteps(extras: LaunchExtras): Step[] {
  const { log, restart, healthcheck: health } = extras;
  return [
    step('LOG', log.driver, log.path, log.maxBytes, log.files, log.nonBlocking ? 1 : 0),
    ...(log.details === undefined ? [] : [logOptions(log.details)]),
    step('RESTART', restart.policy, restart.attempts, restart.delayMs, restart.windowMs),
    step('STOP', extras.stopSignal, extras.stopGraceMs),
    ...(health === undefined ? [] : healthSteps(health)),
    ...(extras.names === undefined ? [] : nameSteps(extras.names)),
  ];
}

function logOptions({ tag, destination, format, attributes, facility, bufferBytes }: LogDetails): Step {
  return step('LOG_OPTIONS', tag, destination, format, attributes, facility, bufferBytes);
}

function healthSteps(health: HealthRecord): Step[] {
  const { intervalMs, timeoutMs, startPeriodMs, startIntervalMs, retries, test, probe } = health;
  return [
    step('HEALTH', intervalMs, timeoutMs, startPeriodMs, startIntervalMs, retries, ...test),
    ...(probe === undefined ? [] : [step('PROBE', probe.kind, ...probe.args)]),
  ];
}

function nameSteps({ hostsFile, header, tables, links, upstream }: NameSettings): Step[] {
  return [
    step('HOSTS', hostsFile, header, ...tables),
    ...links.map(([name, alias]) => step('LINK', name, alias)),
    ...(upstream === undefined ? [] : [step('DNS', ...upstream)]),
  ];
}
