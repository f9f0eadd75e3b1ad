// The state of a container: the shim's status line, checked against its lock and this boot.
import { existsSync, readFileSync } from 'node:fs';
import type { Context } from '../state/context.ts';
import {
  asArray,
  asBoolean,
  asNumber,
  asObject,
  asString,
  type JsonObject,
  optional,
} from '../state/decode.ts';
import { containerFiles, containerRunDir } from '../state/layout.ts';
import { readRecord, readTextIfPresent } from '../state/record.ts';
import type { ContainerRecord } from './record.ts';

/** What the shim writes (shim.h), and `lost`: its shim died without a last word. */
export type State = 'creating' | 'created' | 'running' | 'paused' | 'restarting' | 'stopped' | 'lost';

/** Docker's words for the same, as `ps` shows them. */
export type DockerState = 'created' | 'running' | 'paused' | 'restarting' | 'exited' | 'dead';

export interface HealthProbe {
  readonly start: string;
  readonly end: string;
  readonly exitCode: number;
  readonly output: string;
}

export interface Health {
  readonly status: 'starting' | 'healthy' | 'unhealthy';
  readonly failing: number;
  /** The last five, oldest first. */
  readonly log: readonly HealthProbe[];
}

/** Which launch step failed. */
export interface LaunchFailure {
  readonly errno: number;
  readonly step: string;
  readonly path: string;
  readonly message: string;
}

export interface Status {
  readonly id: string;
  readonly state: State;
  /** Pid and start time (field 22 of /proc/PID/stat) of the shim; 0 when there is none. */
  readonly shim: number;
  readonly shimStart: number;
  /** Inode of the socket that the shim listens on. */
  readonly socket?: number;
  /** The container's first process as the host sees it; 0 when there is none. */
  readonly pid: number;
  readonly pidStart: number;
  /** RFC 3339 with nanoseconds, or empty. */
  readonly startedAt: string;
  readonly finishedAt: string;
  /** 128 + signal when it was killed. */
  readonly exitCode: number;
  readonly signal: number;
  readonly oomKilled: boolean;
  readonly restarts: number;
  readonly stopRequested: boolean;
  readonly health: Health | null;
  readonly error: LaunchFailure | null;
}

/** Exit code of a container whose end nobody saw, for example because the machine went down. */
export const UNKNOWN_EXIT_CODE = 255;

/** Reads the state of a container; never asks a process. A container that was never launched is `created`. */
export function readStatus(ctx: Context, id: string): Status {
  return confirmed(ctx, id, written(ctx, id), isShimThere);
}

/** A container and what its state was. */
export interface Sighting {
  readonly record: ContainerRecord;
  readonly status: Status;
}

/** Reads the states of many containers: the kernel is asked for all living shims at once. */
export function sight(ctx: Context, records: readonly ContainerRecord[]): readonly Sighting[] {
  const seen = records.map((record) => ({ record, status: written(ctx, record.id) }));
  const sockets = records.length < WORTH_ALL_SOCKETS ? new Set<number>() : listening();
  const isThere = (status: Status) => sockets.has(status.socket ?? 0) || isShimThere(status);
  return seen.map(({ record, status }) => ({ record, status: confirmed(ctx, record.id, status, isThere) }));
}

/** From so many on a look at all sockets of the machine takes less time than one at each shim. */
const WORTH_ALL_SOCKETS = 16;

function written(ctx: Context, id: string): Status | undefined {
  return readRecord(`${containerRunDir(ctx.layout, id)}/status`, decodeStatus);
}

function confirmed(
  ctx: Context,
  id: string,
  status: Status | undefined,
  isThere: (status: Status) => boolean,
): Status {
  if (status !== undefined && (isFinal(status) || isThere(status))) return status;
  const files = containerFiles(ctx.layout, id);
  if (status === undefined) return withoutStatusFile(id, existsSync(files.launched));
  if (ctx.core.lockIsHeld(files.lock)) return status;
  // The shim may have written its last word and gone between the two looks.
  const again = written(ctx, id) ?? status;
  return isFinal(again) ? again : abandoned(again);
}

// A line of unix(7): seven columns, of which the seventh is the inode, then the path. Shims bind below a descriptor.
const LISTENING = /^\w+: \w+ \w+ 00010000 0001 01 +(\d+) \/proc\/self\/fd\/\d+\/sock$/gm;

/** Inodes of the sockets on which shims listen, as far as they were made in this network namespace. */
function listening(): ReadonlySet<number> {
  return new Set([...unixSockets().matchAll(LISTENING)].map(([, inode]) => Number(inode)));
}

function unixSockets(): string {
  try {
    return readFileSync('/proc/net/unix', 'latin1');
  } catch {
    return '';
  }
}

