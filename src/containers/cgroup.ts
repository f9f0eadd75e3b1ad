// Control groups: how this machine has them, and the one table from a limit to the files of v1 and v2.
import type { OciResources, OciThrottle } from './oci.ts';
import { besideIn, type Scope } from './scope.ts';
import type { Warning } from './warning.ts';

export type Controller =
  | 'cpu'
  | 'cpuacct'
  | 'cpuset'
  | 'memory'
  | 'pids'
  | 'blkio'
  | 'devices'
  | 'freezer'
  | 'hugetlb';

/** One mounted v1 hierarchy. */
export interface Hierarchy {
  readonly mountPoint: string;
  /** What a mount of it has as options, for example `cpu,cpuacct` or `name=systemd`. */
  readonly data: string;
}

export interface CgroupLayout {
  readonly mode: 'v1' | 'hybrid' | 'v2' | 'none';
  /** v1 hierarchies by controller; co-mounted controllers share one. */
  readonly v1: Readonly<Partial<Record<Controller, Hierarchy>>>;
  /** Every v1 hierarchy, the named ones too. */
  readonly hierarchies: readonly Hierarchy[];
  /** Mount point of the unified hierarchy; in hybrid mode it has no controllers. */
  readonly unified?: string;
  /** Controllers that the unified hierarchy can give to children, by their v2 names. */
  readonly available: readonly string[];
  /** CPUs and memory nodes of the root, for cpuset on v1. */
  readonly cpus: string;
  readonly mems: string;
  /** Microseconds of real-time scheduling that all groups share on v1; empty when there is no such thing. */
  readonly realtime?: string;
}

const CONTROLLERS: readonly Controller[] = [
  'cpu',
  'cpuacct',
  'cpuset',
  'memory',
  'pids',
  'blkio',
  'devices',
  'freezer',
  'hugetlb',
];

/** Reads the layout from the text of /proc/self/mountinfo; `read` gives a file's text or undefined. */
export function detectCgroups(mountinfo: string, read: (path: string) => string | undefined): CgroupLayout {
  const mounts = mountinfo.split('\n').flatMap(parseMount);
  const hierarchies = mounts.filter((mount) => mount.type === 'cgroup').map(toHierarchy);
  const unified = mounts.find((mount) => mount.type === 'cgroup2')?.mountPoint;
  const v1 = Object.fromEntries(CONTROLLERS.flatMap((name) => withController(hierarchies, name)));
  const cpuset = v1.cpuset?.mountPoint;
  const realtime = v1.cpu && read(`${v1.cpu.mountPoint}/cpu.rt_runtime_us`)?.trim();
  return {
    mode: modeOf(hierarchies, unified),
    v1,
    hierarchies,
    ...(unified === undefined ? {} : { unified }),
    available: (unified && read(`${unified}/cgroup.controllers`)?.trim().split(/\s+/).filter(Boolean)) || [],
    cpus: (cpuset && read(`${cpuset}/cpuset.cpus`)?.trim()) || '',
    mems: (cpuset && read(`${cpuset}/cpuset.mems`)?.trim()) || '',
    ...(realtime ? { realtime } : {}),
  };
}

interface CgroupMount {
  readonly type: string;
  readonly mountPoint: string;
  readonly options: string;
}

function parseMount(line: string): CgroupMount[] {
  const [before = '', after = ''] = line.split(' - ');
  const mountPoint = before.split(' ')[4];
  const [type = '', , options = ''] = after.split(' ');
  if (mountPoint === undefined || !type.startsWith('cgroup')) return [];
  return [{ type, mountPoint: unescapeOctal(mountPoint), options }];
}

