// `image: host`: the machine's own root file system as an image, without its secrets and its scratch files.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import type { Context } from '../state/context.ts';
import type { Image } from './image.ts';
import { hostPlatform } from './platform.ts';
import { tarOf } from './tar.ts';

export const HOST_IMAGE = 'host';
const ROOTFS = 'rootfs:';
const PATH = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** Directories that a container sees empty and may write to; those that exist here are made so. */
const EMPTIED: readonly { readonly path: string; readonly mode: number }[] = [
  { path: '/root', mode: 0o700 },
  { path: '/home', mode: 0o755 },
  { path: '/tmp', mode: 0o1777 },
  { path: '/var/tmp', mode: 0o1777 },
  { path: '/run', mode: 0o755 },
];

/** Hidden where it exists: keys, password hashes, credentials, the data of other daemons. */
const SECRETS = [
  '/etc/shadow',
  '/etc/shadow-',
  '/etc/gshadow',
  '/etc/gshadow-',
  '/etc/security/opasswd',
  '/etc/sudoers',
  '/etc/sudoers.d',
  '/etc/krb5.keytab',
  '/etc/ssl/private',
  '/etc/pki/tls/private',
  '/etc/letsencrypt',
  '/etc/wireguard',
  '/etc/openvpn',
  '/etc/ipsec.secrets',
  '/etc/ppp/chap-secrets',
  '/etc/ppp/pap-secrets',
  '/etc/NetworkManager/system-connections',
  '/etc/netplan',
  '/etc/wpa_supplicant',
  '/etc/cups/ssl',
  '/etc/docker',
  '/etc/containers/auth.json',
  '/etc/kubernetes',
  '/etc/rancher',
  '/etc/cni/net.d',
  '/etc/apt/auth.conf',
  '/etc/apt/auth.conf.d',
  '/etc/boto.cfg',
  '/etc/google',
  '/etc/waagent',
  '/etc/crypttab',
  '/etc/mysql/debian.cnf',
  '/etc/credstore',
  '/etc/credstore.encrypted',
  '/var/lib/cloud',
  '/var/lib/docker',
  '/var/lib/containerd',
  '/var/lib/containers',
  '/var/lib/kubelet',
  '/var/lib/rancher',
  '/var/lib/etcd',
  '/var/lib/lxc',
  '/var/lib/lxd',
  '/var/lib/libvirt',
  '/var/lib/machines',
  '/var/lib/waagent',
  '/var/lib/sss',
  '/var/lib/private',
  '/var/lib/systemd/random-seed',
  '/var/lib/systemd/credential.secret',
  '/var/backups',
  '/var/mail',
  '/var/spool/cron',
  '/var/spool/mail',
  '/var/log',
  '/boot',
  '/lost+found',
  '/snap',
];

/** The machine's root file system. */
export function hostImage(): Image {
  return directoryImage(HOST_IMAGE, '/', ['/bin/sh']);
}

/** Whether a name means a directory, and which. */
export function rootfsOf(name: string): string | undefined {
  return name.startsWith(ROOTFS) ? name.slice(ROOTFS.length) : undefined;
}

/** A directory as an image; undefined when it does not exist. */
export function rootfsImage(name: string, directory: string): Image | undefined {
  const isDirectory = statSync(directory, { throwIfNoEntry: false })?.isDirectory() ?? false;
  return isDirectory ? directoryImage(name, directory, ['/bin/sh']) : undefined;
}

function directoryImage(name: string, directory: string, command: readonly string[]): Image {
  return {
    name,
    id: name,
    config: { Env: [PATH], Cmd: command },
    layers: [directory],
    platform: hostPlatform(),
    repoDigests: [],
  };
}

/** The paths of this machine's secrets that exist, to be masked in every container of `image: host`. */
export function hostMasks(ctx: Context): string[] {
  const { stateDir, runDir } = ctx.layout;
  return [...SECRETS, ...hostKeys(), stateDir, runDir].filter(exists).filter((path) => !isBelowEmptied(path));
}

/** Directories of this machine that are mounts of their own: an overlay of its root shows them empty. */
export function hostMounts(ctx: Context): string[] {
  const { stateDir, runDir } = ctx.layout;
  const hidden = [...SECRETS, ...EMPTIED.map(({ path }) => path), stateDir, runDir];
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8');
  const isDirectory = (path: string): boolean =>
    statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
  return mountsToShow(mounts, { filesystems: readFileSync('/proc/filesystems', 'utf8'), hidden }).filter(
    isDirectory,
  );
}

/** File systems without a device that have files of their own all the same. */
const REAL = ['overlay', 'zfs', 'virtiofs', '9p', 'nfs', 'nfs4', 'cifs', 'btrfs', 'bcachefs'];

/**
 * Those of a mountinfo that hold files of the machine, parents first. What has something hidden below stays away as a
 * whole, because a mount on top would show it again.
 */
export function mountsToShow(
  mountinfo: string,
  { filesystems, hidden }: { readonly filesystems: string; readonly hidden: readonly string[] },
): string[] {
  const pseudo = new Set([...filesystems.matchAll(/^nodev\s+(\S+)/gm)].map(([, type]) => type));
  for (const type of REAL) pseudo.delete(type);
  const isBelow = (path: string, directory: string): boolean => `${path}/`.startsWith(`${directory}/`);
  const shown = mountinfo.split('\n').flatMap((line) => {
    const [place = '', source = ''] = line.split(' - ');
    const path = unescapeMount(place.split(' ')[4] ?? '');
    const type = source.split(' ')[0] ?? '';
    const isShown =
      path.startsWith('/') &&
      path !== '/' &&
      !pseudo.has(type) &&
      !/^\/(?:proc|sys|dev)(?:\/|$)/.test(path) &&
      !hidden.some((other) => isBelow(path, other) || isBelow(other, path));
    return isShown ? [path] : [];
  });
  return [...new Set(shown)].sort();
}

// Blanks, tabs, newlines and backslashes are written in octal.
function unescapeMount(path: string): string {
  return path.replace(/\\([0-7]{3})/g, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );
}

/** A layer that empties the scratch directories and the homes, which then are the container's own. */
export function emptiedLayer(): Buffer {
  return tarOf(
    EMPTIED.filter(({ path }) => exists(path)).flatMap(({ path, mode }) => [
      { name: `${path.slice(1)}/`, type: 'directory' as const, mode },
      { name: `${path.slice(1)}/.wh..wh..opq`, type: 'file' as const, mode: 0o600 },
    ]),
  );
}

function hostKeys(): string[] {
  try {
    const names = readdirSync('/etc/ssh');
    return names.filter((name) => /^ssh_host_.*_key$/.test(name)).map((name) => `/etc/ssh/${name}`);
  } catch {
    return []; // no ssh server here
  }
}

function isBelowEmptied(path: string): boolean {
  return EMPTIED.some((emptied) => path.startsWith(`${emptied.path}/`));
}

function exists(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false }) !== undefined;
}
