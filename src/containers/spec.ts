// Service + image + resolved mounts → the OCI runtime specification of a container; pure.
import type { Dict, Service } from '../compose/project.ts';
import { type CapabilityWish, wantedCapabilities } from './capabilities.ts';
import { devicesOf } from './devices.ts';
import { extensionOf } from './extension.ts';
import { ignoredAttributes } from './ignored.ts';
import type { Machine } from './machine.ts';
import { type BindMount, defaultMounts, type ResolvedMount, toOciMount } from './mounts.ts';
import {
  type JoinSlot,
  type Joins,
  type Namespaces,
  namespacesOf,
  shiftsIds,
  toOciNamespaces,
} from './namespaces.ts';
import type {
  OciDevice,
  OciHooks,
  OciIdMapping,
  OciLinux,
  OciMount,
  OciProcess,
  OciSeccomp,
  OciSpec,
} from './oci.ts';
import { commandOf, environmentOf, type ImageDefaults, numericUser, rlimitsOf, userOf } from './program.ts';
import { resourcesOf } from './resources.ts';
import { groupIn, scopeOf } from './scope.ts';
import {
  fileLabel,
  MASKED_PATHS,
  READ_ONLY_PATHS,
  type Security,
  securityOf,
  sysctlsOf,
  throttlePaths,
} from './security.ts';
import { byteCount } from './units.ts';
import type { Warning } from './warning.ts';

export interface SpecInput {
  readonly id: string;
  readonly service: Service;
  readonly image: ImageDefaults;
  readonly labels: Dict<string>;
  readonly hostname: string;
  readonly mounts: readonly ResolvedMount[];
  /** Files of the container's own directory and of configs and secrets. */
  readonly files: readonly BindMount[];
  readonly joins: Joins;
  /** Stands for another container's namespace until the launch. */
  readonly joinPath: (containerId: string, slot: JoinSlot) => string;
  /** Directory of the host that is /dev/shm of all who share an IPC namespace. */
  readonly sharedShm?: string;
  readonly rootPath: string;
  /** The rules for a set of capabilities; undefined: unconfined. */
  readonly seccomp: (capabilities: readonly string[]) => OciSeccomp | undefined;
  readonly machine: Machine;
  /** Of vendors' devices. */
  readonly hooks?: OciHooks;
  /** Owners and modes of nodes, where they differ from the machine's. */
  readonly nodes?: readonly NodeOwner[];
}

export interface NodeOwner {
  readonly path: string;
  readonly fileMode?: number;
  readonly uid?: number;
  readonly gid?: number;
}

export interface SpecResult {
  readonly spec: OciSpec;
  readonly warnings: readonly Warning[];
}

const DEFAULT_SHM_BYTES = 67_108_864;

/** The specification of a container, and what of the service this machine cannot honour. */
export function buildSpec(input: SpecInput): SpecResult {
  const { service, machine } = input;
  const namespaces = namespacesOf(service, input.joins, machine);
  const security = securityOf(service, machine);
  const capabilities = givenCapabilities(service, machine);
  const devices = devicesOf(service, machine);
  const rules = input.seccomp(capabilities.given);
  const spec: OciSpec = {
    // The oldest version that has all of what is written here: runtimes refuse newer ones than they know.
    ociVersion: '1.0.2',
    root: { path: input.rootPath, ...(service.read_only ? { readonly: true } : {}) },
    ...(namespaces.uts === 'own' ? names(service, input.hostname) : {}),
    process: processOf(input, security, capabilities.given),
    mounts: mountsOf(input, namespaces),
    annotations: { ...input.labels, ...service.annotations },
    ...(Object.keys(input.hooks ?? {}).length > 0 ? { hooks: input.hooks } : {}),
    linux: {
      namespaces: namespaceList(input, namespaces),
      ...mappings(namespaces),
      devices: devices.nodes.map((node) => owned(node, input.nodes ?? [])),
      cgroupsPath: cgroupPath(service, input.id, machine),
      resources: resourcesOf(service, devices.rules, machine),
      rootfsPropagation: 'slave',
      ...(rules ? { seccomp: rules } : {}),
      ...sysctls(service, namespaces),
      ...paths(security, machine),
      ...(security.selinux ? { mountLabel: fileLabel(security.selinux) } : {}),
      ...timeOffsets(service),
    },
  };
  const warnings = [
    ...security.warnings,
    ...capabilities.warnings,
    ...ignoredAttributes(service, namespaces),
  ];
  return { spec, warnings };
}

