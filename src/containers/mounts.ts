// File systems of a container: what the service mounts, as values with every source resolved.
import { posix } from 'node:path';
import type { Mount, Service } from '../compose/project.ts';
import { ComposeError, InternalError, type Position } from '../errors.ts';
import type { OciMount } from './oci.ts';
import { byteCount } from './units.ts';

/** Where the content of a volume is: a directory, or something that mount(2) takes (driver `local` with options). */
export type VolumeSource =
  | { readonly kind: 'directory'; readonly path: string }
  | { readonly kind: 'mount'; readonly type: string; readonly device: string; readonly options: string };

export type Recursive = 'enabled' | 'disabled' | 'writable' | 'readonly';

export interface BindMount {
  readonly type: 'bind';
  readonly source: string;
  readonly target: string;
  readonly readOnly: boolean;
  readonly createSource: boolean;
  readonly propagation?: string;
  readonly recursive?: Recursive;
  readonly selinux?: 'z' | 'Z';
  /** Where the compose file names it. */
  readonly at?: Position;
}

export interface VolumeMount {
  readonly type: 'volume';
  readonly name: string;
  readonly anonymous: boolean;
  readonly source: VolumeSource;
  readonly target: string;
  readonly readOnly: boolean;
  readonly subpath?: string;
  readonly noCopy: boolean;
  readonly at?: Position;
}

export interface TmpfsMount {
  readonly type: 'tmpfs';
  readonly target: string;
  readonly readOnly: boolean;
  /** Mount options, flags and data together. */
  readonly options: readonly string[];
}

/** Another image's file system, read-only. */
export interface ImageMount {
  readonly type: 'image';
  readonly name: string;
  readonly id: string;
  /** Directories, top first. */
  readonly lower: readonly string[];
  readonly target: string;
  /** A directory of the image, which is mounted instead of all of it. */
  readonly subpath?: string;
}

export type ResolvedMount = BindMount | VolumeMount | TmpfsMount | ImageMount;

/** A volume that a container needs; `key` is absent for an anonymous one. */
export interface VolumeWish {
  readonly key?: string;
  readonly target: string;
}

/** A volume that exists, for a key or, when anonymous, for a target. */
export interface VolumeFound {
  readonly name: string;
  readonly source: VolumeSource;
}

/** The volumes of a service: those it names, and anonymous ones that it or its image asks for. */
export function volumesWanted(service: Service, imageVolumes: readonly string[]): readonly VolumeWish[] {
  const mounts = service.volumes ?? [];
  const own = mounts.filter((mount) => mount.type === 'volume');
  const taken = new Set(
    [...mounts.map((mount) => mount.target), ...(service.tmpfs ?? []).map(tmpfsTarget)].map(trimmed),
  );
  const ofImage = imageVolumes.filter((target) => !taken.has(trimmed(target)));
  return [
    ...own.map(({ source, target }) => (source ? { key: source, target } : { target })),
    ...ofImage.map((target) => ({ target })),
  ];
}

function trimmed(path: string): string {
  return path.length > 1 ? path.replace(/\/+$/, '') : path;
}

function tmpfsTarget(entry: string): string {
  return entry.split(':')[0] ?? entry;
}

export interface MountWorld {
  readonly imageVolumes: readonly string[];
  /** Looks a volume up by the wish that `volumesWanted` gave. */
  readonly volume: (wish: VolumeWish) => VolumeFound | undefined;
  /** An image that is mounted as a volume: its id, and the directories that make it up, top first. */
  readonly image: (name: string) => { readonly id: string; readonly layers: readonly string[] } | undefined;
  /** Whether a missing source of the bind `volumes[index]` is made; the model has no `false`. */
  readonly mayCreate?: (index: number) => boolean;
  /** Mounts taken over by `volumes_from`; the service's own win at the same target. */
  readonly inherited: readonly ResolvedMount[];
  /** Position of `volumes[index]` of the service. */
  readonly position: (index: number) => Position | undefined;
}

/** All mounts of a service with their sources; later ones at the same target replace earlier ones. */
export function resolveMounts(service: Service, world: MountWorld): readonly ResolvedMount[] {
  const own = (service.volumes ?? []).map((mount, index): ResolvedMount => {
    const resolved = resolveMount(mount, world, world.position(index));
    if (resolved.type !== 'bind') return resolved;
    return { ...resolved, createSource: resolved.createSource && (world.mayCreate?.(index) ?? true) };
  });
  const tmpfs = (service.tmpfs ?? []).map(tmpfsEntry);
  const named = new Set([...own, ...tmpfs, ...world.inherited].map(({ target }) => trimmed(target)));
  const ofImage = world.imageVolumes
    .filter((target) => !named.has(trimmed(target)))
    .map((target) => volumeMount({ type: 'volume', target }, world, undefined));
  const all = [...ofImage, ...world.inherited, ...tmpfs, ...own];
  for (const mount of all) checkTarget(mount);
  return [...new Map(all.map((mount) => [trimmed(mount.target), mount])).values()];
}

