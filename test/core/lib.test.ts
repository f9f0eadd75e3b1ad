// The library and its binding: prototypes, processes, locks, sockets, files.
import { execFileSync, spawnSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { errnoOf, openCore, PROTOTYPES, SystemError } from '../../core/index.ts';
import { ComposeError } from '../../src/errors.ts';

const core = openCore();
const header = readFileSync(new URL('../../core/include/tscore.h', import.meta.url), 'utf8');
const isRoot = process.getuid?.() === 0;
let directory = '';

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'tscompose-core-'));
});
afterEach(() => {
  rmSync(directory, { recursive: true, force: true });
});

/** A prototype of the header in the words in which koffi gets it. */
function asBound(prototype: string): string {
  return prototype
    .replace(/\s+/g, ' ')
    .replace(/\bstruct \w+ \*+/g, 'void *')
    .replace(/const char \*const (\w+)\[\]/g, 'const char **$1')
    .replace(/(\w+) (\w+)\[\d+\]/g, '$1 *$2');
}

function failure(run: () => unknown): SystemError {
  try {
    run();
  } catch (error) {
    if (error instanceof ComposeError && error.cause instanceof SystemError) return error.cause;
    throw error;
  }
  throw new Error('it did not fail');
}

async function refusal(result: Promise<unknown>): Promise<SystemError> {
  const rethrow = await result.then(
    () => () => undefined,
    (error: unknown) => () => {
      throw error;
    },
  );
  return failure(rethrow);
}

function readAll(fd: number): string {
  const bytes = Buffer.alloc(65536);
  let text = '';
  for (let count = readSync(fd, bytes); count > 0; count = readSync(fd, bytes)) {
    text += bytes.toString('utf8', 0, count);
  }
  closeSync(fd);
  return text;
}

/** Runs a program through spawn and returns what it wrote to descriptor 1. */
async function outputOf(argv: string[], env: Record<string, string> = {}): Promise<string> {
  const [ours, theirs] = core.socketPair();
  await core.spawn(argv[0] ?? '', argv, env, [-1, theirs, theirs]);
  core.close(theirs);
  return readAll(ours);
}

describe('the binding', () => {
  it('binds exactly the prototypes of tscore.h', () => {
    const declared = [...header.matchAll(/^TSC_API ([^;]*);/gm)].map(([, prototype]) =>
      asBound(prototype ?? ''),
    );
    expect(declared.length).toBeGreaterThan(10);
    expect(Object.values<string>(PROTOTYPES).sort()).toEqual(declared.sort());
  });

  it('turns a failure into a typed cause', () => {
    const path = join(directory, 'missing');
    const error = failure(() => core.openFd(path));
    expect(error).toMatchObject({ errno: 2, errnoName: 'ENOENT', step: 'open', path });
    expect(() => core.openFd(path)).toThrow(`cannot open ${path}: no such file or directory`);
  });

  it('closes what it opened, and says when there is nothing to close', () => {
    const fd = core.openFd('/proc/self/status');
    core.close(fd);
    expect(failure(() => core.close(fd)).errnoName).toBe('EBADF');
  });
});

