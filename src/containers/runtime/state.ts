// What `runtime` remembers of a container: ROOT/ID, from `create` to `delete`; its status is read off the process.
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { ComposeError } from '../../errors.ts';
import { asArray, asBoolean, asDict, asNumber, asObject, asString } from '../../state/decode.ts';
import { readRecord, writeRecord } from '../../state/record.ts';
import { isFrozen } from './control-groups.ts';
import { maybe } from './json.ts';

export type RuntimeStatus = 'creating' | 'created' | 'running' | 'paused' | 'stopped';

export interface RuntimeRecord {
  readonly version: 1;
  readonly id: string;
  readonly ociVersion: string;
  readonly bundle: string;
  readonly rootfs: string;
  /** RFC 3339. */
  readonly created: string;
  readonly owner: number;
  /** The first process and its start time; 0 while it is being made. */
  readonly pid: number;
  readonly start: number;
  readonly cgroups: readonly string[];
  /** Path below the hierarchies. */
  readonly cgroupsPath: string;
  readonly annotations?: Readonly<Record<string, string>>;
  readonly hasPoststart: boolean;
}

export interface RuntimeFiles {
  readonly dir: string;
  readonly record: string;
  readonly launch: string;
  /** A copy: what becomes of the bundle after `create` has no effect. */
  readonly config: string;
  readonly gate: string;
  readonly rootfs: string;
}

/** Throws ComposeError `invalid-value` for an id that is no file name. */
export function runtimeFiles(root: string, id: string): RuntimeFiles {
  if (!/^[\w+.-]+$/.test(id) || id === '.' || id === '..') {
    throw new ComposeError('invalid-value', `invalid container id ${JSON.stringify(id)}`);
  }
  const dir = `${root}/${id}`;
  return {
    dir,
    record: `${dir}/state.json`,
    launch: `${dir}/launch`,
    config: `${dir}/config.json`,
    gate: `${dir}/gate`,
    rootfs: `${dir}/rootfs`,
  };
}

/** Makes the directory, which is what reserves the id. */
export function reserve(root: string, id: string): RuntimeFiles {
  const files = runtimeFiles(root, id);
  mkdirSync(root, { recursive: true, mode: 0o711 });
  try {
    mkdirSync(files.dir, { mode: 0o711 });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EEXIST') throw cause;
    throw new ComposeError('name-conflict', `container with given ID already exists: ${id}`);
  }
  mkdirSync(files.rootfs, { mode: 0o711 });
  return files;
}

export function release(files: RuntimeFiles): void {
  rmSync(files.dir, { recursive: true, force: true });
}

export function writeState(files: RuntimeFiles, record: RuntimeRecord): void {
  writeRecord(files.record, record);
}

/** Throws ComposeError `container-not-found`. */
export function readState(root: string, id: string): RuntimeRecord {
  const record = readRecord(runtimeFiles(root, id).record, decodeState);
  if (record !== undefined) return record;
  throw new ComposeError('container-not-found', `container ${JSON.stringify(id)} does not exist`);
}

/** Ids of all containers of a root, in order; empty when it does not exist. */
export function listIds(root: string): readonly string[] {
  if (!existsSync(root)) return [];
  const ids = readdirSync(root).filter((name) => existsSync(`${root}/${name}/state.json`));
  return ids.sort();
}

/** Where a container is in its life; a process that nobody reaped yet has ended all the same. */
export function statusOf(root: string, record: RuntimeRecord): RuntimeStatus {
  if (record.pid === 0) return 'creating';
  if (!isRunning(record)) return 'stopped';
  if (existsSync(runtimeFiles(root, record.id).gate)) return 'created';
  return isFrozen(record.cgroups) ? 'paused' : 'running';
}

export function isRunning({ pid, start }: Pick<RuntimeRecord, 'pid' | 'start'>): boolean {
  const stat = processStat(pid);
  return stat !== undefined && stat.start === start && !'ZXx'.includes(stat.state);
}

interface ProcessStat {
  readonly state: string;
  /** Field 22 of /proc/PID/stat. */
  readonly start: number;
}

export function processStat(pid: number): ProcessStat | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return { state: fields[0] ?? 'X', start: Number(fields[19]) };
  } catch {
    return undefined;
  }
}

function decodeState(value: unknown): RuntimeRecord {
  const o = asObject(value, 'state');
  return {
    version: 1,
    id: asString(o.id, 'id'),
    ociVersion: asString(o.ociVersion, 'ociVersion'),
    bundle: asString(o.bundle, 'bundle'),
    rootfs: asString(o.rootfs, 'rootfs'),
    created: asString(o.created, 'created'),
    owner: asNumber(o.owner, 'owner'),
    pid: asNumber(o.pid, 'pid'),
    start: asNumber(o.start, 'start'),
    cgroups: asArray(o.cgroups, 'cgroups', asString),
    cgroupsPath: asString(o.cgroupsPath, 'cgroupsPath'),
    ...maybe(o, 'annotations', (dict, what) => asDict(dict, what, asString)),
    hasPoststart: asBoolean(o.hasPoststart, 'hasPoststart'),
  };
}
