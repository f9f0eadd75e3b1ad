// Where everything lives on disk: every path of the state and the run directory is made here.
import { join, resolve } from 'node:path';

/** The two roots: what outlives a reboot, and what dies with the boot. */
export interface Layout {
  readonly stateDir: string;
  readonly runDir: string;
}

export interface LayoutOptions {
  /** `--state-dir`; wins over the environment. */
  readonly stateDir?: string | undefined;
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly uid: number;
}

/** Finds the roots: an explicit state directory, the system's for root, the XDG directories for others. */
export function resolveLayout({ stateDir, environment, uid }: LayoutOptions): Layout {
  const explicit = stateDir ?? environment.TSCOMPOSE_STATE_DIR;
  if (explicit) return { stateDir: resolve(explicit), runDir: resolve(explicit, 'run') };
  if (uid === 0) return { stateDir: '/var/lib/tscompose', runDir: '/run/tscompose' };
  const data = environment.XDG_DATA_HOME || join(environment.HOME ?? '/', '.local/share');
  const state = join(data, 'tscompose');
  const runtime = environment.XDG_RUNTIME_DIR;
  return { stateDir: state, runDir: runtime ? join(runtime, 'tscompose') : join(state, 'run') };
}

/** The files of one container; see shim.h for those of the run directory. */
export interface ContainerFiles {
  readonly dir: string;
  readonly config: string;
  readonly record: string;
  readonly launch: string;
  readonly log: string;
  readonly upper: string;
  readonly work: string;
  /** Content of configs and secrets, one file each. */
  readonly files: string;
  /** Made by the first mount of the overlay, so there since the first launch. */
  readonly launched: string;
  readonly runDir: string;
  /** Bound to /etc in the container; made anew at each launch. */
  readonly hosts: string;
  readonly resolvConf: string;
  readonly hostname: string;
  /** /dev/shm of those who share the IPC namespace. */
  readonly shm: string;
  readonly lock: string;
  readonly status: string;
  readonly socket: string;
  readonly rootfs: string;
  /** Host ports that are held for it while it runs. */
  readonly ports: string;
}

export function containersDir(layout: Layout): string {
  return join(layout.stateDir, 'containers');
}

/** What dies with the boot of a container. */
export function containerRunDir(layout: Layout, id: string): string {
  return `${layout.runDir}/containers/${id}`;
}

/** The name of a container's directory until all is in it, and from when it goes: only one that is called by its id exists. */
export function unlistedId(id: string, when: 'new' | 'gone'): string {
  return `${id}.${when}`;
}

/** What is known of a container. */
export function containerRecord(layout: Layout, id: string): string {
  return `${layout.stateDir}/containers/${id}/container.json`;
}

/** The records of containers in one file, for whoever reads them all; safe to delete at any time. */
export function containerIndex(layout: Layout): string {
  return `${layout.runDir}/containers/index`;
}

export function containerFiles(layout: Layout, id: string): ContainerFiles {
  const dir = `${layout.stateDir}/containers/${id}`;
  const runDir = containerRunDir(layout, id);
  return {
    dir,
    config: `${dir}/config.json`,
    record: containerRecord(layout, id),
    launch: `${dir}/launch`,
    log: `${dir}/log`,
    upper: `${dir}/upper`,
    work: `${dir}/work`,
    files: `${dir}/files`,
    launched: `${dir}/work/work`,
    runDir,
    hosts: `${runDir}/hosts`,
    resolvConf: `${runDir}/resolv.conf`,
    hostname: `${runDir}/hostname`,
    shm: `${runDir}/shm`,
    lock: `${runDir}/lock`,
    status: `${runDir}/status`,
    socket: `${runDir}/sock`,
    rootfs: `${runDir}/rootfs`,
    ports: `${runDir}/ports`,
  };
}

export interface NetworkFiles {
  readonly record: string;
  readonly runDir: string;
  /** The name table; replaced under a lock on `lock`. */
  readonly names: string;
  readonly lock: string;
}

export function networksDir(layout: Layout): string {
  return join(layout.stateDir, 'networks');
}

export function networkFiles(layout: Layout, id: string): NetworkFiles {
  const runDir = `${layout.runDir}/networks/${id}`;
  return {
    record: `${layout.stateDir}/networks/${id}.json`,
    runDir,
    names: `${runDir}/names`,
    lock: `${runDir}/lock`,
  };
}

export interface VolumeFiles {
  readonly dir: string;
  readonly data: string;
  readonly record: string;
}

export function volumesDir(layout: Layout): string {
  return join(layout.stateDir, 'volumes');
}

export function volumeFiles(layout: Layout, name: string): VolumeFiles {
  const dir = `${layout.stateDir}/volumes/${name}`;
  return { dir, data: `${dir}/_data`, record: `${dir}/volume.json` };
}

/** Where the user keeps `external` secrets and configs: one file each, by name. */
export function objectStore(layout: Layout, kind: 'configs' | 'secrets'): string {
  return join(layout.stateDir, kind);
}

export function imagesDir(layout: Layout): string {
  return join(layout.stateDir, 'images');
}

/** Things that need rarely changing together are locked apart. */
export type LockName = 'images' | 'networks' | 'volumes' | 'containers' | `project-${string}`;

export function lockFile(layout: Layout, name: LockName): string {
  return `${layout.runDir}/locks/${name}.lock`;
}

export function bootIdFile(layout: Layout): string {
  return join(layout.runDir, 'boot-id');
}

/** Directory of compiled seccomp filters and the like: safe to delete at any time. */
export function cacheDir(layout: Layout): string {
  return join(layout.stateDir, 'cache');
}
