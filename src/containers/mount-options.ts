// Mount options as the runtime specification and fstab write them, in the kernel's numbers.

export interface MountFlags {
  readonly bind: boolean;
  readonly recursive: boolean;
  /** Read-only holds for the mounts below too. */
  readonly deepReadOnly: boolean;
  /** MS_* attributes. */
  readonly flags: number;
  /** MS_* propagation, 0 when none is asked for. */
  readonly propagation: number;
  /** What the file system itself takes. */
  readonly data: string;
  /** Changes an earlier mount at this place. */
  readonly remount: boolean;
  /** MOUNT_ATTR_* that the options name for the mounts below too, `rro` aside. */
  readonly deep: MountAttributes;
  /** MOUNT_ATTR_* that a bind has to lose, whatever its source has. */
  readonly lost: number;
  readonly idmap: 'none' | 'top' | 'deep';
  /** A tmpfs takes what it hides. */
  readonly copyUp: boolean;
}

/** MOUNT_ATTR_* of linux/mount.h. */
export interface MountAttributes {
  readonly set: number;
  readonly clear: number;
}

const MS_REC = 0x4000;
const MS_REMOUNT = 0x20;

/** Option → bits set, bits cleared (linux/mount.h). */
const FLAGS: Readonly<Record<string, readonly [set: number, clear: number]>> = {
  defaults: [0, 0],
  ro: [1, 0],
  rw: [0, 1],
  nosuid: [2, 0],
  suid: [0, 2],
  nodev: [4, 0],
  dev: [0, 4],
  noexec: [8, 0],
  exec: [0, 8],
  sync: [16, 0],
  async: [0, 16],
  mand: [64, 0],
  nomand: [0, 64],
  dirsync: [128, 0],
  nosymfollow: [256, 0],
  symfollow: [0, 256],
  silent: [0x8000, 0],
  loud: [0, 0x8000],
  acl: [0x1_0000, 0],
  noacl: [0, 0x1_0000],
  iversion: [0x80_0000, 0],
  noiversion: [0, 0x80_0000],
  lazytime: [0x200_0000, 0],
  nolazytime: [0, 0x200_0000],
  noatime: [0x400, 0],
  atime: [0, 0x400],
  nodiratime: [0x800, 0],
  diratime: [0, 0x800],
  relatime: [0x20_0000, 0],
  norelatime: [0, 0x20_0000],
  strictatime: [0x100_0000, 0],
  nostrictatime: [0, 0x100_0000],
};

const PROPAGATION: Readonly<Record<string, number>> = {
  unbindable: 0x2_0000,
  private: 0x4_0000,
  slave: 0x8_0000,
  shared: 0x10_0000,
  runbindable: 0x2_0000 | MS_REC,
  rprivate: 0x4_0000 | MS_REC,
  rslave: 0x8_0000 | MS_REC,
  rshared: 0x10_0000 | MS_REC,
};

const ATIME = 0x70;

/** Option without its leading `r` → MOUNT_ATTR_* set, cleared. */
const ATTRIBUTES: Readonly<Record<string, readonly [set: number, clear: number]>> = {
  rw: [0, 1],
  nosuid: [2, 0],
  suid: [0, 2],
  nodev: [4, 0],
  dev: [0, 4],
  noexec: [8, 0],
  exec: [0, 8],
  noatime: [0x10, ATIME],
  atime: [0, ATIME],
  strictatime: [0x20, ATIME],
  nostrictatime: [0, ATIME],
  relatime: [0, ATIME],
  norelatime: [0x20, ATIME],
  nodiratime: [0x80, 0],
  diratime: [0, 0x80],
  nosymfollow: [0x20_0000, 0],
  symfollow: [0, 0x20_0000],
};

/** MS_* attributes in the numbers of mount_setattr(2). */
export function mountAttributes(flags: number): MountAttributes {
  const same = flags & 0xf;
  const rest: number =
    (flags & 256 ? 0x20_0000 : 0) |
    (flags & 0x400 ? 0x10 : 0) |
    (flags & 0x800 ? 0x80 : 0) |
    (flags & 0x100_0000 ? 0x20 : 0);
  return { set: same | rest, clear: (flags & 0x120_0400) === 0 ? 0 : ATIME };
}

function deepAttributes(options: readonly string[]): MountAttributes {
  const named = options.flatMap((option) =>
    option.startsWith('r') && FLAGS[option] === undefined ? [ATTRIBUTES[option.slice(1)] ?? [0, 0]] : [],
  );
  return named.reduce(
    (sum, [set = 0, clear = 0]) => ({
      set: (sum.set & ~clear) | set,
      clear: (sum.clear & ~set) | clear,
    }),
    { set: 0, clear: 0 },
  );
}

/** Options that say nothing to the file system. */
const OURS = new Set(['bind', 'rbind', 'remount', 'idmap', 'ridmap', 'tmpcopyup']);

/** Every option that is understood here, sorted; all others are the file system's own. */
export const MOUNT_OPTIONS: readonly string[] = [
  ...Object.keys(FLAGS),
  ...Object.keys(PROPAGATION),
  ...Object.keys(ATTRIBUTES).map((name) => `r${name}`),
  'rro',
  ...OURS,
].sort();

/** Sorts options into attributes, propagation and the file system's own. */
export function parseMountOptions(options: readonly string[]): MountFlags {
  let flags = 0;
  let propagation = 0;
  const data: string[] = [];
  for (const option of options) {
    const known = FLAGS[option === 'rro' ? 'ro' : option];
    if (known) flags = (flags & ~known[1]) | known[0];
    else if (PROPAGATION[option] !== undefined) propagation = PROPAGATION[option] ?? 0;
    else if (!OURS.has(option) && !isDeep(option)) data.push(option);
  }
  const remount = options.includes('remount');
  return {
    bind: options.includes('bind') || options.includes('rbind'),
    recursive: options.includes('rbind'),
    deepReadOnly: options.includes('rro'),
    flags: remount ? flags | MS_REMOUNT : flags,
    propagation,
    data: data.join(','),
    remount,
    deep: deepAttributes(options),
    lost: (['suid', 'dev', 'exec'] as const).reduce(
      (sum, option) => (options.includes(option) ? sum | (ATTRIBUTES[option]?.[1] ?? 0) : sum),
      0,
    ),
    idmap: options.includes('ridmap') ? 'deep' : options.includes('idmap') ? 'top' : 'none',
    copyUp: options.includes('tmpcopyup'),
  };
}

function isDeep(option: string): boolean {
  return option.startsWith('r') && ATTRIBUTES[option.slice(1)] !== undefined;
}
