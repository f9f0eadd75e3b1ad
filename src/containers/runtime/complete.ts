// What the specification leaves to the runtime, and what it forbids: the devices everybody has, names of capabilities
// and architectures that this machine does not know, settings that would reach beyond the container.
import { ComposeError } from '../../errors.ts';
import { ALL_CAPABILITIES } from '../capabilities.ts';
import { DEFAULT_DEVICES, DEFAULT_RULES } from '../devices.ts';
import type { Machine } from '../machine.ts';
import type {
  OciCapabilities,
  OciDevice,
  OciDeviceRule,
  OciLinux,
  OciProcess,
  OciSeccomp,
  OciSpec,
} from '../oci.ts';
import { groupIn, type Scope, scopeFromPath } from '../scope.ts';

export interface Completed {
  readonly spec: OciSpec;
  readonly scope?: Scope | undefined;
  readonly warnings: readonly string[];
}

export interface CompleteOptions {
  readonly id: string;
  readonly systemdCgroup: boolean;
  readonly machine: Pick<Machine, 'architecture' | 'apparmor' | 'selinux' | 'systemd'>;
}

/** Throws ComposeError `invalid-value` or `unsupported` for what cannot be run as written. */
export function completeSpec(spec: OciSpec, options: CompleteOptions): Completed {
  checkNamespaces(spec);
  checkSysctls(spec);
  const process = completeProcess(spec.process, options.machine);
  const seccomp = spec.linux.seccomp && completeSeccomp(spec.linux.seccomp, options.machine);
  const { cgroupsPath, scope } = cgroupPath(spec.linux.cgroupsPath, options);
  const { mountLabel, ...linux } = spec.linux;
  const { resources = {} } = linux;
  return {
    spec: {
      ...spec,
      process: process.process,
      linux: {
        ...linux,
        devices: devicesOf(spec.linux),
        cgroupsPath,
        resources: { ...resources, devices: rulesOf(resources.devices ?? []) },
        ...(seccomp ? { seccomp: seccomp.rules } : {}),
        ...(mountLabel && options.machine.selinux ? { mountLabel } : {}),
      },
    },
    scope,
    warnings: [...process.warnings, ...(seccomp?.warnings ?? [])],
  };
}

function checkNamespaces({ linux }: OciSpec): void {
  const types = linux.namespaces.map(({ type }) => type);
  const twice = types.find((type, index) => types.indexOf(type) !== index);
  if (twice) throw new ComposeError('invalid-value', `the namespace ${twice} is listed twice`);
  if (!linux.namespaces.some(({ type, path }) => type === 'mount' && path === undefined)) {
    throw new ComposeError('unsupported', 'a container needs a new mount namespace');
  }
  const user = linux.namespaces.find(({ type }) => type === 'user');
  const mapped = (linux.uidMappings?.length ?? 0) + (linux.gidMappings?.length ?? 0) > 0;
  if (mapped && user === undefined) {
    throw new ComposeError('invalid-value', 'id mappings need a user namespace');
  }
  if (user !== undefined && user.path === undefined && !mapped) {
    throw new ComposeError('invalid-value', 'a user namespace needs uidMappings and gidMappings');
  }
}

const OF_IPC =
  /^(kernel\.(msgmax|msgmnb|msgmni|sem|shmall|shmmax|shmmni|shm_rmid_forced|auto_msgmni)$|fs\.mqueue\.)/;
const OF_UTS = /^kernel\.(domainname|hostname)$/;

// Others would change the machine.
function checkSysctls({ linux }: OciSpec): void {
  const own = (type: string) => linux.namespaces.some((one) => one.type === type);
  for (const name of Object.keys(linux.sysctl ?? {})) {
    const dotted = name.replaceAll('/', '.');
    const allowed =
      (OF_IPC.test(dotted) && own('ipc')) ||
      (dotted.startsWith('net.') && own('network')) ||
      (OF_UTS.test(dotted) && own('uts')) ||
      (dotted.startsWith('user.') && own('user'));
    if (allowed) continue;
    throw new ComposeError('invalid-value', `sysctl ${name} is not in a namespace of the container's own`);
  }
}

