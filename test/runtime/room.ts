// A bundle of one's own and the built command as its runtime.
import { execFileSync, type SpawnSyncReturns, spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CLI as BUILT, PREFIX } from '../support/stack.ts';

/** The command under test; another build can be named. */
export const CLI = process.env.TSCOMPOSE_CLI ?? BUILT;
const BUSYBOX = '/bin/busybox';

/** Why containers cannot be run here; undefined when they can. */
export function missing(): string | undefined {
  if (process.geteuid?.() !== 0) return 'needs root';
  if (!existsSync(BUSYBOX)) return 'needs busybox-static';
  return existsSync(CLI) ? undefined : 'needs the built command';
}

export function hasProgram(name: string): boolean {
  return spawnSync('sh', ['-c', `command -v ${name}`]).status === 0;
}

/** A configuration, loosely typed: tests write into it what other programs would. */
// biome-ignore lint/suspicious/noExplicitAny: what the runtime is given is anybody's JSON
export type Config = any;

const CAPABILITIES = ['CAP_CHOWN', 'CAP_KILL', 'CAP_NET_BIND_SERVICE', 'CAP_SETUID', 'CAP_SETGID'];

/** Like `runc spec`, for a shell script and without a terminal. */
export function config(script: string): Config {
  return {
    ociVersion: '1.2.0',
    process: {
      user: { uid: 0, gid: 0 },
      args: ['sh', '-c', script],
      env: ['PATH=/bin', 'A=b'],
      cwd: '/',
      capabilities: { bounding: CAPABILITIES, effective: CAPABILITIES, permitted: CAPABILITIES },
    },
    root: { path: 'rootfs' },
    hostname: 'bundle',
    mounts: [
      { destination: '/proc', type: 'proc', source: 'proc' },
      { destination: '/dev', type: 'tmpfs', source: 'tmpfs', options: ['nosuid', 'mode=755', 'size=65536k'] },
      {
        destination: '/dev/pts',
        type: 'devpts',
        source: 'devpts',
        options: ['nosuid', 'noexec', 'newinstance', 'ptmxmode=0666', 'mode=0620'],
      },
    ],
    linux: {
      namespaces: ['pid', 'network', 'ipc', 'uts', 'mount'].map((type) => ({ type })),
      maskedPaths: ['/proc/filesystems'],
      readonlyPaths: ['/proc/sys'],
    },
  };
}

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

export class Room {
  readonly dir = mkdtempSync(join(tmpdir(), PREFIX));
  readonly bundle = join(this.dir, 'bundle');
  readonly root = join(this.dir, 'root');
  readonly log = join(this.dir, 'log');
  #count = 0;

  constructor() {
    const bin = join(this.bundle, 'rootfs/bin');
    for (const name of ['bin', 'tmp', 'etc'])
      mkdirSync(join(this.bundle, 'rootfs', name), { recursive: true });
    cpSync(BUSYBOX, join(bin, 'busybox'));
    for (const applet of execFileSync(BUSYBOX, ['--list'], { encoding: 'utf8' }).trim().split('\n'))
      if (applet !== 'busybox') symlinkSync('busybox', join(bin, applet));
    writeFileSync(join(this.bundle, 'rootfs/etc/file'), 'of the root\n');
  }

  /** An id that no other test has. */
  id(): string {
    this.#count++;
    return `${PREFIX}${process.pid}-${this.#count}`;
  }

  write(content: Config): void {
    writeFileSync(join(this.bundle, 'config.json'), JSON.stringify(content));
  }

  /** Calls an operation and returns what came of it. */
  call(...words: readonly string[]): Ran {
    return this.callWith({}, ...words);
  }

  callWith(options: { readonly input?: string }, ...words: readonly string[]): Ran {
    const argv = [CLI, 'runtime', '--root', this.root, '--log', this.log, '--log-format', 'json', ...words];
    return outcome(spawnSync(process.execPath, argv, { encoding: 'utf8', timeout: 40_000, ...options }));
  }

  /** Calls an operation that must succeed; its standard output. */
  ok(...words: readonly string[]): string {
    const { code, stdout, stderr } = this.call(...words);
    if (code === 0) return stdout;
    throw new Error(`runtime ${words.join(' ')} exited with ${code}: ${stderr}`);
  }

  /** Runs a container to its end. */
  run(content: Config): Ran {
    this.write(content);
    return this.call('run', '--bundle', this.bundle, this.id());
  }

  /** Creates a container whose output goes to a file; its id. */
  create(content: Config): string {
    this.write(content);
    const id = this.id();
    const argv = ['create', '--bundle', this.bundle, '--pid-file', join(this.dir, `${id}.pid`), id];
    const words = [CLI, 'runtime', '--root', this.root, '--log', this.log, ...argv].map(
      (word) => `'${word}'`,
    );
    execFileSync('sh', ['-c', `'${process.execPath}' ${words.join(' ')} > '${this.output(id)}' 2>&1`]);
    return id;
  }

  output(id: string): string {
    return join(this.dir, `${id}.out`);
  }

  state(id: string): Config {
    return JSON.parse(this.ok('state', id));
  }

  lastError(): string {
    const lines = readFileSync(this.log, 'utf8').trim().split('\n');
    return JSON.parse(lines.at(-1) ?? '{}').msg;
  }

  /** Containers and control groups that are still there. */
  left(): readonly string[] {
    const ids = existsSync(this.root) ? readdirSync(this.root) : [];
    // Groups of others may vanish while it looks.
    const find = ['/sys/fs/cgroup', '-name', `${PREFIX}${process.pid}-*`, '-type', 'd'];
    const groups = spawnSync('find', find, { encoding: 'utf8' }).stdout;
    return [...ids, ...groups.split('\n').filter(Boolean)];
  }

  close(): void {
    for (const id of existsSync(this.root) ? readdirSync(this.root) : []) this.call('delete', '--force', id);
    rmSync(this.dir, { recursive: true });
  }
}

function outcome({ status, stdout, stderr }: SpawnSyncReturns<string>): Ran {
  return { code: status ?? -1, stdout, stderr };
}