// The lock is the truth, but asking for it takes the native library; a pid with its start time is never somebody else's.
function isShimThere({ shim, shimStart }: Status): boolean {
  if (shim === 0) return false;
  const stat = readTextIfPresent(`/proc/${shim}/stat`);
  if (stat === undefined) return false;
  // After the name, which may hold anything: state is field 3, the start time field 22.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields[0] !== 'Z' && Number(fields[19]) === shimStart;
}

/** The word that `ps` shows. */
export function dockerState(status: Status): DockerState {
  switch (status.state) {
    case 'creating':
    case 'created':
      return 'created';
    case 'stopped':
      return 'exited';
    case 'lost':
      return 'dead';
    default:
      return status.state;
  }
}

/** Whether processes of the container may be alive under a shim. */
export function isAlive(status: Status): boolean {
  return status.state === 'running' || status.state === 'paused' || status.state === 'restarting';
}

/** Whether a container was to go when it ends and has ended: nobody was there to remove it, so the next command does. */
export function isPast({ autoRemove }: Pick<ContainerRecord, 'autoRemove'>, { state }: Status): boolean {
  return autoRemove && (state === 'stopped' || state === 'lost');
}

function isFinal(status: Status): boolean {
  return status.state === 'stopped' || (status.state === 'created' && status.error !== null);
}

// A launch that nobody finished never ran the program: the container is as it was made.
function abandoned(status: Status): Status {
  const state = status.state === 'creating' || status.state === 'created' ? 'created' : 'lost';
  const exitCode = state === 'lost' ? UNKNOWN_EXIT_CODE : 0;
  return { ...status, state, exitCode, shim: 0, shimStart: 0 };
}

function withoutStatusFile(id: string, launched: boolean): Status {
  return {
    id,
    state: launched ? 'stopped' : 'created',
    shim: 0,
    shimStart: 0,
    pid: 0,
    pidStart: 0,
    startedAt: '',
    finishedAt: '',
    exitCode: launched ? UNKNOWN_EXIT_CODE : 0,
    signal: 0,
    oomKilled: false,
    restarts: 0,
    stopRequested: false,
    health: null,
    error: null,
  };
}

const STATES = ['creating', 'created', 'running', 'paused', 'restarting', 'stopped'] as const;

/** Checks a status line of the shim; throws TypeError naming the field that is wrong. */
export function decodeStatus(value: unknown): Status {
  const o = asObject(value, 'status');
  const state = STATES.find((known) => known === o.state);
  if (state === undefined) throw new TypeError(`state ${String(o.state)} is not known`);
  return {
    id: asString(o.id, 'id'),
    state,
    ...processes(o),
    startedAt: asString(o.startedAt, 'startedAt'),
    finishedAt: asString(o.finishedAt, 'finishedAt'),
    exitCode: asNumber(o.exitCode, 'exitCode'),
    signal: asNumber(o.signal, 'signal'),
    oomKilled: asBoolean(o.oomKilled, 'oomKilled'),
    restarts: asNumber(o.restarts, 'restarts'),
    stopRequested: asBoolean(o.stopRequested, 'stopRequested'),
    health: o.health === null ? null : decodeHealth(o.health),
    error: o.error === null ? null : decodeFailure(o.error),
  };
}

function processes(o: JsonObject) {
  return {
    shim: asNumber(o.shim, 'shim'),
    shimStart: asNumber(o.shimStart, 'shimStart'),
    ...optional(o, 'socket', asNumber),
    pid: asNumber(o.pid, 'pid'),
    pidStart: asNumber(o.pidStart, 'pidStart'),
  };
}

const HEALTH = ['starting', 'healthy', 'unhealthy'] as const;

function decodeHealth(value: unknown): Health {
  const o = asObject(value, 'health');
  const status = HEALTH.find((known) => known === o.status);
  if (status === undefined) throw new TypeError(`health ${String(o.status)} is not known`);
  return {
    status,
    failing: asNumber(o.failing, 'health.failing'),
    log: asArray(o.log, 'health.log', decodeProbe),
  };
}

function decodeProbe(value: unknown, what: string): HealthProbe {
  const o = asObject(value, what);
  return {
    start: asString(o.start, `${what}.start`),
    end: asString(o.end, `${what}.end`),
    exitCode: asNumber(o.exitCode, `${what}.exitCode`),
    output: asString(o.output, `${what}.output`),
  };
}

/** Decodes why a launch failed. */
export function decodeFailure(value: unknown): LaunchFailure {
  const o = asObject(value, 'error');
  return {
    errno: asNumber(o.errno, 'error.errno'),
    step: asString(o.step, 'error.step'),
    path: asString(o.path, 'error.path'),
    message: asString(o.message, 'error.message'),
  };
}