/** Files of /proc that may be covered, as lxcfs does it; anything else there could make /proc tell lies to us. */
const COVERABLE =
  /^\/proc\/(?:cpuinfo|diskstats|meminfo|stat|swaps|uptime|loadavg|slabinfo|sys\/kernel\/ns_last_pid|sys\/crypto\/fips_enabled)$/;

/** As in Docker: neither the root nor what the kernel tells can be replaced. */
function checkTarget(mount: ResolvedMount): void {
  const reason = obstacle(mount);
  if (reason === undefined) return;
  const message = `nothing can be mounted on ${JSON.stringify(mount.target)}: it ${reason}`;
  throw new ComposeError('invalid-value', message, {
    hint: 'name a directory of the container, such as /data',
    ...optionalAt('at' in mount ? mount.at : undefined),
  });
}

function obstacle(mount: ResolvedMount): string | undefined {
  const path = trimmed(posix.normalize(mount.target));
  if (path === '/') return 'is the root of the container';
  if (!path.startsWith('/')) return 'is no absolute path';
  if (!/^\/proc(?:\/|$)/.test(path) || COVERABLE.test(path)) return undefined;
  const isItself = path === '/proc' && mount.type === 'bind' && mount.source === '/proc';
  return isItself ? undefined : 'is inside /proc';
}

function resolveMount(mount: Mount, world: MountWorld, at: Position | undefined): ResolvedMount {
  switch (mount.type) {
    case 'bind':
      return bindMount(mount, at);
    case 'volume':
      return volumeMount(mount, world, at);
    case 'tmpfs':
      return tmpfsMount(mount);
    case 'image':
      return imageMount(mount, world, at);
    default:
      throw new ComposeError(
        'unsupported',
        `a mount of type ${mount.type} does not exist on Linux`,
        optionalAt(at),
      );
  }
}

function optionalAt(at: Position | undefined): { readonly at?: Position } {
  return at === undefined ? {} : { at };
}

function bindMount(mount: Mount, at: Position | undefined): BindMount {
  const { bind = {}, source = '' } = mount;
  return {
    type: 'bind',
    source,
    target: mount.target,
    readOnly: mount.read_only ?? false,
    createSource: bind.create_host_path ?? true,
    ...(bind.propagation ? { propagation: bind.propagation } : {}),
    ...(bind.recursive ? { recursive: bind.recursive } : {}),
    ...(bind.selinux ? { selinux: bind.selinux } : {}),
    ...optionalAt(at),
  };
}

function volumeMount(mount: Mount, world: MountWorld, at: Position | undefined): VolumeMount {
  const wish = mount.source ? { key: mount.source, target: mount.target } : { target: mount.target };
  const found = world.volume(wish);
  if (found === undefined) throw new InternalError(`no volume was made for ${mount.source ?? mount.target}`);
  return {
    type: 'volume',
    name: found.name,
    anonymous: wish.key === undefined,
    source: found.source,
    target: mount.target,
    readOnly: mount.read_only ?? false,
    ...(mount.volume?.subpath ? { subpath: mount.volume.subpath } : {}),
    noCopy: mount.volume?.nocopy ?? false,
    ...optionalAt(at),
  };
}

const TMPFS_FLAGS = ['nosuid', 'nodev', 'noexec'];

function tmpfsMount(mount: Mount): TmpfsMount {
  const { size, mode } = mount.tmpfs ?? {};
  const bytes = size === undefined ? 0 : byteCount(size);
  return {
    type: 'tmpfs',
    target: mount.target,
    readOnly: mount.read_only ?? false,
    options: [
      ...TMPFS_FLAGS,
      ...(bytes > 0 ? [`size=${bytes}`] : []),
      ...(mode === undefined ? [] : [`mode=${mode.toString(8)}`]),
    ],
  };
}

/** `/run:size=64m,mode=1777,exec`. */
function tmpfsEntry(entry: string): TmpfsMount {
  const [target = '', text = ''] = entry.split(/:(.*)/s);
  const asked = text.split(',').filter(Boolean);
  const opposites: Readonly<Record<string, string>> = {
    exec: 'noexec',
    suid: 'nosuid',
    dev: 'nodev',
    rw: 'ro',
  };
  const kept = TMPFS_FLAGS.filter((flag) => !asked.some((option) => opposites[option] === flag));
  const options = [...kept, ...asked.filter((option) => opposites[option] === undefined && option !== 'ro')];
  return { type: 'tmpfs', target, readOnly: asked.includes('ro'), options: [...new Set(options)] };
}

function imageMount(mount: Mount, world: MountWorld, at: Position | undefined): ImageMount {
  const name = mount.source ?? '';
  const image = world.image(name);
  if (image === undefined || image.layers.length === 0) {
    throw new ComposeError(
      'image-not-found',
      `cannot mount image ${name} on ${mount.target}`,
      optionalAt(at),
    );
  }
  const subpath = mount.image?.subpath;
  const { id, layers: lower } = image;
  return { type: 'image', name, id, lower, target: mount.target, ...(subpath ? { subpath } : {}) };
}

