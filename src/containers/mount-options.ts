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
}

const MS_REC = 0x4000;

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

/** Sorts options into attributes, propagation and the file system's own. */
export function parseMountOptions(options: readonly string[]): MountFlags {
  let flags = 0;
  let propagation = 0;
  const data: string[] = [];
  for (const option of options) {
    const known = FLAGS[option === 'rro' ? 'ro' : option];
    if (known) flags = (flags & ~known[1]) | known[0];
    else if (PROPAGATION[option] !== undefined) propagation = PROPAGATION[option] ?? 0;
    else if (option !== 'bind' && option !== 'rbind') data.push(option);
  }
  return {
    bind: options.includes('bind') || options.includes('rbind'),
    recursive: options.includes('rbind'),
    deepReadOnly: options.includes('rro'),
    flags,
    propagation,
    data: data.join(','),
  };
}
