// One more process in a running container: compiled from its launch program, run by the shim.
import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { ComposeError } from '../errors.ts';
import type { Context } from '../state/context.ts';
import { asObject } from '../state/decode.ts';
import { containerFiles } from '../state/layout.ts';
import { ALL_CAPABILITIES, capabilityMask } from './capabilities.ts';
import { launchError } from './launch-error.ts';
import type { Machine } from './machine.ts';
import type { ContainerRecord } from './record.ts';
import { shimEnvironment } from './shim-environment.ts';
import { decodeFailure, type LaunchFailure, readStatus, type Status } from './status.ts';
import { decodeLaunch, encodeLaunch, type LaunchProgram, type Step, type StepName, step } from './steps.ts';

export interface ExecOptions {
  readonly command: readonly string[];
  readonly tty?: boolean;
  readonly stdin?: boolean;
  /** `user[:group]` */
  readonly user?: string;
  readonly workingDir?: string;
  /** `NAME=value` entries on top of the container's environment; a bare `NAME` takes one away. */
  readonly env?: readonly string[];
  readonly privileged?: boolean;
  /** Size of the terminal. */
  readonly rows?: number;
  readonly columns?: number;
}

/** Steps of the container's own launch that make any process one of it. */
const KEPT: readonly StepName[] = ['CGROUP_JOIN', 'RLIMIT', 'OOM_SCORE_ADJ', 'UMASK', 'LSM_LABEL'];

/** Compiles a further process of a container from the program that launched it; pure. */
export function compileExec(
  launch: LaunchProgram,
  options: ExecOptions,
  machine: Pick<Machine, 'capabilities' | 'uid'>,
): LaunchProgram {
  const first = <N extends StepName>(name: N) =>
    launch.find((one): one is Extract<Step, { name: N }> => one.name === name);
  const cwd = options.workingDir ?? first('WORKING_DIRECTORY')?.args[0] ?? '/';
  return [
    step('NAMESPACES', namespacesOf(launch)),
    ...launch.filter(({ name }) => KEPT.includes(name)),
    step('WORKING_DIRECTORY', cwd, 0),
    step('ENVIRONMENT', ...environment(first('ENVIRONMENT')?.args ?? [], options)),
    userStep(first('USER')?.args ?? ['0:0'], options.user),
    ...securitySteps(launch, options, machine),
    ...(options.tty ? [step('TERMINAL', options.rows ?? 24, options.columns ?? 80)] : []),
    step('STANDARD_INPUT', options.stdin ? 1 : 0),
    step('EXEC', ...options.command),
  ];
}

// Made or joined, they are all those of the container's first process now.
function namespacesOf(launch: LaunchProgram): number {
  return launch.reduce((flags, one) => {
    const more = one.name === 'NAMESPACES' || one.name === 'JOIN_NAMESPACE' ? one.args[0] : 0;
    return flags + more;
  }, 0);
}

function environment(base: readonly string[], { env = [], tty }: ExecOptions): string[] {
  const nameOf = (entry: string) => entry.split('=', 1)[0] ?? entry;
  const values = new Map(base.map((entry) => [nameOf(entry), entry]));
  if (tty && !values.has('TERM')) values.set('TERM', 'TERM=xterm');
  for (const entry of env) {
    if (entry.includes('=')) values.set(nameOf(entry), entry);
    else values.delete(entry);
  }
  return [...values.values()];
}

function userStep([user, ...groups]: readonly string[], wanted: string | undefined): Step {
  return step('USER', wanted || user || '0:0', ...groups);
}

function securitySteps(
  launch: LaunchProgram,
  { privileged }: ExecOptions,
  machine: Pick<Machine, 'capabilities' | 'uid'>,
): readonly Step[] {
  if (!privileged) {
    return launch.filter(({ name }) => ['CAPABILITIES', 'NO_NEW_PRIVILEGES', 'SECCOMP'].includes(name));
  }
  const names = machine.uid === 0 ? machine.capabilities : ALL_CAPABILITIES;
  const mask = capabilityMask(names);
  return [step('CAPABILITIES', mask, mask, mask, 0, 0)];
}

export interface ExecContext extends Context {
  readonly machine: Pick<Machine, 'capabilities' | 'uid'>;
}

interface Prepared {
  readonly program: Uint8Array;
  readonly status: Status;
}