/** The mounts every container has; `userNamespace`: the kernel lets only its owner mount sysfs. */
export interface DefaultMountWish {
  readonly privileged: boolean;
  readonly shmSize: number;
  /** A directory of the host that is /dev/shm, when it is shared. */
  readonly sharedShm?: string;
  readonly hostPid: boolean;
  readonly hostIpc: boolean;
  readonly hostNetwork: boolean;
  readonly userNamespace: boolean;
}

/** In the order of Docker's default specification. */
export function defaultMounts(wish: DefaultMountWish): readonly OciMount[] {
  const flags = ['nosuid', 'noexec', 'nodev'];
  const writable = wish.privileged ? 'rw' : 'ro';
  const bindSys = wish.userNamespace && wish.hostNetwork;
  return [
    { destination: '/proc', type: 'proc', source: 'proc', options: flags },
    {
      destination: '/dev',
      type: 'tmpfs',
      source: 'tmpfs',
      options: ['nosuid', 'strictatime', 'mode=755', 'size=65536k'],
    },
    {
      destination: '/dev/pts',
      type: 'devpts',
      source: 'devpts',
      options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620', 'gid=5'],
    },
    bindSys
      ? { destination: '/sys', type: 'bind', source: '/sys', options: ['rbind', ...flags, 'ro'] }
      : { destination: '/sys', type: 'sysfs', source: 'sysfs', options: [...flags, writable] },
    { destination: '/sys/fs/cgroup', type: 'cgroup', source: 'cgroup', options: [writable, ...flags] },
    wish.hostIpc && wish.userNamespace
      ? { destination: '/dev/mqueue', type: 'bind', source: '/dev/mqueue', options: ['rbind', ...flags] }
      : { destination: '/dev/mqueue', type: 'mqueue', source: 'mqueue', options: flags },
    shmMount(wish, flags),
  ];
}

function shmMount({ sharedShm, shmSize }: DefaultMountWish, flags: readonly string[]): OciMount {
  if (sharedShm !== undefined) {
    return { destination: '/dev/shm', type: 'bind', source: sharedShm, options: ['bind', ...flags] };
  }
  return {
    destination: '/dev/shm',
    type: 'tmpfs',
    source: 'shm',
    options: [...flags, 'mode=1777', `size=${shmSize}`],
  };
}

/** A resolved mount in the words of the runtime specification. */
export function toOciMount(mount: ResolvedMount): OciMount {
  const access = 'readOnly' in mount && mount.readOnly ? 'ro' : 'rw';
  switch (mount.type) {
    case 'bind':
      return { destination: mount.target, type: 'bind', source: mount.source, options: bindOptions(mount) };
    case 'volume':
      return volumeToOci(mount, access);
    case 'tmpfs':
      return {
        destination: mount.target,
        type: 'tmpfs',
        source: 'tmpfs',
        options: [...mount.options, access],
      };
    case 'image':
      return imageToOci(mount);
  }
}

// A single directory is no overlay for the kernel.
function imageToOci({ lower: [top = '', ...below], target }: ImageMount): OciMount {
  if (below.length === 0)
    return { destination: target, type: 'bind', source: top, options: ['bind', 'ro', 'nodev'] };
  const options = ['ro', 'nodev', `lowerdir=${[top, ...below].join(':')}`];
  return { destination: target, type: 'overlay', source: 'overlay', options };
}

function bindOptions({ readOnly, propagation, recursive }: BindMount): string[] {
  const readOnlyOption = recursive === 'writable' ? 'ro' : 'rro';
  return [
    recursive === 'disabled' ? 'bind' : 'rbind',
    ...(readOnly ? [recursive === 'disabled' ? 'ro' : readOnlyOption] : ['rw']),
    propagation || 'rprivate',
  ];
}

function volumeToOci({ source, target, subpath }: VolumeMount, access: string): OciMount {
  if (source.kind === 'directory') {
    const path = subpath === undefined ? source.path : `${source.path}/${subpath}`;
    return { destination: target, type: 'bind', source: path, options: ['rbind', access, 'rprivate'] };
  }
  const options = source.options.split(',').filter(Boolean);
  const isBind = options.includes('bind') || options.includes('rbind');
  return {
    destination: target,
    type: isBind ? 'bind' : source.type,
    source: source.device,
    options: [...options, access],
  };
}

/** Throws ComposeError `bind-source-missing` for the first source that is missing and must not be made. */
export function checkBindSources(mounts: readonly ResolvedMount[], exists: (path: string) => boolean): void {
  for (const mount of mounts) {
    if (mount.type !== 'bind' || mount.createSource || exists(mount.source)) continue;
    throw new ComposeError(
      'bind-source-missing',
      `${mount.source} does not exist, which ${mount.target} is bound to`,
      {
        hint: 'create it, or let it be made with `create_host_path: true`',
        ...optionalAt(mount.at),
      },
    );
  }
}