interface CompletedProcess {
  readonly process: OciProcess;
  readonly warnings: readonly string[];
}

/** Leaves out what this machine does not know, with a warning each. */
export function completeProcess(
  process: OciProcess,
  { apparmor, selinux }: Pick<Machine, 'apparmor' | 'selinux'>,
): CompletedProcess {
  const { apparmorProfile, selinuxLabel, ...rest } = process;
  const sets = process.capabilities;
  const unknown = new Set(
    Object.values<readonly string[]>({ ...sets })
      .flat()
      .filter((name) => !ALL_CAPABILITIES.includes(name)),
  );
  return {
    process: {
      ...rest,
      ...(sets ? { capabilities: knownSets(sets) } : {}),
      ...(apparmorProfile && apparmor ? { apparmorProfile } : {}),
      ...(selinuxLabel && selinux ? { selinuxLabel } : {}),
    },
    warnings: [
      ...[...unknown].map((name) => `capability ${name} is not known here and left out`),
      ...(apparmorProfile && apparmorProfile !== 'unconfined' && !apparmor
        ? [`AppArmor is not enabled here: profile ${apparmorProfile} has no effect`]
        : []),
      ...(selinuxLabel && !selinux
        ? [`SELinux is not enabled here: label ${selinuxLabel} has no effect`]
        : []),
    ],
  };
}

function knownSets(sets: OciCapabilities): OciCapabilities {
  const known = (names: readonly string[]) => names.filter((name) => ALL_CAPABILITIES.includes(name));
  return {
    bounding: known(sets.bounding),
    effective: known(sets.effective),
    permitted: known(sets.permitted),
    inheritable: known(sets.inheritable),
    ambient: known(sets.ambient),
  };
}

const NATIVE = { x64: 'SCMP_ARCH_X86_64', arm64: 'SCMP_ARCH_AARCH64' } as const;
const WITHOUT_EFFECT = ['SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV'];

function completeSeccomp(rules: OciSeccomp, { architecture }: Pick<Machine, 'architecture'>) {
  const { architectures = [], flags = [] } = rules;
  const native = NATIVE[architecture];
  const left = flags.filter((flag) => WITHOUT_EFFECT.includes(flag));
  return {
    rules: {
      ...rules,
      architectures: architectures.includes(native) ? architectures : [native, ...architectures],
      flags: flags.filter((flag) => !WITHOUT_EFFECT.includes(flag)),
    },
    warnings: left.map((flag) => `seccomp flag ${flag} has no effect without notifications`),
  };
}

/** A path below the root of every hierarchy, or `slice:prefix:name` for systemd. */
function cgroupPath(
  path: string | undefined,
  { id, systemdCgroup, machine }: CompleteOptions,
): { readonly cgroupsPath: string; readonly scope?: Scope } {
  if (!systemdCgroup) return { cgroupsPath: path ? `/${path}`.replace(/\/+/g, '/') : `/tscompose/${id}` };
  if (path && !/^[^/:]*:[^/:]*:[^/:]+$/.test(path)) {
    throw new ComposeError(
      'invalid-value',
      `expected cgroupsPath to be of format "slice:prefix:name", got "${path}"`,
    );
  }
  if (!machine.systemd) {
    const message = 'systemd not running on this host, cannot use systemd cgroups manager';
    throw new ComposeError('unsupported', message);
  }
  const scope = scopeFromPath(path ?? '', id);
  return { cgroupsPath: groupIn(scope), scope };
}

function devicesOf({ devices = [] }: OciLinux): readonly OciDevice[] {
  const listed = new Set(devices.map(({ path }) => path));
  return [...DEFAULT_DEVICES.filter(({ path }) => !listed.has(path)), ...devices];
}

// The defaults come last, so that nothing takes /dev/null away.
function rulesOf(rules: readonly OciDeviceRule[]): readonly OciDeviceRule[] {
  const [denyAll, ...defaults] = DEFAULT_RULES;
  const allowsAll = rules.at(-1)?.allow === true && rules.at(-1)?.type === undefined;
  if (allowsAll) return rules;
  return [...(rules.length === 0 && denyAll ? [denyAll] : []), ...rules, ...defaults];
}