/** ComposeError `container-not-running` or `container-state` when nothing can be executed in it. */
function prepare(ctx: ExecContext, record: ContainerRecord, options: ExecOptions): Prepared {
  const status = readStatus(ctx, record.id);
  if (status.state === 'paused') {
    const hint = 'unpause it first';
    throw new ComposeError('container-state', `container ${record.name} is paused`, { hint });
  }
  if (status.state !== 'running' || status.pid === 0) {
    throw new ComposeError('container-not-running', `container ${record.name} is not running`);
  }
  const launch = decodeLaunch(readFileSync(containerFiles(ctx.layout, record.id).launch));
  return { program: encodeLaunch(compileExec(launch, options, ctx.machine)), status };
}

function execArguments(
  programPath: string,
  { pid, pidStart }: Status,
  more: readonly string[] = [],
): string[] {
  return ['exec', '--program', programPath, '--pid', String(pid), '--start', String(pidStart), ...more];
}

/** Replaces this process by one that relays the command's terminal, signals and exit code; returns only by throwing. */
export function runExec(ctx: ExecContext, record: ContainerRecord, options: ExecOptions): never {
  const { program, status } = prepare(ctx, record, options);
  const fd = ctx.core.memfd('exec', program);
  const argv = ['tscompose-shim', ...execArguments(`/proc/self/fd/${fd}`, status)];
  return ctx.core.exec(ctx.core.shimPath, argv, shimEnvironment());
}

/**
 * Starts a command that nobody waits for; what it writes is lost. A shim stays with it: a process in a container whose
 * parent is not there to reap it would keep the container from ending.
 */
export async function execDetached(
  ctx: ExecContext,
  record: ContainerRecord,
  options: ExecOptions,
): Promise<void> {
  const { program, status } = prepare(ctx, record, options);
  const fd = ctx.core.memfd('exec', program);
  const more = ['--inherit', '--report', String(REPORT_FD)];
  const child = spawn(ctx.core.shimPath, execArguments(`/proc/self/fd/${PROGRAM_FD}`, status, more), {
    stdio: ['ignore', 'ignore', 'ignore', fd, 'pipe'],
    detached: true,
    env: shimEnvironment(),
  });
  ctx.core.close(fd);
  const failure = await failureOf(child);
  child.unref();
  if (failure !== undefined) throw launchError({ ...record, command: options.command }, failure);
}

/** Why the program does not run, once the shim has told; undefined when it does. */
function failureOf(child: ChildProcess): Promise<LaunchFailure | undefined> {
  const pipe = child.stdio[REPORT_FD];
  return new Promise((resolve, reject) => {
    const parts: Buffer[] = [];
    child.once('error', reject);
    pipe?.on('data', (bytes: Buffer) => parts.push(bytes));
    pipe?.once('close', () => {
      const report: unknown = JSON.parse(Buffer.concat(parts).toString('utf8') || '{}');
      resolve(asObject(report, 'report').pid === undefined ? decodeFailure(report) : undefined);
    });
  });
}

export interface ExecResult {
  /** 126: not executable, 127: not found. */
  readonly exitCode: number;
  readonly stdout: Buffer;
  readonly stderr: Buffer;
}

/** Runs a command without input and collects what it writes; `signal` kills it. */
export function execCaptured(
  ctx: ExecContext,
  record: ContainerRecord,
  options: ExecOptions,
  signal?: AbortSignal,
): Promise<ExecResult> {
  return runCaptured(ctx, record, { options, signal });
}

interface Capture {
  readonly options: ExecOptions;
  readonly signal?: AbortSignal | undefined;
}

const PROGRAM_FD = 3;
const REPORT_FD = 4;

async function runCaptured(
  ctx: ExecContext,
  record: ContainerRecord,
  { options, signal }: Capture,
): Promise<ExecResult> {
  const { program, status } = prepare(ctx, record, options);
  const fd = ctx.core.memfd('exec', program);
  const argv = execArguments(`/proc/self/fd/${PROGRAM_FD}`, status);
  const child = spawn(ctx.core.shimPath, argv, {
    stdio: ['ignore', 'pipe', 'pipe', fd],
    env: shimEnvironment(),
    ...(signal ? { signal } : {}),
  });
  ctx.core.close(fd);
  return new Promise((resolve, reject) => {
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    child.stdout?.on('data', (bytes: Buffer) => stdout.push(bytes));
    child.stderr?.on('data', (bytes: Buffer) => stderr.push(bytes));
    child.on('error', reject);
    child.on('close', (code, killedBy) => {
      const exitCode = code ?? 128 + (killedBy ? constants.signals[killedBy] : 0);
      resolve({ exitCode, stdout: Buffer.concat(stdout), stderr: Buffer.concat(stderr) });
    });
  });
}
