// Containers that exist: launching and removing them.
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  writeFileSync,
} from 'node:fs';
import { Socket } from 'node:net';
import { constants } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { errnoOf } from '../../core/index.ts';
import { ComposeError } from '../errors.ts';
import type { Context } from '../state/context.ts';
import { containerFiles, unlistedId } from '../state/layout.ts';
import { Connection } from './connection.ts';
import { type Control, connect, controlOver } from './control.ts';
import { launchError } from './launch-error.ts';
import type { ContainerRecord } from './record.ts';
import { shimEnvironment } from './shim-environment.ts';
import { readStatus, type State, type Status } from './status.ts';

export { type Control, connect } from './control.ts';
export { dockerState, isAlive, readStatus } from './status.ts';

/** A host port that the shim relays from: a bound socket, and where it leads in the container's network. */
export interface Relay {
  readonly protocol: string;
  readonly fd: number;
  readonly address: string;
  readonly port: number;
}

export interface LaunchOptions {
  /** The network namespace that was made for it; without it the shim makes one. */
  readonly network?: number;
  readonly relays?: readonly Relay[];
  /** Keeps a created container when this process ends before `start`. */
  readonly keep?: boolean;
}

/** A shim that is being started. */
export interface Launch {
  readonly shim: number;
  /** The container's network namespace, once the state `creating` was reached. */
  readonly netnsPath: string;
  /** Resolves when the state was reached; rejects with what the failed launch step means. */
  until(state: State, signal?: AbortSignal): Promise<Status>;
  /** Has the shim make the first process, without which no state after `creating` is reached; what fails, `until` tells. */
  proceed(): void;
  /** Opens the gate; resolves when the program runs, or has already ended. */
  start(): Promise<Status>;
  /** What the shim sends to the firewall when the container has ended. */
  netfilter(batches: readonly Uint8Array[]): Promise<void>;
  readonly control: Control;
  /** Ends the connection: before `start` that undoes the launch. */
  close(): void;
}

const OWN_NETWORK = 'own-network';

/** Starts the shim of a container, which waits for `proceed`. The descriptors in `options` stay the caller's to close. */
export async function launchContainer(
  ctx: Context,
  record: ContainerRecord,
  options: LaunchOptions = {},
): Promise<Launch> {
  prepareRunDir(ctx, record);
  const joined = joinFds(ctx, record);
  const [ours, theirs] = ctx.core.socketPair();
  try {
    const { network, ...others } = options;
    const slots = network === undefined ? joined : { ...joined, [OWN_NETWORK]: network };
    const shim = await spawnShim(ctx, record, { ...others, slots, theirs });
    return launchOver(ctx, record, { shim, socket: new Socket({ fd: ours }) });
  } catch (cause) {
    ctx.core.close(ours);
    throw cause;
  } finally {
    ctx.core.close(theirs);
    for (const fd of Object.values(joined)) ctx.core.close(fd);
  }
}

function prepareRunDir(ctx: Context, { id, etc, sharesIpc, joins }: ContainerRecord): void {
  const files = containerFiles(ctx.layout, id);
  mkdirSync(files.rootfs, { recursive: true, mode: 0o711 });
  if (sharesIpc) {
    mkdirSync(files.shm, { recursive: true });
    chmodSync(files.shm, 0o1777);
  }
  // The files are bind mounts: a container that shares a network has those of its lender.
  if (joins.network !== undefined) return;
  writeReadable(files.hosts, etc.hosts);
  writeReadable(files.resolvConf, etc.resolvConf);
  writeReadable(files.hostname, etc.hostname);
}

// Whatever the caller's umask: every user of the container reads them.
function writeReadable(path: string, text: string): void {
  writeFileSync(path, text);
  chmodSync(path, 0o644);
}

function joinFds(ctx: Context, record: ContainerRecord): Record<string, number> {
  const fds: Record<string, number> = {};
  try {
    for (const [slot, donor] of Object.entries(record.joins)) {
      fds[slot] = ctx.core.openFd(namespacePath(ctx, record, { slot, donor }));
    }
    return fds;
  } catch (cause) {
    for (const fd of Object.values(fds)) ctx.core.close(fd);
    throw cause;
  }
}