describe('spawn', () => {
  it('starts an orphan with a session of its own, in the root directory', async () => {
    const [ours, theirs] = core.socketPair();
    const pid = await core.spawn('/bin/sh', ['sh', '-c', 'read line; pwd'], {}, [theirs, theirs]);
    core.close(theirs);
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /, '')
      .split(' ');
    expect(stat[1]).not.toBe(String(process.pid));
    expect(stat[3]).toBe(String(pid));
    writeSync(ours, 'go\n');
    expect(readAll(ours)).toBe('/\n');
  });

  it('passes the given descriptors in order, also crosswise, and no others', async () => {
    const [oursA, theirsA] = core.socketPair();
    const [oursB, theirsB] = core.socketPair();
    const script = 'echo to one; echo to three >&3; ls /proc/self/fd';
    await core.spawn('/bin/sh', ['sh', '-c', script], { PATH: '/bin:/usr/bin' }, [-1, theirsB, -1, theirsA]);
    for (const fd of [theirsA, theirsB]) core.close(fd);
    // ls itself has the directory open as the next free one.
    expect(readAll(oursB)).toBe('to one\n0\n1\n2\n3\n4\n');
    expect(readAll(oursA)).toBe('to three\n');
  });

  it('resets signals that Node ignores and blocks nothing', async () => {
    const status = await outputOf(['/bin/cat', '/proc/self/status']);
    expect(status).toMatch(/^SigIgn:\s+0000000000000000$/m);
    expect(status).toMatch(/^SigBlk:\s+0000000000000000$/m);
  });

  it('passes arguments and environment as they are', async () => {
    expect(await outputOf(['/usr/bin/env'], { A: 'b c', EMPTY: '' })).toBe('A=b c\nEMPTY=\n');
    expect(await outputOf(['/bin/echo', '-n', 'ä "x"', ''])).toBe('ä "x" ');
  });

  it('reports why the program cannot be executed', async () => {
    expect(await refusal(core.spawn('/nonexistent', ['x'], {}, []))).toMatchObject({
      errnoName: 'ENOENT',
      step: 'execute',
      path: '/nonexistent',
    });
    expect((await refusal(core.spawn(directory, ['x'], {}, []))).errnoName).toBe('EACCES');
  });

  it('starts the shim from a file that nobody can open for writing', async () => {
    const [ours, theirs] = core.socketPair();
    await core.spawn(core.shimPath, ['tscompose-shim', '--version'], {}, [-1, theirs, theirs]);
    core.close(theirs);
    expect(readAll(ours)).toMatch(/^tscompose-shim \d/);
  });

  it('leaves no zombie behind', async () => {
    await outputOf(['/bin/true']);
    const children = readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8');
    const states = children
      .split(' ')
      .filter((pid) => pid.trim() !== '' && existsSync(`/proc/${pid}/stat`))
      .map((pid) => readFileSync(`/proc/${pid}/stat`, 'utf8').replace(/^.*\) /, '')[0]);
    expect(states).not.toContain('Z');
  });
});

describe('exec', () => {
  it('throws and leaves the process as it was when the program is missing', () => {
    expect(failure(() => core.exec('/nonexistent', ['x'], {}))).toMatchObject({
      errnoName: 'ENOENT',
      step: 'execute',
    });
    expect(readFileSync('/proc/self/status', 'utf8')).toMatch(/^SigIgn:\s+\d*[13579bdf]000$/m);
  });

  it('replaces the process', () => {
    const bundle = join(directory, 'exec.mjs');
    execFileSync('npx', [
      'esbuild',
      'core/index.ts',
      '--bundle',
      '--platform=node',
      '--format=esm',
      `--outfile=${bundle}`,
      '--external:koffi',
      '--log-level=error',
    ]);
    const script = `import { openCore } from ${JSON.stringify(bundle)};
      openCore().exec('/bin/sh', ['sh', '-c', 'grep SigIgn /proc/self/status; echo $$; exit 7'], { PATH: '/bin' });`;
    const koffi = new URL('../../node_modules', import.meta.url).pathname;
    symlinkSync(koffi, join(directory, 'node_modules'));
    const { status, stdout, stderr, pid } = spawnSync(
      process.execPath,
      ['--input-type=module', '-e', script],
      {
        encoding: 'utf8',
        env: { TSCOMPOSE_CORE_DIR: new URL('../../core/build', import.meta.url).pathname, ...process.env },
      },
    );
    expect(stderr).toBe('');
    expect(stdout).toBe(`SigIgn:\t0000000000000000\n${pid}\n`);
    expect(status).toBe(7);
  });
});