function unescapeOctal(path: string): string {
  return path.replace(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}

function toHierarchy({ mountPoint, options }: CgroupMount): Hierarchy {
  const own = options.split(',').filter((option) => isController(option) || option.startsWith('name='));
  return { mountPoint, data: own.join(',') };
}

const OTHER_CONTROLLERS = ['net_cls', 'net_prio', 'perf_event', 'rdma', 'misc', 'debug'];

function isController(option: string): boolean {
  return CONTROLLERS.some((name) => name === option) || OTHER_CONTROLLERS.includes(option);
}

function withController(hierarchies: readonly Hierarchy[], name: Controller): [Controller, Hierarchy][] {
  const found = hierarchies.find(({ data }) => data.split(',').includes(name));
  return found === undefined ? [] : [[name, found]];
}

function modeOf(hierarchies: readonly Hierarchy[], unified: string | undefined): CgroupLayout['mode'] {
  const withControllers = hierarchies.some(({ data }) => !data.startsWith('name='));
  if (withControllers) return unified === undefined ? 'v1' : 'hybrid';
  return unified === undefined ? 'none' : 'v2';
}

/** One write: which controller it needs, the file of it, and the text. */
interface Write {
  readonly controller: Controller;
  readonly file: string;
  readonly value: string;
}

interface Limit<T> {
  /** The attribute that asks for it, for warnings. */
  readonly attribute: string;
  readonly value: (resources: OciResources) => T | undefined;
  /** Absent: v1 cannot do it. */
  readonly v1?: (value: T, resources: OciResources) => readonly Write[];
  readonly v2?: (value: T, resources: OciResources) => readonly Write[];
}

function limit<T>(row: Limit<T>): Limit<unknown> {
  return row as Limit<unknown>;
}

function write(controller: Controller, file: string, value: string | number): Write {
  return { controller, file, value: String(value) };
}

const orMax = (value: number) => (value < 0 ? 'max' : String(value));
const DEFAULT_PERIOD = 100_000;

/** Shares (2 to 262144, 1024 is one part) as a v2 weight (1 to 10000, 100 is one part). */
export function weightOfShares(shares: number): number {
  if (shares <= 2) return 1;
  if (shares >= 262_144) return 10_000;
  const l = Math.log2(shares);
  return Math.ceil(10 ** ((l * l + 125 * l) / 612 - 7 / 34) - 1e-9);
}

/** A blkio weight (10 to 1000) as a v2 io.weight (1 to 10000). */
export function ioWeight(weight: number): number {
  return Math.round(1 + ((weight - 10) * 9999) / 990);
}

// Swap alone, as v2 wants it, from memory and swap together.
function swapOnly(swap: number, memory: number | undefined): string {
  if (swap < 0) return 'max';
  return String(Math.max(0, swap - Math.max(0, memory ?? 0)));
}

function throttle(key: 'Read' | 'Write', unit: 'Bps' | 'IOPS'): Limit<unknown> {
  const v1File = `blkio.throttle.${key.toLowerCase()}_${unit.toLowerCase()}_device`;
  const v2Key = `${key === 'Read' ? 'r' : 'w'}${unit.toLowerCase()}`;
  const property = `throttle${key}${unit}Device` as const;
  return limit<readonly OciThrottle[]>({
    attribute: `blkio_config.device_${key.toLowerCase()}_${unit.toLowerCase()}`,
    value: ({ blockIO }) => blockIO?.[property],
    v1: (list) => list.map(({ major, minor, rate }) => write('blkio', v1File, `${major}:${minor} ${rate}`)),
    v2: (list) =>
      list.map(({ major, minor, rate }) =>
        write('blkio', 'io.max', `${major}:${minor} ${v2Key}=${rate || 'max'}`),
      ),
  });
}

/** The one table. Within a group the order matters: on v1, memory before memory and swap. */
const LIMITS: readonly Limit<unknown>[] = [
  limit<number>({
    attribute: 'cpu_shares',
    value: ({ cpu }) => cpu?.shares,
    v1: (shares) => [write('cpu', 'cpu.shares', shares)],
    v2: (shares) => [write('cpu', 'cpu.weight', weightOfShares(shares))],
  }),
  limit<{ quota: number; period: number }>({
    attribute: 'cpus',
    value: ({ cpu }) => {
      if (cpu?.quota === undefined && cpu?.period === undefined) return undefined;
      return { quota: cpu.quota ?? -1, period: cpu.period ?? DEFAULT_PERIOD };
    },
    v1: ({ quota, period }) => [
      write('cpu', 'cpu.cfs_period_us', period),
      write('cpu', 'cpu.cfs_quota_us', quota),
    ],
    v2: ({ quota, period }) => [write('cpu', 'cpu.max', `${orMax(quota)} ${period}`)],
  }),
  limit<number>({
    attribute: 'cpu_rt_period',
    value: ({ cpu }) => cpu?.realtimePeriod,
    v1: (period) => [write('cpu', 'cpu.rt_period_us', period)],
  }),
  limit<number>({
    attribute: 'cpu_rt_runtime',
    value: ({ cpu }) => cpu?.realtimeRuntime,
    v1: (runtime) => [write('cpu', 'cpu.rt_runtime_us', runtime)],
  }),
  limit<string>({
    attribute: 'cpuset',
    value: ({ cpu }) => cpu?.cpus,
    v1: (cpus) => [write('cpuset', 'cpuset.cpus', cpus)],
    v2: (cpus) => [write('cpuset', 'cpuset.cpus', cpus)],
  }),
  limit<number>({
    attribute: 'mem_limit',
    value: ({ memory }) => memory?.limit,
    v1: (bytes) => [write('memory', 'memory.limit_in_bytes', bytes)],
    v2: (bytes) => [write('memory', 'memory.max', orMax(bytes))],
  }),
  limit<number>({
    attribute: 'memswap_limit',
    value: ({ memory }) => memory?.swap,
    v1: (bytes) => [write('memory', 'memory.memsw.limit_in_bytes', bytes)],
    v2: (bytes, { memory }) => [write('memory', 'memory.swap.max', swapOnly(bytes, memory?.limit))],
  }),
  limit<number>({
    attribute: 'mem_reservation',
    value: ({ memory }) => memory?.reservation,
    v1: (bytes) => [write('memory', 'memory.soft_limit_in_bytes', bytes)],
    v2: (bytes) => [write('memory', 'memory.low', bytes)],
  }),
  limit<number>({
    attribute: 'mem_swappiness',
    value: ({ memory }) => memory?.swappiness,
    v1: (percent) => [write('memory', 'memory.swappiness', percent)],
  }),
  limit<true>({
    attribute: 'oom_kill_disable',
    value: ({ memory }) => memory?.disableOOMKiller || undefined,
    v1: () => [write('memory', 'memory.oom_control', 1)],
  }),
  limit<number>({
    attribute: 'pids_limit',
    value: ({ pids }) => pids?.limit,
    v1: (count) => [write('pids', 'pids.max', count <= 0 ? 'max' : count)],
    v2: (count) => [write('pids', 'pids.max', count <= 0 ? 'max' : count)],
  }),
  limit<number>({
    attribute: 'blkio_config.weight',
    value: ({ blockIO }) => blockIO?.weight || undefined,
    v1: (weight) => [write('blkio', 'blkio.bfq.weight|blkio.weight', weight)],
    v2: (weight) => [write('blkio', 'io.bfq.weight|io.weight', weight)],
  }),
  limit<readonly { major: number; minor: number; weight: number }[]>({
    attribute: 'blkio_config.weight_device',
    value: ({ blockIO }) => blockIO?.weightDevice,
    v1: (list) =>
      list.map((d) =>
        write('blkio', 'blkio.bfq.weight_device|blkio.weight_device', `${d.major}:${d.minor} ${d.weight}`),
      ),
    v2: (list) =>
      list.map((d) => write('blkio', 'io.bfq.weight|io.weight', `${d.major}:${d.minor} ${d.weight}`)),
  }),
  throttle('Read', 'Bps'),
  throttle('Write', 'Bps'),
  throttle('Read', 'IOPS'),
  throttle('Write', 'IOPS'),
  limit<readonly { pageSize: string; limit: number }[]>({
    attribute: 'x-tscompose.hugetlb',
    value: ({ hugepageLimits }) => hugepageLimits,
    v1: (list) => list.map((page) => write('hugetlb', `hugetlb.${page.pageSize}.limit_in_bytes`, page.limit)),
    v2: (list) => list.map((page) => write('hugetlb', `hugetlb.${page.pageSize}.max`, page.limit)),
  }),
];

/** What the shim does on the host before the container's first process is made. */
export interface CgroupPlan {
  /** Directories to create, in order. */
  readonly create: readonly string[];
  /** File and value, in order; the directories exist by then. */
  readonly writes: readonly (readonly [file: string, value: string])[];
  /** Directories whose cgroup.procs take the first process. */
  readonly join: readonly string[];
  /** Those of `create` and `join` that are special: of the v1 controller cpuset, of v2. */
  readonly cpuset?: string;
  readonly unified?: string;
  /** The scope that holds them, and where the shim waits in it; empty on v1. */
  readonly scope?: Scope & { readonly aside: string };
  /** The v2 directory that a device program is attached to. */
  readonly deviceProgram?: string;
  /** The v1 directory whose devices.deny and devices.allow are written. */
  readonly deviceList?: string;
  readonly warnings: readonly Warning[];
}

export interface CgroupWish {
  /** Path below each hierarchy, for example `/tscompose/ID`. */
  readonly path: string;
  readonly resources: OciResources;
  readonly layout: CgroupLayout;
  /** Made by systemd; `path` is in it. */
  readonly scope?: Scope | undefined;
  /** Whether a controller has a file on this machine; picks between alternatives `a|b`. */
  readonly hasFile: (controller: Controller, file: string) => boolean;
}

/** Which directories to make, what to write and where to go. Nothing is dropped silently: see `warnings`. */
export function planCgroups(wish: CgroupWish): CgroupPlan {
  switch (wish.layout.mode) {
    case 'none':
      return { create: [], writes: [], join: [], warnings: everythingMissing(wish.resources) };
    case 'v2':
      return planV2(wish, wish.layout.unified ?? '/sys/fs/cgroup');
    default:
      return planV1(wish);
  }
}

function everythingMissing(resources: OciResources): Warning[] {
  const asked = LIMITS.filter((row) => row.value(resources) !== undefined);
  return asked.map(({ attribute }) => ({
    attribute,
    reason: 'no control groups are mounted on this machine',
  }));
}

interface Chosen {
  readonly writes: readonly Write[];
  readonly warnings: readonly Warning[];
}

/** Picks the writes of one version, for controllers and files that this machine has. */
function choose(wish: CgroupWish, version: 'v1' | 'v2', has: (controller: Controller) => boolean): Chosen {
  const writes: Write[] = [];
  const warnings: Warning[] = [];
  for (const row of LIMITS) {
    const value = row.value(wish.resources);
    if (value === undefined) continue;
    const problem = writesOf(row[version]?.(value, wish.resources), wish, has, writes);
    if (problem !== undefined) {
      warnings.push({ attribute: row.attribute, reason: problem.replace('VERSION', version) });
    }
  }
  return { writes, warnings };
}

function writesOf(
  wanted: readonly Write[] | undefined,
  wish: CgroupWish,
  has: (controller: Controller) => boolean,
  writes: Write[],
): string | undefined {
  if (wanted === undefined) return 'cgroup VERSION has no such limit';
  for (const row of wanted) {
    if (!has(row.controller)) return `the ${row.controller} controller is not available on this machine`;
    const file = row.file.split('|').find((candidate) => wish.hasFile(row.controller, candidate));
    if (file === undefined) return `this kernel has no ${row.file.split('|').join(' and no ')}`;
    writes.push({ ...row, file, value: file === 'io.weight' ? ioWeightText(row.value) : row.value });
  }
  return undefined;
}

function ioWeightText(value: string): string {
  const [device, weight] = value.includes(' ') ? value.split(' ') : [undefined, value];
  return `${device ?? 'default'} ${ioWeight(Number(weight))}`;
}

/** Joined always: what counters, freezing and device access need. */
const V1_ALWAYS: readonly Controller[] = ['cpu', 'cpuacct', 'memory', 'pids', 'devices', 'freezer', 'blkio'];

function planV1(wish: CgroupWish): CgroupPlan {
  const { layout, path, scope } = wish;
  const { writes, warnings } = choose(wish, 'v1', (controller) => layout.v1[controller] !== undefined);
  const needed = [...V1_ALWAYS, ...writes.map(({ controller }) => controller)];
  const mountPoints = needed.flatMap((controller) => layout.v1[controller]?.mountPoint ?? []);
  const directories = [...new Set(mountPoints)].map((mountPoint) => mountPoint + path);
  const file = (row: Write) => `${layout.v1[row.controller]?.mountPoint}${path}/${row.file}`;
  const deviceList = layout.v1.devices && layout.v1.devices.mountPoint + path;
  return {
    create: directories,
    writes: [
      ...cpusetParents(wish, writes),
      ...realtimeParents(wish, writes),
      ...writes.map((row) => [file(row), row.value] as const),
    ],
    join: directories,
    ...(layout.v1.cpuset === undefined ? {} : { cpuset: layout.v1.cpuset.mountPoint + path }),
    ...(scope === undefined ? {} : { scope: { ...scope, aside: '' } }),
    ...(deviceList === undefined ? {} : { deviceList }),
    warnings,
  };
}

// On v1 a cpuset is born empty, and nothing can live in it until every ancestor has CPUs and memory nodes.
function cpusetParents(
  { layout, path }: CgroupWish,
  writes: readonly Write[],
): (readonly [string, string])[] {
  const mountPoint = layout.v1.cpuset?.mountPoint;
  if (mountPoint === undefined || !writes.some(({ controller }) => controller === 'cpuset')) return [];
  return ancestors(path).flatMap((directory) => [
    [`${mountPoint}${directory}/cpuset.cpus`, layout.cpus] as const,
    [`${mountPoint}${directory}/cpuset.mems`, layout.mems] as const,
  ]);
}

// A group can give what it was given: nothing, unless it is said.
function realtimeParents(
  { layout: { v1, realtime = '' }, path }: CgroupWish,
  writes: readonly Write[],
): (readonly [string, string])[] {
  if (!writes.some(({ file }) => file === 'cpu.rt_runtime_us')) return [];
  const parents = ancestors(path).slice(0, -1);
  return parents.map((directory) => [`${v1.cpu?.mountPoint}${directory}/cpu.rt_runtime_us`, realtime]);
}

/** `/a/b/c` → `/a`, `/a/b`, `/a/b/c`. */
function ancestors(path: string): string[] {
  const parts = path.split('/').filter(Boolean);
  return parts.map((_, index) => `/${parts.slice(0, index + 1).join('/')}`);
}

const V2_NAME: Readonly<Partial<Record<Controller, string>>> = {
  cpu: 'cpu',
  cpuset: 'cpuset',
  memory: 'memory',
  pids: 'pids',
  blkio: 'io',
  hugetlb: 'hugetlb',
};

/** Enabled always, for counters; more when a limit needs it. */
const V2_ALWAYS = ['cpu', 'memory', 'pids', 'io'];

function planV2(wish: CgroupWish, root: string): CgroupPlan {
  const { layout, path, scope } = wish;
  const available = (name: string | undefined) => name !== undefined && layout.available.includes(name);
  const { writes, warnings } = choose(wish, 'v2', (controller) => available(V2_NAME[controller]));
  const names = [...V2_ALWAYS, ...writes.map(({ controller }) => V2_NAME[controller] ?? controller)];
  const enable = [...new Set(names)].filter(available).map((name) => `+${name}`);
  const leaf = root + path;
  // Above its scope the groups are systemd's, which gives a delegated one every controller.
  const parents = scope === undefined ? ['', ...ancestors(path).slice(0, -1)] : [scope.path];
  const subtree = parents.map(
    (directory) => [`${root}${directory}/cgroup.subtree_control`, enable.join(' ')] as const,
  );
  return {
    create: [leaf],
    writes: [
      ...(enable.length > 0 ? subtree : []),
      ...writes.map((row) => [`${leaf}/${row.file}`, row.value] as const),
      ...Object.entries(wish.resources.unified ?? {}).map(
        ([file, value]) => [`${leaf}/${file}`, value] as const,
      ),
    ],
    join: [leaf],
    unified: leaf,
    ...(scope === undefined ? {} : { scope: { ...scope, aside: besideIn(scope, root) } }),
    deviceProgram: leaf,
    warnings,
  };
}