function owned(node: OciDevice, owners: readonly NodeOwner[]): OciDevice {
  const { path: _, ...owner } = owners.find(({ path }) => path === node.path) ?? { path: '' };
  const { fileMode, uid, gid } = owner;
  return {
    ...node,
    ...(fileMode === undefined ? {} : { fileMode }),
    ...(uid === undefined ? {} : { uid }),
    ...(gid === undefined ? {} : { gid }),
  };
}

function names(service: Service, hostname: string) {
  return { hostname, ...(service.domainname ? { domainname: service.domainname } : {}) };
}

function processOf(input: SpecInput, security: Security, capabilities: readonly string[]): OciProcess {
  const { service, image, machine, hostname } = input;
  const user = userOf(service, image);
  const numeric = numericUser(user);
  const groups = (service.group_add ?? []).filter((group) => /^\d+$/.test(group)).map(Number);
  const root = numeric === undefined || numeric.uid === 0;
  const inSet = root ? capabilities : [];
  return {
    terminal: service.tty ?? false,
    user: {
      ...(numeric ?? { uid: 0, gid: 0 }),
      ...(groups.length > 0 ? { additionalGids: groups } : {}),
      ...(user === '' ? {} : { username: user }),
    },
    args: commandOf(service, image),
    env: environmentOf({ service, image, hostname }),
    cwd: service.working_dir || image.WorkingDir || '/',
    capabilities: {
      bounding: capabilities,
      effective: inSet,
      permitted: inSet,
      inheritable: [],
      ambient: [],
    },
    rlimits: rlimitsOf(service, machine),
    noNewPrivileges: security.noNewPrivileges,
    ...(security.apparmor ? { apparmorProfile: security.apparmor } : {}),
    ...(security.selinux ? { selinuxLabel: security.selinux } : {}),
    oomScoreAdj: service.oom_score_adj ?? 0,
  };
}

interface GivenCapabilities {
  readonly given: readonly string[];
  readonly warnings: readonly Warning[];
}

// Nobody can give what he does not have; what was asked for by name and is missing is said.
function givenCapabilities(
  service: Service,
  machine: Pick<Machine, 'capabilities' | 'uid'>,
): GivenCapabilities {
  const wish: CapabilityWish = {
    add: service.cap_add ?? [],
    drop: service.cap_drop ?? [],
    privileged: service.privileged ?? false,
  };
  const wanted = wantedCapabilities(wish);
  if (machine.uid !== 0) return { given: wanted, warnings: [] };
  const given = wanted.filter((name) => machine.capabilities.includes(name));
  const missing = wanted.filter((name) => !given.includes(name));
  const attribute = service.privileged ? 'privileged' : 'cap_add';
  const named = wish.add.length > 0 || wish.privileged;
  const reason = `this machine does not let us give ${missing.join(', ')}`;
  return { given, warnings: named && missing.length > 0 ? [{ attribute, reason }] : [] };
}

function mountsOf(input: SpecInput, namespaces: Namespaces): readonly OciMount[] {
  const { service, mounts, files } = input;
  const shm = service.shm_size === undefined ? 0 : byteCount(service.shm_size);
  const shared = namespaces.ipc === 'host' ? '/dev/shm' : input.sharedShm;
  const defaults = defaultMounts({
    privileged: service.privileged ?? false,
    shmSize: shm > 0 ? shm : DEFAULT_SHM_BYTES,
    ...(shared === undefined ? {} : { sharedShm: shared }),
    hostPid: namespaces.pid !== 'own',
    hostIpc: namespaces.ipc === 'host',
    hostNetwork: namespaces.network !== 'own',
    userNamespace: namespaces.user === 'own',
  });
  const own = [...files, ...mounts].map((mount) => withIds(toOciMount(mount), input, namespaces));
  const replaced = new Set(own.map(({ destination }) => destination));
  const kept = defaults.filter(({ destination }) => !isReplaced(destination, replaced));
  return [...kept, ...byDepth(unique(own))];
}