const NAMESPACE_FILE: Readonly<Record<string, string>> = { network: 'net', pid: 'pid', ipc: 'ipc' };

function namespacePath(
  ctx: Context,
  record: ContainerRecord,
  { slot, donor }: { readonly slot: string; readonly donor: string },
): string {
  const status = readStatus(ctx, donor);
  const pid = status.pid || (slot === 'network' ? status.shim : 0);
  if (pid > 0) return `/proc/${pid}/ns/${NAMESPACE_FILE[slot] ?? slot}`;
  const message = `service ${record.service}: the container ${donor.slice(0, 12)}, whose ${slot} namespace it shares, is not running`;
  throw new ComposeError('container-not-running', message);
}

interface Spawn extends Omit<LaunchOptions, 'network'> {
  readonly slots: Readonly<Record<string, number>>;
  readonly theirs: number;
}

const DEV_NULL = -1;

function spawnShim(ctx: Context, record: ContainerRecord, options: Spawn): Promise<number> {
  const files = containerFiles(ctx.layout, record.id);
  const fds = [DEV_NULL, DEV_NULL, DEV_NULL, options.theirs];
  const argv = [
    'tscompose-shim',
    'run',
    '--program',
    files.launch,
    '--run-dir',
    files.runDir,
    '--id',
    record.id,
    '--hold',
  ];
  if (options.keep) argv.push('--keep');
  for (const [slot, fd] of Object.entries(options.slots)) {
    argv.push('--fd', `${slot}=${fds.push(fd) - 1}`);
  }
  for (const { protocol, fd, address, port } of options.relays ?? []) {
    argv.push('--relay', `${protocol},${fds.push(fd) - 1},${address},${port}`);
  }
  return ctx.core.spawn(ctx.core.shimPath, argv, shimEnvironment(), fds);
}

interface Started {
  readonly shim: number;
  readonly socket: Socket;
}

function launchOver(ctx: Context, record: ContainerRecord, { shim, socket }: Started): Launch {
  const connection = new Connection(socket);
  const control = controlOver(connection);
  const until = (state: State, signal?: AbortSignal) => waitFor(ctx, record, { connection, state, signal });
  return {
    shim,
    netnsPath: `/proc/${shim}/ns/net`,
    until,
    proceed: () => void control.launch().catch(() => undefined),
    async start() {
      const started = until('running');
      // Both can fail for one reason; the status says more than the refused request.
      await Promise.all([control.start().catch(() => undefined), started]);
      return started;
    },
    netfilter: (batches) => control.netfilter(batches),
    control,
    close: () => control.close(),
  };
}

interface Wait {
  readonly connection: Connection;
  readonly state: State;
  readonly signal: AbortSignal | undefined;
}

const ORDER: readonly State[] = ['creating', 'created', 'running'];

// A state of the launch counts as reached when a later one is: the shim may be faster than its reader.
function hasReached(status: Status, state: State): boolean {
  if (status.state === state) return true;
  const wanted = ORDER.indexOf(state);
  const at = ORDER.indexOf(status.state);
  return wanted >= 0 && (at < 0 || at > wanted);
}

function waitFor(
  ctx: Context,
  record: ContainerRecord,
  { connection, state, signal }: Wait,
): Promise<Status> {
  return new Promise((resolve, reject) => {
    const settle = (finish: () => void) => {
      off();
      signal?.removeEventListener('abort', abort);
      finish();
    };
    const look = (status: Status) => {
      const { error } = status;
      if (error !== null) settle(() => reject(launchError(record, error)));
      else if (hasReached(status, state)) settle(() => resolve(status));
    };
    const abort = () =>
      settle(() => reject(new ComposeError('interrupted', `interrupted while ${record.name} started`)));
    const off = connection.onStatus(look);
    void connection.ended.then(() => settle(() => reject(shimEnded(ctx, record))));
    if (signal?.aborted) abort();
    signal?.addEventListener('abort', abort, { once: true });
    if (connection.status !== undefined) look(connection.status);
  });
}

