// What is taken, full, missing or not allowed on the machine: named in the error, and nothing half-made is in the way.
import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, cpSync, existsSync, mkdirSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { freePort, isRoot, needing } from '../support/machine.ts';
import { ROOT, Stack } from '../support/stack.ts';

const SLEEP = 'image: host, init: true, command: [sleep, "300"]';
const NOBODY = 65534;

/** Mounts for the length of a test. */
function mounted(path: string, ...options: readonly string[]): Disposable {
  mkdirSync(path, { recursive: true });
  const { status, stderr } = spawnSync('mount', [...options, path], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`mount ${options.join(' ')} ${path}: ${stderr}`);
  return { [Symbol.dispose]: () => void spawnSync('umount', ['-l', path]) };
}

function listening(port: number, address: string): Promise<Server & Disposable> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on('error', reject);
    server.listen(port, address, () =>
      resolve(Object.assign(server, { [Symbol.dispose]: () => void server.close() })),
    );
  });
}

describe.skipIf(!isRoot)(needing('what somebody else has', { root: isRoot }), () => {
  it('a port: says which process has it, and starts nothing', async () => {
    const port = await freePort();
    await using stack = new Stack({
      compose: `services:\n  web: { ${SLEEP}, ports: ["${port}:80"] }\n  other: { ${SLEEP} }\n`,
    });
    {
      using _taken = await listening(port, '127.0.0.1');
      const { code, stderr } = await stack.run('up', '-d');
      expect(code).toBe(1);
      expect(stderr).toMatch(
        new RegExp(`^error\\[port-in-use\\]: .*web.*${port}/tcp.*pid ${process.pid}`, 'm'),
      );
      expect(stderr).toMatch(/compose\.yaml:2:\d+[\s\S]*hint: /);
      expect((await stack.ps()).filter(({ State }) => State === 'running')).toEqual([]);
    }
    await stack.ok('up', '-d');
    expect((await stack.ps()).map(({ State }) => State)).toEqual(['running', 'running']);
  });

  it('a port of another project: says which container has it', async () => {
    const port = await freePort();
    const compose = `services:\n  web: { ${SLEEP}, ports: ["${port}:80"] }\n`;
    await using first = new Stack({ compose });
    await using second = new Stack({ compose, env: { TSCOMPOSE_STATE_DIR: first.stateDir } });
    await first.ok('up', '-d');
    const { code, stderr } = await second.run('up', '-d');
    expect(code).toBe(1);
    expect(stderr).toMatch(
      new RegExp(`^error\\[port-in-use\\]: .*${port}.*(${first.project}-web-1|tscompose)`, 'm'),
    );
    expect((await first.ps()).map(({ State }) => State)).toEqual(['running']);
  });

  it('an address: says which container has it', async () => {
    const network = 'networks: { n: { ipam: { config: [{ subnet: 10.213.77.0/24 }] } } }';
    const at = (address: string) => `${SLEEP}, networks: { n: { ipv4_address: ${address} } }`;
    await using stack = new Stack({
      compose: `services:\n  a: { ${at('10.213.77.5')} }\n  b: { ${at('10.213.77.5')}, depends_on: [a] }\n${network}\n`,
    });
    const { code, stderr } = await stack.run('up', '-d');
    expect(code).toBe(1);
    expect(stderr).toMatch(/^error\[address-in-use\]: .*10\.213\.77\.5.*-a-1/m);
    stack.write(
      'compose.yaml',
      `services:\n  a: { ${at('10.213.77.5')} }\n  b: { ${at('10.213.77.6')} }\n${network}\n`,
    );
    await stack.ok('up', '-d');
    expect((await stack.ps()).map(({ State }) => State)).toEqual(['running', 'running']);
  });
});

describe.skipIf(!isRoot)(needing('a full disk', { root: isRoot }), () => {
  it.each([24, 48, 72])('of %i KiB is named, and `down` works on it', async (kibibytes) => {
    await using stack = new Stack({ compose: `services:\n  a: { ${SLEEP} }\n  b: { ${SLEEP} }\n` });
    using _disk = mounted(stack.stateDir, '-t', 'tmpfs', '-o', `size=${kibibytes}k`, 'tmpfs');
    const { code, stderr } = await stack.run('up', '-d');
    expect(code).toBe(1);
    expect(stderr).toMatch(/^error\[disk-full\]: .*no space left/m);
    expect(stderr).not.toMatch(/internal error/);
    await stack.ok('down', '-v', '-t', '0');
    expect(await stack.ps()).toEqual([]);
    spawnSync('mount', ['-o', 'remount,size=64m', stack.stateDir]);
    await stack.ok('up', '-d');
    expect((await stack.ps()).map(({ State }) => State)).toEqual(['running', 'running']);
    await stack.ok('down', '-v', '-t', '0');
  });
});

describe.skipIf(!isRoot)(needing('a kernel feature', { root: isRoot }), () => {
  it('that is missing is named: overlayfs on overlayfs', async () => {
    await using stack = new Stack({ compose: `services:\n  a: { ${SLEEP} }\n` });
    const base = join(stack.root, 'base');
    using _base = mounted(base, '-t', 'tmpfs', 'tmpfs');
    for (const name of ['lower', 'upper', 'work']) mkdirSync(join(base, name));
    const layers = `lowerdir=${base}/lower,upperdir=${base}/upper,workdir=${base}/work`;
    using _state = mounted(stack.stateDir, '-t', 'overlay', '-o', layers, 'overlay');
    const { code, stderr } = await stack.run('up', '-d');
    expect(code).toBe(1);
    expect(stderr).toMatch(/^error\[kernel-feature\]: .*overlayfs/m);
    expect(stderr).toMatch(/hint: .*--state-dir/);
    await stack.ok('down', '-v');
  });
});