describe('signal', () => {
  it('reaches the process with that start time and no other', async () => {
    const [ours, theirs] = core.socketPair();
    const pid = await core.spawn('/bin/cat', ['cat'], {}, [theirs, theirs]);
    core.close(theirs);
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /, '')
      .split(' ');
    const ticks = BigInt(fields[19] ?? 0);
    expect(failure(() => core.signal(pid, ticks + 1n, 15)).errnoName).toBe('ESRCH');
    expect(existsSync(`/proc/${pid}`)).toBe(true);
    core.signal(pid, ticks, 15);
    expect(readAll(ours)).toBe('');
  });
});

describe('memfd', () => {
  it('holds the bytes, sealed and rewound', () => {
    const fd = core.memfd('launch', Buffer.from('program'));
    expect(readlinkSync(`/proc/self/fd/${fd}`)).toContain('launch');
    expect(() => writeSync(fd, 'x', 0)).toThrow('EPERM');
    expect(readAll(fd)).toBe('program');
  });
});

describe('locks', () => {
  it('excludes by mode and tells whether somebody holds one', () => {
    const path = join(directory, 'lock');
    expect(core.lockIsHeld(path)).toBe(false);
    const shared = core.lock(path, { exclusive: false });
    expect(shared).toBeTypeOf('number');
    expect(core.lockIsHeld(path)).toBe(false);
    expect(core.lock(path, { exclusive: true })).toBeUndefined();
    core.close(shared ?? -1);
    const exclusive = core.lock(path, { exclusive: true });
    expect(core.lockIsHeld(path)).toBe(true);
    expect(core.lock(path, { exclusive: false })).toBeUndefined();
    core.close(exclusive ?? -1);
    expect(core.lockIsHeld(path)).toBe(false);
  });

  it('is had by one waiter after the other', async () => {
    const path = join(directory, 'lock');
    const held = core.lock(path, { exclusive: true }) ?? -1;
    let had = 0;
    const waiters = [1, 2, 3].map(async () => {
      const fd = await core.lockWait(path, { exclusive: true });
      had += 1;
      expect(core.lock(path, { exclusive: true })).toBeUndefined();
      core.close(fd);
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect(had).toBe(0);
    core.close(held);
    await Promise.all(waiters);
    expect(had).toBe(3);
  });

  it('can be waited for until an abort, and nothing is held afterwards', async () => {
    const path = join(directory, 'lock');
    const held = core.lock(path, { exclusive: true }) ?? -1;
    const abort = new AbortController();
    const waiting = core.lockWait(path, { exclusive: true, signal: abort.signal });
    setImmediate(() => abort.abort(new Error('enough')));
    await expect(waiting).rejects.toThrow('enough');
    core.close(held);
    core.close(await core.lockWait(path, { exclusive: true }));
  });

  it('fails where no file can be made', async () => {
    const path = join(directory, 'no', 'lock');
    expect(failure(() => core.lock(path, { exclusive: true })).errnoName).toBe('ENOENT');
    await expect(core.lockWait(path, { exclusive: true })).rejects.toSatisfy((e) => errnoOf(e) === 'ENOENT');
  });
});

describe.skipIf(process.getuid?.() !== 0)('networkNamespace', () => {
  it('is a network of its own with loopback up, and leaves the threads of this process where they were', async () => {
    const namespaces = () =>
      readdirSync('/proc/self/task').map((thread) => readlinkSync(`/proc/self/task/${thread}/ns/net`));
    const own = readlinkSync('/proc/self/ns/net');
    const made = await Promise.all(Array.from({ length: 8 }, () => core.networkNamespace()));
    try {
      const names = made.map((fd) => readlinkSync(`/proc/self/fd/${fd}`));
      expect(new Set([own, ...names]).size).toBe(9);
      expect(new Set(namespaces())).toEqual(new Set([own]));
      const enter = ['--net=/proc/self/fd/3', 'cat', '/proc/net/dev', '/proc/net/route'];
      const stdio = ['ignore', 'pipe', 'inherit', made[0] ?? -1] as const;
      const inside = execFileSync('nsenter', enter, { encoding: 'utf8', stdio: [...stdio] });
      expect(inside.match(/\w+(?=:)/g)).toEqual(['lo']);
      // Without loopback there is no route to it.
      const send = ['--net=/proc/self/fd/3', 'bash', '-c', 'echo > /dev/udp/127.0.0.1/9'];
      expect(spawnSync('nsenter', send, { stdio: [...stdio] }).status).toBe(0);
    } finally {
      for (const fd of made) core.close(fd);
    }
  });
});

describe('listen', () => {
  it('holds a port so that nobody else can', () => {
    const { fd, port } = core.listen(6, '127.0.0.1', 0);
    expect(port).toBeGreaterThan(0);
    expect(failure(() => core.listen(6, '127.0.0.1', port))).toMatchObject({
      errnoName: 'EADDRINUSE',
      step: 'bind port',
      path: `${port} of 127.0.0.1`,
    });
    expect(failure(() => core.listen(6, '', port)).errnoName).toBe('EADDRINUSE');
    core.close(fd);
    core.close(core.listen(6, '127.0.0.1', port).fd);
  });

  it('holds udp ports too, of both families at once', () => {
    const { fd, port } = core.listen(17, '', 0);
    expect(failure(() => core.listen(17, '127.0.0.1', port)).errnoName).toBe('EADDRINUSE');
    expect(failure(() => core.listen(17, '::1', port)).errnoName).toBe('EADDRINUSE');
    core.close(fd);
  });

  it('refuses what is no address of this machine', () => {
    expect(failure(() => core.listen(6, '192.0.2.77', 0)).errnoName).toBe('EADDRNOTAVAIL');
    expect(failure(() => core.listen(6, 'localhost', 0)).errnoName).toBe('EINVAL');
    expect(failure(() => core.listen(6, '', 65536)).errnoName).toBe('EINVAL');
  });
});

describe('removeTree', () => {
  it('removes all and follows nothing', () => {
    const outside = join(directory, 'outside');
    const tree = join(directory, 'tree');
    mkdirSync(join(tree, 'a', 'b'), { recursive: true });
    mkdirSync(outside);
    writeFileSync(join(outside, 'kept'), '');
    symlinkSync(outside, join(tree, 'a', 'link'));
    writeFileSync(join(tree, 'a', 'b', 'file'), '');
    core.removeTree(tree);
    expect(existsSync(tree)).toBe(false);
    expect(readdirSync(outside)).toEqual(['kept']);
  });

  it('takes a missing tree for done, a link or a file for itself', async () => {
    core.removeTree(join(directory, 'missing'));
    symlinkSync('/', join(directory, 'link'));
    core.removeTree(join(directory, 'link'));
    writeFileSync(join(directory, 'file'), '');
    await core.removeTreeAsync(join(directory, 'file'));
    expect(readdirSync(directory)).toEqual([]);
  });

  it('removes trees deeper than descriptors and paths allow', () => {
    const tree = join(directory, 'deep');
    mkdirSync(tree);
    // Path names end at 4096 bytes, so the shell walks down.
    const script = `name=$(printf %0200d 0); for i in $(seq 150); do mkdir $name; cd -P $name; touch file; done`;
    execFileSync('/bin/sh', ['-c', script], { cwd: tree });
    core.removeTree(tree);
    expect(existsSync(tree)).toBe(false);
  });

  it.skipIf(!isRoot)('stops at a mount point (needs root)', () => {
    mkdirSync(join(directory, 'tree', 'mounted'), { recursive: true });
    execFileSync('mount', ['--bind', '/etc', join(directory, 'tree', 'mounted')]);
    try {
      expect(failure(() => core.removeTree(join(directory, 'tree'))).errnoName).toBe('EXDEV');
      expect(existsSync('/etc/passwd')).toBe(true);
    } finally {
      execFileSync('umount', [join(directory, 'tree', 'mounted')]);
    }
  });
});

describe('syncFilesystem', () => {
  it('makes a file system durable, or says that there is none', async () => {
    core.syncFilesystem(directory);
    await core.syncFilesystemAsync(directory);
    expect(failure(() => core.syncFilesystem(join(directory, 'missing'))).errnoName).toBe('ENOENT');
  });
});