function shimEnded(ctx: Context, record: ContainerRecord): ComposeError {
  const { error } = readStatus(ctx, record.id);
  if (error !== null) return launchError(record, error);
  return new ComposeError(
    'launch-step',
    `service ${record.service}: the shim of ${record.name} ended during the launch`,
  );
}

function readDirectory(path: string): readonly string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

/**
 * Removes a container: kills what is left of it, then its control groups and directories.
 * Its volumes, network endpoints and name lines belong to their rooms.
 */
export async function removeContainer(ctx: Context, record: ContainerRecord): Promise<void> {
  const files = containerFiles(ctx.layout, record.id);
  await endShim(ctx, record.id);
  await killLeft(ctx, record);
  for (const directory of record.cgroups) removeCgroup(directory);
  await ctx.core.removeTreeAsync(files.runDir);
  if (record.storageLimit !== undefined) ctx.core.releaseQuota(files.upper);
  const { dir } = containerFiles(ctx.layout, unlistedId(record.id, 'gone'));
  rename(files.dir, dir);
  await ctx.core.removeTreeAsync(dir);
}

// What another command is removing is gone all the same.
function rename(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

const SIGKILL = constants.signals.SIGKILL;

async function endShim(ctx: Context, id: string): Promise<void> {
  if (!ctx.core.lockIsHeld(containerFiles(ctx.layout, id).lock)) return;
  try {
    const control = await connect(ctx, id);
    await control.stop({ signal: SIGKILL, graceMs: 0 });
    control.close();
  } catch (error) {
    const gone =
      error instanceof ComposeError && ['container-not-running', 'container-state'].includes(error.code);
    if (!gone) throw error;
  }
}

const KILL_ROUNDS = 100;
const ROUND_MS = 10;

/** Kills what is left of a container whose shim died. */
// Its processes belong to nobody then. The kernel tells of no end of a v1 group: looked at again.
export async function killLeft(ctx: Context, record: ContainerRecord): Promise<void> {
  const status = readStatus(ctx, record.id);
  if (status.state !== 'lost') return;
  if (status.pid > 0) signalIfAlive(ctx, status.pid, status.pidStart);
  record.cgroups.forEach(thaw);
  for (let round = 0; round < KILL_ROUNDS; round++) {
    const left = record.cgroups.flatMap(processesOf);
    if (left.length === 0) return;
    for (const pid of new Set(left)) signalIfAlive(ctx, pid, startTicks(pid));
    await delay(ROUND_MS);
  }
}

// What is frozen does not even die.
function thaw(cgroup: string): void {
  const own = readDirectory(cgroup);
  if (own.includes('freezer.state')) writeFileSync(`${cgroup}/freezer.state`, 'THAWED');
  if (own.includes('cgroup.freeze')) writeFileSync(`${cgroup}/cgroup.freeze`, '0');
}

// A container may have made groups of its own below.
function processesOf(cgroup: string): number[] {
  const names = readDirectory(cgroup);
  if (!names.includes('cgroup.procs')) return [];
  const below = names.filter((name) => !name.includes('.')).map((name) => `${cgroup}/${name}`);
  return [...processIds(`${cgroup}/cgroup.procs`), ...below.flatMap(processesOf)];
}

function processIds(file: string): number[] {
  try {
    return readFileSync(file, 'utf8').split('\n').filter(Boolean).map(Number);
  } catch {
    return [];
  }
}

function startTicks(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]);
  } catch {
    return 0;
  }
}

function signalIfAlive(ctx: Context, pid: number, start: number): void {
  try {
    ctx.core.signal(pid, start, SIGKILL);
  } catch (error) {
    if (errnoOf(error) !== 'ESRCH') throw error;
  }
}

function removeCgroup(directory: string): void {
  for (const child of readDirectory(directory)) {
    if (!child.includes('.')) removeCgroup(`${directory}/${child}`);
  }
  try {
    rmdirSync(directory);
  } catch {
    // Already gone, or taken again by somebody else: neither is ours to report.
  }
}
