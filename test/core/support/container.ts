// A container driven by hand: a launch program, the built shim, its connection, and what is left afterwards.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { encodeLaunch, type LaunchProgram, type Step, step } from '../../../src/containers/steps.ts';

export const NEW = {
  mount: 0x20000,
  uts: 0x4000000,
  ipc: 0x8000000,
  user: 0x10000000,
  pid: 0x20000000,
  net: 0x40000000,
  time: 0x80,
} as const;
export const PRIVATE = NEW.mount | NEW.uts | NEW.ipc | NEW.pid | NEW.net;

const MS_NOSUID_NODEV_NOEXEC = 14;
const MS_REC_PRIVATE = 0x44000;
const S_IFCHR = 0o020000;
const LAUNCH_TIMEOUT_MS = 20_000;

const coreDirectory = resolve(process.env.TSCOMPOSE_CORE_DIR ?? 'core/build');
export const shimPath = join(coreDirectory, 'tscompose-shim');

/** Makes the shim when nobody has done so yet. */
export function buildShim(): void {
  if (existsSync(shimPath)) return;
  const made = spawnSync('make', ['-s', '-C', 'core'], { encoding: 'utf8' });
  if (made.status !== 0) throw new Error(`make failed: ${made.stderr}`);
}

export interface Status {
  readonly state: string;
  readonly shim: number;
  readonly pid: number;
  readonly pidStart: number;
  readonly exitCode: number;
  readonly signal: number;
  readonly oomKilled: boolean;
  readonly restarts: number;
  readonly stopRequested: boolean;
  readonly startedAt: string;
  readonly finishedAt: string;
  readonly health: { status: string; failing: number; log: { exitCode: number; output: string }[] } | null;
  readonly error: { errno: number; step: string; path: string; message: string } | null;
}

export interface Wanted {
  /** Steps before the root file system: cgroups, maps, joins. */
  readonly prepare?: readonly Step[];
  readonly namespaces?: number;
  /** Steps inside the root file system, before pivot_root. */
  readonly mounts?: readonly Step[];
  /** Steps after pivot_root, and settings of the shim. */
  readonly steps?: readonly Step[];
  readonly env?: readonly string[];
  readonly args?: readonly string[];
  /** Further descriptors of the shim, from 4 on. */
  readonly fds?: readonly number[];
  readonly fault?: string;
  /** The directory below, `/` when not given, and the owner of what is written. */
  readonly layer?: string;
  readonly owner?: number;
  readonly log?: { readonly maxSize: number; readonly maxFiles: number };
}

export interface ExecOptions {
  readonly steps?: readonly Step[];
  readonly input?: string;
  /** Of the process to join; its own when not given. */
  readonly start?: number;
  readonly detach?: boolean;
}

export const ID = 'c0ffee';

/** The smallest root file system in which programs of this machine run: the host's, copied on write. */
function rootSteps(directory: string, layer: string, options: string): Step[] {
  const device = (path: string, minor: number, major = 1) =>
    step('DEVICE', path, S_IFCHR | 0o666, major, minor, 0, 0);
  return [
    step('ROOT_PROPAGATION', MS_REC_PRIVATE),
    step(
      'ROOT_OVERLAY',
      join(directory, 'run/rootfs'),
      join(directory, 'upper'),
      join(directory, 'work'),
      options,
      layer,
    ),
    step('MOUNT', 'proc', 'proc', '/proc', MS_NOSUID_NODEV_NOEXEC, ''),
    step('MOUNT', 'tmpfs', 'tmpfs', '/dev', 2, 'mode=755,size=65536k'),
    step('MOUNT', 'devpts', 'devpts', '/dev/pts', 10, 'newinstance,ptmxmode=0666,mode=0620,gid=5'),
    device('/dev/null', 3),
    device('/dev/zero', 5),
    device('/dev/tty', 0, 5),
    step('SYMLINK', 'pts/ptmx', '/dev/ptmx'),
    step('SYMLINK', '/proc/self/fd/1', '/dev/stdout'),
  ];
}

function logStep(directory: string, { log }: Wanted): Step {
  return step('LOG', 'json-file', join(directory, 'log'), log?.maxSize ?? 0, log?.maxFiles ?? 1, 0);
}

function programOf(directory: string, command: readonly string[], wanted: Wanted): LaunchProgram {
  const steps = wanted.steps ?? [];
  return [
    ...(wanted.prepare ?? []),
    step('NAMESPACES', wanted.namespaces ?? PRIVATE),
    ...rootSteps(directory, wanted.layer ?? '/', wanted.owner === undefined ? '' : 'userxattr'),
    ...(wanted.mounts ?? []),
    step('PIVOT_ROOT'),
    step('HOSTNAME', 'box'),
    ...steps,
    ...(steps.some(({ name }) => name === 'LOG') ? [] : [logStep(directory, wanted)]),
    step('ENVIRONMENT', 'PATH=/usr/bin:/bin', ...(wanted.env ?? [])),
    step('EXEC', ...command),
  ];
}

export class Container {
  readonly directory: string;
  readonly #process: ChildProcess;
  readonly #launch: Socket;
  readonly #lines: string[] = [];
  readonly statuses: Status[] = [];
  #wake: () => void = () => {};
  #closed = false;

