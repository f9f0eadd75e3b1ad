// A small world for tests of containers: a machine as a value, a service in one line.
import type { Service } from '../../src/compose/project.ts';
import { ALL_CAPABILITIES } from '../../src/containers/capabilities.ts';
import type { CgroupLayout } from '../../src/containers/cgroup.ts';
import { compileLaunch, type Launch, type LaunchExtras } from '../../src/containers/launch.ts';
import type { DeviceNode, Machine } from '../../src/containers/machine.ts';
import type { OciSpec } from '../../src/containers/oci.ts';
import { buildSpec, type SpecInput, type SpecResult } from '../../src/containers/spec.ts';

export const CGROUP_V2: CgroupLayout = {
  mode: 'v2',
  v1: {},
  hierarchies: [],
  unified: '/sys/fs/cgroup',
  available: ['cpuset', 'cpu', 'io', 'memory', 'hugetlb', 'pids'],
  cpus: '',
  mems: '',
};

const HIERARCHIES = ['cpu,cpuacct', 'cpuset', 'memory', 'devices', 'freezer', 'blkio', 'pids'].map(
  (data) => ({
    mountPoint: `/sys/fs/cgroup/${data}`,
    data,
  }),
);

export const CGROUP_V1: CgroupLayout = {
  mode: 'v1',
  v1: Object.fromEntries(HIERARCHIES.flatMap((one) => one.data.split(',').map((name) => [name, one]))),
  hierarchies: HIERARCHIES,
  available: [],
  cpus: '0-3',
  mems: '0',
};

const DEVICES: Readonly<Record<string, DeviceNode>> = {
  '/dev/fuse': { type: 'c', major: 10, minor: 229, mode: 0o666, uid: 0, gid: 0 },
  '/dev/sda': { type: 'b', major: 8, minor: 0, mode: 0o660, uid: 0, gid: 6 },
  '/dev/snd/a': { type: 'c', major: 116, minor: 1, mode: 0o660, uid: 0, gid: 29 },
  '/dev/snd/b': { type: 'c', major: 116, minor: 2, mode: 0o660, uid: 0, gid: 29 },
};

export const MACHINE: Machine = {
  architecture: 'x64',
  uid: 0,
  gid: 0,
  capabilities: ALL_CAPABILITIES,
  nofileHard: 1_048_576,
  cpus: 4,
  hostname: 'machine',
  cgroups: CGROUP_V2,
  hasCgroupFile: (_, file) => !file.includes('bfq'),
  freeIds: {
    uids: { containerID: 0, hostID: 100_000, size: 65_536 },
    gids: { containerID: 0, hostID: 100_000, size: 65_536 },
  },
  systemd: false,
  apparmor: false,
  selinux: false,
  resolvConf: 'nameserver 192.0.2.1\nsearch example.org\n',
  device: (path) => DEVICES[path],
  listDirectory: (path) => (path === '/dev/snd' ? ['a', 'b'] : undefined),
};

/** A service with what every service has. */
export function service(attributes: Partial<Service> = {}): Service {
  return { command: ['run'], entrypoint: null, ...attributes };
}

export function specOf(attributes: Partial<Service> = {}, input: Partial<SpecInput> = {}): SpecResult {
  return buildSpec({
    id: 'ab'.repeat(32),
    service: service(attributes),
    image: {},
    labels: {},
    hostname: 'abababababab',
    mounts: [],
    files: [],
    joins: {},
    joinPath: (id, slot) => `/r/${id}/${slot}`,
    rootPath: '/r/rootfs',
    seccomp: () => undefined,
    machine: MACHINE,
    ...input,
  });
}

export const EXTRAS: LaunchExtras = {
  mountPoint: '/r/rootfs',
  rootFs: { kind: 'overlay', lower: ['/l2', '/l1'], upper: '/u', work: '/w', options: [], masks: [] },
  mounts: {},
  cgroups: CGROUP_V2,
  hasCgroupFile: (_, file) => !file.includes('bfq'),
  user: '',
  groups: [],
  init: false,
  standardInput: 'none',
  log: { driver: 'json-file', path: '/s/log', maxBytes: 0, files: 1, nonBlocking: false },
  restart: { policy: 'no', attempts: 0, delayMs: -1, windowMs: 0 },
  stopSignal: 15,
  stopGraceMs: 10_000,
};

export function launchOf(spec: OciSpec, extras: Partial<LaunchExtras> = {}): Launch {
  return compileLaunch(spec, { ...EXTRAS, ...extras });
}

/** One line a step: `BIND /a  /b 1 2 3`. */
export function render(launch: Launch): string[] {
  return launch.program.map(({ name, args }) =>
    [name, ...args.map((arg) => (arg instanceof Uint8Array ? '…' : arg))].join(' '),
  );
}
