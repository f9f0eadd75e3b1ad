// What this machine can do, read once; the pure parts of the room take it as a value.
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { hostname } from 'node:os';
import { capabilitiesOf } from './capabilities.ts';
import { type CgroupLayout, type Controller, detectCgroups } from './cgroup.ts';

export type Architecture = 'x64' | 'arm64';

export interface DeviceNode {
  readonly type: 'c' | 'b';
  readonly major: number;
  readonly minor: number;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

export interface Machine {
  readonly architecture: Architecture;
  readonly uid: number;
  readonly gid: number;
  /** What the caller itself may do; nothing more can be given to a container. */
  readonly capabilities: readonly string[];
  /** The caller's own hard limit of open files; -1 is unlimited. */
  readonly nofileHard: number;
  readonly cpus: number;
  readonly hostname: string;
  readonly cgroups: CgroupLayout;
  readonly hasCgroupFile: (controller: Controller, file: string) => boolean;
  /** systemd is the machine's first process and manages control groups. */
  readonly systemd: boolean;
  readonly apparmor: boolean;
  readonly selinux: boolean;
  /** Ids that nothing else on the machine has, as a container's own. */
  readonly freeIds: { readonly uids: IdRange; readonly gids: IdRange };
  /** Text of the machine's own resolv.conf. */
  readonly resolvConf: string;
  /** Undefined when the path is missing or no device. */
  readonly device: (path: string) => DeviceNode | undefined;
  /** Names in a directory of devices; undefined when it is none. */
  readonly listDirectory: (path: string) => readonly string[] | undefined;
}

/** The container's ids from 0 on. */
export interface IdRange {
  readonly containerID: 0;
  readonly hostID: number;
  readonly size: number;
}

/** Looks at this machine. */
export function inspectMachine(): Machine {
  const cgroups = detectCgroups(read('/proc/self/mountinfo') ?? '', read);
  return {
    architecture: process.arch === 'arm64' ? 'arm64' : 'x64',
    uid: process.geteuid?.() ?? 0,
    gid: process.getegid?.() ?? 0,
    ...ownLimits(),
    cpus: onlineCpus(),
    hostname: hostname(),
    cgroups,
    hasCgroupFile: (controller, file) => hasCgroupFile(cgroups, controller, file),
    systemd: existsSync('/run/systemd/system'),
    apparmor: read('/sys/module/apparmor/parameters/enabled')?.trim() === 'Y',
    selinux: existsSync('/sys/fs/selinux/enforce'),
    freeIds: { uids: freeIds('/etc/subuid'), gids: freeIds('/etc/subgid') },
    resolvConf: read('/etc/resolv.conf') ?? '',
    device: deviceNode,
    listDirectory,
  };
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

const SUBORDINATE_OWNERS = ['tscompose', 'containers'];
/** Above what distributions give to people and to services. */
const USUAL_IDS: IdRange = { containerID: 0, hostID: 0x4000_0000, size: 65_536 };

/** The range that the administrator set aside, else one that is not in use anywhere. */
function freeIds(path: string): IdRange {
  const rows = (read(path) ?? '').split('\n').map((line) => line.split(':'));
  const row = rows.find(([owner = '']) => SUBORDINATE_OWNERS.includes(owner));
  if (row === undefined) return USUAL_IDS;
  return { containerID: 0, hostID: Number(row[1]), size: Number(row[2]) };
}

function ownLimits() {
  const status = read('/proc/self/status') ?? '';
  const permitted = /^CapPrm:\s*([0-9a-f]+)/m.exec(status)?.[1] ?? '0';
  const hard = /^Max open files\s+\S+\s+(\S+)/m.exec(read('/proc/self/limits') ?? '')?.[1];
  return {
    capabilities: capabilitiesOf(BigInt(`0x${permitted}`)),
    nofileHard: hard === undefined || hard === 'unlimited' ? -1 : Number(hard),
  };
}

// The affinity of this process would be too little: a container is not bound by it.
function onlineCpus(): number {
  const ranges = (read('/sys/devices/system/cpu/online') ?? '0').trim().split(',');
  return ranges.reduce((sum, range) => {
    const [first = '0', last = first] = range.split('-');
    return sum + Number(last) - Number(first) + 1;
  }, 0);
}

// The root group lacks the files of limits, so a child is asked; without any child a file is taken to be there,
// unless it belongs to an alternative I/O scheduler.
function hasCgroupFile(layout: CgroupLayout, controller: Controller, file: string): boolean {
  const root = layout.mode === 'v2' ? layout.unified : layout.v1[controller]?.mountPoint;
  if (root === undefined) return false;
  if (existsSync(`${root}/${file}`)) return true;
  const children = childDirectories(root);
  const withController = children.filter((child) => layout.mode !== 'v2' || delegates(child, controller));
  const child = withController[0];
  return child === undefined ? !/bfq|memsw|^(?:io|blkio)\.weight/.test(file) : existsSync(`${child}/${file}`);
}

function childDirectories(root: string): string[] {
  try {
    const entries = readdirSync(root, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map((entry) => `${root}/${entry.name}`);
  } catch {
    return [];
  }
}

function delegates(directory: string, controller: Controller): boolean {
  const name = controller === 'blkio' ? 'io' : controller;
  return read(`${directory}/cgroup.controllers`)?.split(/\s+/).includes(name) ?? false;
}

function deviceNode(path: string): DeviceNode | undefined {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat === undefined || !(stat.isCharacterDevice() || stat.isBlockDevice())) return undefined;
  const { rdev, mode, uid, gid } = stat;
  return {
    type: stat.isBlockDevice() ? 'b' : 'c',
    // As the C library packs them (gnu_dev_major, gnu_dev_minor).
    major: Math.floor(rdev / 256) & 0xfff,
    minor: (rdev & 0xff) | ((Math.floor(rdev / 4096) >>> 0) & 0xfff00),
    mode: mode & 0o7777,
    uid,
    gid,
  };
}

function listDirectory(path: string): readonly string[] | undefined {
  if (statSync(path, { throwIfNoEntry: false })?.isDirectory() !== true) return undefined;
  return readdirSync(path).sort();
}
