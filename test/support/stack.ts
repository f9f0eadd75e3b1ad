// A project of its own for one test: directory, state, name, and the built command to run on it.
import { type ChildProcess, spawn } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))));
export const CLI = join(ROOT, 'dist/tscompose.cjs');
/** Temporary directories of tests start like this; the search for leftovers knows it. */
export const PREFIX = 'tscompose-test-';

const DEFAULT_TIMEOUT_MS = 50_000;

export interface Outcome {
  /** 128 + signal when it was killed. */
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export interface StackOptions {
  /** Content of compose.yaml. */
  readonly compose?: string;
  /** A directory to copy the project from. */
  readonly from?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** A command that was started and not waited for. */
export interface Running {
  readonly process: ChildProcess;
  readonly ended: Promise<Outcome>;
  stdout(): string;
  stderr(): string;
  signal(name: NodeJS.Signals): void;
}

/** One project. Use with `await using`: it is taken down and removed at the end, and kept when a command failed. */
export class Stack implements AsyncDisposable {
  readonly root: string;
  readonly dir: string;
  readonly stateDir: string;
  readonly project: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly #running = new Set<Running>();

  constructor({ compose, from, env = {} }: StackOptions) {
    this.root = mkdtempSync(join(tmpdir(), PREFIX));
    this.project = `t${this.root.slice(-6).toLowerCase()}`;
    this.dir = join(this.root, this.project);
    this.stateDir = join(this.root, 'state');
    this.env = { ...cleanEnvironment(), TSCOMPOSE_STATE_DIR: this.stateDir, ...env };
    mkdirSync(this.dir);
    if (from !== undefined) cpSync(from, this.dir, { recursive: true });
    if (compose !== undefined) this.write('compose.yaml', compose);
  }

  write(path: string, text: string): void {
    const target = join(this.dir, path);
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, text);
  }

  start(args: readonly string[], options: { readonly input?: string } = {}): Running {
    return this.#spawn([process.execPath, CLI, ...args], options);
  }

  /** Runs the command to its end, whatever its exit code. */
  async run(...args: readonly string[]): Promise<Outcome> {
    return this.start(args).ended;
  }

  /** Runs the command, which must succeed; returns what it printed on standard output. */
  async ok(...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await this.run(...args);
    if (code === 0) return stdout;
    throw new Error(`tscompose ${args.join(' ')} exited ${code}\n--- stdout\n${stdout}--- stderr\n${stderr}`);
  }

  /** Rows of `ps -a --format json`. */
  async ps(...services: readonly string[]): Promise<readonly PsRow[]> {
    const text = await this.ok('ps', '-a', '--no-trunc', '--format', 'json', ...services);
    return text
      .split('\n')
      .filter((line) => line !== '')
      .map((line): PsRow => JSON.parse(line));
  }

  #spawn(argv: readonly string[], { input }: { readonly input?: string }): Running {
    const [command = '', ...args] = argv;
    const child = spawn(command, args, { cwd: this.dir, env: this.env, stdio: ['pipe', 'pipe', 'pipe'] });
    const output = { stdout: '', stderr: '' };
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output.stdout += text;
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      output.stderr += text;
    });
    child.stdin.on('error', () => undefined);
    child.stdin.end(input ?? '');
    const timer = setTimeout(() => child.kill('SIGKILL'), DEFAULT_TIMEOUT_MS);
    const ended = new Promise<Outcome>((resolve, reject) => {
      child.on('error', reject);
      child.on('close', (code, signal) => {
        clearTimeout(timer);
        this.#running.delete(running);
        resolve({ code: code ?? (signal === 'SIGINT' ? 130 : 137), ...output });
      });
    });
    const running: Running = {
      process: child,
      ended,
      stdout: () => output.stdout,
      stderr: () => output.stderr,
      signal: (name) => child.kill(name),
    };
    this.#running.add(running);
    return running;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const running of this.#running) {
      running.signal('SIGKILL');
      await running.ended;
    }
    const { code, stdout, stderr } = await this.run(
      '-p',
      this.project,
      'down',
      '-v',
      '--remove-orphans',
      '-t',
      '1',
    );
    if (code !== 0) throw new Error(`${this.root} is kept, down failed:\n${stdout}${stderr}`);
    rmSync(this.root, { recursive: true, force: true });
  }
}

/** A row of `ps --format json`. */
export interface PsRow {
  readonly ID: string;
  readonly Name: string;
  readonly Service: string;
  readonly State: string;
  readonly Health: string;
  readonly ExitCode: number;
  readonly Image: string;
  readonly Labels: string;
  readonly Networks: string;
  readonly Publishers: readonly {
    readonly URL: string;
    readonly TargetPort: number;
    readonly PublishedPort: number;
    readonly Protocol: string;
  }[];
}

/** The environment without what would change the meaning of a compose file. */
function cleanEnvironment(): Record<string, string | undefined> {
  const entries = Object.entries(process.env);
  return Object.fromEntries(
    entries.filter(([name]) => !/^(COMPOSE_|TSCOMPOSE_|DOCKER_|NO_COLOR)/.test(name)),
  );
}