  constructor(command: readonly string[], wanted: Wanted = {}) {
    buildShim();
    this.directory = mkdtempSync(join(tmpdir(), 'tscompose-shim-'));
    chmodSync(this.directory, 0o711);
    for (const name of ['upper', 'work', 'run', 'run/rootfs']) {
      mkdirSync(this.path(name));
      chownSync(this.path(name), wanted.owner ?? 0, wanted.owner ?? 0);
    }
    writeFileSync(this.path('launch'), encodeLaunch(programOf(this.directory, command, wanted)));
    const env =
      wanted.fault === undefined ? process.env : { ...process.env, TSCOMPOSE_FAIL_STEP: wanted.fault };
    const args = ['run', '--program', this.path('launch'), '--run-dir', this.path('run'), '--id', ID];
    this.#process = spawn(shimPath, [...args, ...(wanted.args ?? [])], {
      stdio: ['ignore', 'inherit', 'inherit', 'pipe', ...(wanted.fds ?? [])],
      env,
    });
    this.#launch = this.#process.stdio[3] as Socket;
    this.#launch.on('error', () => {});
    createInterface({ input: this.#launch }).on('line', (line) => this.#take(line));
    this.#launch.on('close', () => {
      this.#closed = true;
      this.#wake();
    });
  }

  path(name: string): string {
    return join(this.directory, name);
  }

  #take(line: string): void {
    if (line.startsWith('status ')) this.statuses.push(JSON.parse(line.slice(7)) as Status);
    else this.#lines.push(line);
    this.#wake();
  }

  async #await<T>(look: () => T | undefined, what: string): Promise<T> {
    const until = Date.now() + LAUNCH_TIMEOUT_MS;
    for (;;) {
      const found = look();
      if (found !== undefined) return found;
      if (this.#closed || Date.now() > until)
        throw new Error(`the shim never said ${what}; last status: ${JSON.stringify(this.statuses.at(-1))}`);
      await new Promise<void>((done) => {
        const timer = setTimeout(done, until - Date.now());
        this.#wake = () => {
          clearTimeout(timer);
          done();
        };
      });
    }
  }

  /** The first status, from number `from` on, that is as wanted. */
  until(is: (status: Status) => boolean, from = 0): Promise<Status> {
    return this.#await(() => this.statuses.slice(from).find(is), `such a status: ${is}`);
  }

  async request(line: string): Promise<string> {
    const before = this.#lines.length;
    this.#launch.write(`${line}\n`);
    return this.#await(() => this.#lines[before], `an answer to ${line}`);
  }

  send(line: string): void {
    this.#launch.write(`${line}\n`);
  }

  hangUp(): void {
    this.#launch.destroy();
  }

  /** Running, or failed before that. */
  async start(): Promise<Status> {
    const created = await this.until(({ state }) => state === 'created');
    if (created.error !== null) return created;
    this.send('start');
    return this.until(({ state, error }) => state === 'running' || state === 'stopped' || error !== null);
  }

  /** From start to end; the final status as the file has it. */
  async run(): Promise<Status> {
    await this.start();
    return this.ended();
  }

  async ended(): Promise<Status> {
    if (this.#process.exitCode === null && this.#process.signalCode === null)
      await once(this.#process, 'exit');
    return this.status();
  }

  status(): Status {
    return JSON.parse(readFileSync(this.path('run/status'), 'utf8')) as Status;
  }

  log(): { log: string; stream: string; time: string }[] {
    const lines = readFileSync(this.path('log'), 'utf8').split('\n').filter(Boolean);
    return lines.map((line) => JSON.parse(line) as { log: string; stream: string; time: string });
  }

  output(): string {
    return this.log()
      .map(({ log }) => log)
      .join('');
  }

  killShim(): void {
    this.#process.kill('SIGKILL');
  }

  connect(): Socket {
    return connect(this.path('run/sock'));
  }

  async remove(): Promise<void> {
    this.killShim();
    await this.ended().catch(() => undefined);
    this.hangUp();
    rmSync(this.directory, { recursive: true, force: true });
  }

  writeExec(command: readonly string[], steps: readonly Step[] = []): void {
    const program = [
      step('NAMESPACES', PRIVATE),
      ...steps,
      step('ENVIRONMENT', 'PATH=/usr/bin:/bin'),
      step('EXEC', ...command),
    ];
    writeFileSync(this.path('exec'), encodeLaunch(program));
  }

  /** One more process inside, as `tscompose exec` makes it. */
  exec(command: readonly string[], options: ExecOptions = {}) {
    this.writeExec(command, options.steps);
    const { pid, pidStart } = this.status();
    const args = [
      '--program',
      this.path('exec'),
      '--pid',
      `${pid}`,
      '--start',
      `${options.start ?? pidStart}`,
    ];
    return spawnSync(shimPath, ['exec', ...args, ...(options.detach ? ['--detach'] : [])], {
      encoding: 'utf8',
      input: options.input ?? '',
    });
  }
}

/** Runs a shell script as the container's command; its end. */
export async function runScript(
  script: string,
  wanted: Wanted = {},
): Promise<{ status: Status; output: string }> {
  const container = new Container(['sh', '-c', script], wanted);
  try {
    const status = await container.run();
    return { status, output: existsSync(container.path('log')) ? container.output() : '' };
  } finally {
    await container.remove();
  }
}