// What is bound has its owners mapped as the service wants it, or as the container's own ids are.
function withIds(mount: OciMount, { service, machine }: SpecInput, namespaces: Namespaces): OciMount {
  if (mount.type !== 'bind') return mount;
  const wish = extensionOf(service).idmap[mount.destination];
  const { uidMappings, gidMappings } = namespaces;
  if (wish === undefined && !shiftsIds(namespaces, machine)) return mount;
  return {
    ...mount,
    options: [...(mount.options ?? []), mount.options?.includes('rbind') ? 'ridmap' : 'idmap'],
    uidMappings: wish === undefined ? uidMappings : wish.uids.map((one) => onMachine(one, uidMappings)),
    gidMappings: wish === undefined ? gidMappings : wish.gids.map((one) => onMachine(one, gidMappings)),
  };
}

// The second column is an id in the container; the kernel wants the machine's.
function onMachine(range: OciIdMapping, mappings: readonly OciIdMapping[]): OciIdMapping {
  const around = mappings.find(
    ({ containerID, size }) => range.hostID >= containerID && range.hostID < containerID + size,
  );
  return around === undefined
    ? range
    : { ...range, hostID: range.hostID - around.containerID + around.hostID };
}

// A service that mounts its own /dev means all of it.
function isReplaced(destination: string, by: ReadonlySet<string>): boolean {
  return by.has(destination) || (by.has('/dev') && destination.startsWith('/dev/'));
}

function unique(mounts: readonly OciMount[]): readonly OciMount[] {
  return [...new Map(mounts.map((mount) => [mount.destination, mount])).values()];
}

// What is mounted below another mount has to come after it.
function byDepth(mounts: readonly OciMount[]): readonly OciMount[] {
  const depth = ({ destination }: OciMount) => destination.split('/').filter(Boolean).length;
  return [...mounts].sort((a, b) => depth(a) - depth(b));
}

function namespaceList({ service, joins, joinPath }: SpecInput, namespaces: Namespaces) {
  const listed = toOciNamespaces({ namespaces, joins, joinPath });
  return Object.keys(extensionOf(service).time).length === 0
    ? listed
    : [...listed, { type: 'time' as const }];
}

function timeOffsets(service: Service): Partial<OciLinux> {
  const { time } = extensionOf(service);
  return Object.keys(time).length === 0 ? {} : { timeOffsets: time };
}

function mappings({ uidMappings, gidMappings }: Namespaces): Partial<OciLinux> {
  return uidMappings.length === 0 ? {} : { uidMappings, gidMappings };
}

/** `/tscompose/ID`, or below the service's `cgroup_parent`, or in a scope of systemd. */
function cgroupPath(service: Service, id: string, machine: Machine): string {
  const scope = scopeOf(service, id, machine);
  if (scope !== undefined) return groupIn(scope);
  const parent = service.cgroup_parent || '/tscompose';
  return `${parent.startsWith('/') ? parent : `/${parent}`}/${id}`.replace(/\/+/g, '/');
}

function sysctls(service: Service, namespaces: Namespaces): Partial<OciLinux> {
  const sysctl = sysctlsOf(service, {
    ownNetwork: namespaces.network === 'own',
    ownIpc: namespaces.ipc === 'own',
    userNamespace: namespaces.user === 'own',
  });
  return Object.keys(sysctl).length === 0 ? {} : { sysctl };
}

function paths({ openSystemPaths }: Security, machine: Machine): Partial<OciLinux> {
  if (openSystemPaths) return {};
  return { maskedPaths: [...MASKED_PATHS, ...throttlePaths(machine)], readonlyPaths: READ_ONLY_PATHS };
}