describe.skipIf(!isRoot)(needing('without root', { root: isRoot }), () => {
  /** A copy of the package that others may read, and a project in it. */
  function asNobody(stack: Stack, args: readonly string[], env: Readonly<Record<string, string>> = {}) {
    chmodSync(stack.root, 0o755);
    const dist = join(stack.root, 'package');
    if (!existsSync(dist)) {
      const filter = (source: string) => !source.endsWith('.cache') && !source.includes('/types');
      cpSync(join(ROOT, 'dist'), join(dist, 'dist'), { recursive: true, filter });
      cpSync(join(ROOT, 'node_modules/koffi'), join(dist, 'node_modules/koffi'), { recursive: true });
      cpSync(join(ROOT, 'node_modules/@koromix'), join(dist, 'node_modules/@koromix'), { recursive: true });
    }
    const command = [process.execPath, join(dist, 'dist/tscompose.cjs'), ...args];
    const { TSCOMPOSE_STATE_DIR: _, ...inherited } = stack.env;
    const { status, stdout, stderr } = spawnSync(command[0] ?? '', command.slice(1), {
      cwd: stack.dir,
      uid: NOBODY,
      gid: NOBODY,
      encoding: 'utf8',
      env: { ...inherited, HOME: '/nonexistent', ...env },
    });
    return { code: status, stdout, stderr };
  }

  it('`up` and `down` say that they need it; nothing needs a cache that can be written', async () => {
    await using stack = new Stack({ compose: `services:\n  a: { ${SLEEP} }\n` });
    for (const args of [['up', '-d'], ['up'], ['down'], ['run', 'a'], ['stop']]) {
      const { code, stderr } = asNobody(stack, args);
      expect({ args, code }).toEqual({ args, code: 1 });
      expect(stderr).toMatch(/^error\[not-root\]: [\s\S]*hint: .*sudo/);
    }
    expect(asNobody(stack, ['config', '--services'])).toEqual({ code: 0, stdout: 'a\n', stderr: '' });
    expect(asNobody(stack, ['version', '--short'])).toMatchObject({ code: 0, stderr: '' });
    expect(existsSync(join(stack.root, 'package/dist/.cache'))).toBe(false);
  });

  it('plans and lists without a directory to write to', async () => {
    await using stack = new Stack({ compose: `services:\n  a: { ${SLEEP} }\n` });
    const { code, stdout, stderr } = asNobody(stack, ['plan'], { XDG_CACHE_HOME: '/proc/nosuch' });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain('create-container');
    expect(asNobody(stack, ['ps', '-q'])).toEqual({ code: 0, stdout: '', stderr: '' });
  });

  it('does not take what it may not read for nothing', async () => {
    await using stack = new Stack({ compose: `services:\n  a: { ${SLEEP} }\n` });
    await stack.ok('up', '-d');
    chmodSync(stack.stateDir, 0o700);
    for (const args of [['ps'], ['ls'], ['logs'], ['plan'], ['exec', '-T', 'a', 'true'], ['volumes']]) {
      const { code, stdout, stderr } = asNobody(stack, args, { TSCOMPOSE_STATE_DIR: stack.stateDir });
      expect({ args, code, stdout }).toEqual({ args, code: 1, stdout: '' });
      expect(stderr).toMatch(/^error\[not-root\]: cannot read the directory .*: permission denied/);
    }
  });
});

describe.skipIf(!isRoot)(needing('a state directory', { root: isRoot }), () => {
  it.each(['/proc/nosuch', '/dev/null'])('that cannot be made is said: %s', async (dir) => {
    await using stack = new Stack({ compose: `services:\n  a: { ${SLEEP} }\n` });
    for (const args of [['up', '-d'], ['down'], ['stop']]) {
      const { code, stderr } = await stack.run('--state-dir', dir, ...args);
      expect({ args, code }).toEqual({ args, code: 1 });
      expect(stderr).toContain(`cannot make the directory ${dir}/`);
      expect(stderr).toMatch(/hint: .*TSCOMPOSE_STATE_DIR/);
    }
    expect((await stack.run('--state-dir', dir, 'plan')).code).toBe(0);
  });

  it('may be relative to the current one', async () => {
    await using stack = new Stack({ compose: `services:\n  a: { ${SLEEP} }\n` });
    await stack.ok('--state-dir', '../state', 'up', '-d');
    expect(await stack.ps()).toMatchObject([{ State: 'running' }]);
  });
});

describe('a program that hangs on to a port', () => {
  it.skipIf(!isRoot)(needing('is found by its name', { root: isRoot }), async () => {
    const port = await freePort();
    const script = `require('net').createServer().listen(${port}, () => console.log('listens'))`;
    const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    try {
      await new Promise((resolve) => child.stdout.once('data', resolve));
      await using stack = new Stack({ compose: `services:\n  web: { ${SLEEP}, ports: ["${port}:80"] }\n` });
      const name = readFileSync(`/proc/${child.pid}/comm`, 'utf8').trim();
      expect((await stack.run('up', '-d')).stderr).toContain(`${name} (pid ${child.pid})`);
    } finally {
      child.kill('SIGKILL');
    }
  });
});
