// create, start, state, kill, delete and the other operations, on real containers.
import { existsSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { config, missing, Room } from './room.ts';

const reason = missing();

describe.skipIf(reason)(`the operations of runtime${reason ? ` (${reason})` : ''}`, () => {
  let room: Room;
  beforeAll(() => {
    room = new Room();
  });
  afterAll(() => room.close());

  test('a life', async () => {
    const id = room.create(config('echo up; trap "echo down; exit 3" TERM; while :; do sleep 0.05; done'));
    const created = room.state(id);
    expect(created).toMatchObject({ ociVersion: '1.2.0', id, status: 'created', bundle: room.bundle });
    expect(readFileSync(join(room.dir, `${id}.pid`), 'utf8')).toBe(String(created.pid));
    expect(readFileSync(room.output(id), 'utf8')).toBe('');
    expect(room.call('create', '--bundle', room.bundle, id).code).toBe(1);
    expect(room.lastError()).toBe(`container with given ID already exists: ${id}`);
    room.ok('start', id);
    expect(room.state(id)).toMatchObject({ status: 'running', pid: created.pid });
    expect(room.call('start', id).code).toBe(1);
    expect(room.lastError()).toBe('cannot start a container that is running');
    expect(room.call('delete', id).code).toBe(1);
    await eventually(() => expect(readFileSync(room.output(id), 'utf8')).toBe('up\n'));
    room.ok('kill', id, 'TERM');
    await eventually(() => expect(room.state(id)).toMatchObject({ status: 'stopped', pid: 0 }));
    expect(readFileSync(room.output(id), 'utf8')).toBe('up\ndown\n');
    expect(room.call('kill', id, 'KILL').code).toBe(1);
    expect(room.lastError()).toBe('container not running');
    room.ok('delete', id);
    expect(room.call('state', id).code).toBe(1);
    expect(room.lastError()).toBe(`container "${id}" does not exist`);
    expect(room.left()).toEqual([]);
  });

  test('the process belongs to nobody of ours, so that a subreaper gets it', () => {
    const id = room.create(config('sleep 60'));
    const { pid } = room.state(id);
    const parent = /^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
    expect(readFileSync(`/proc/${parent}/comm`, 'utf8')).not.toContain('tscompose');
    room.ok('delete', id);
    expect(existsSync(`/proc/${pid}`) && room.left().length > 0).toBe(false);
  });

  test('run gives the exit code and takes everything away', () => {
    expect(room.run(config('cat; echo $A; exit 7'))).toEqual({ code: 7, stdout: 'b\n', stderr: '' });
    expect(room.left()).toEqual([]);
  });

  test('run passes signals on', async () => {
    const { spawn } = await import('node:child_process');
    const { CLI } = await import('./room.ts');
    room.write(config('trap "exit 5" USR1; echo up; while :; do sleep 0.05; done'));
    const argv = [CLI, 'runtime', '--root', room.root, 'run', '--bundle', room.bundle, room.id()];
    const child = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'inherit'] });
    await new Promise((resolve) => child.stdout.once('data', resolve));
    child.kill('SIGUSR1');
    expect(await new Promise((resolve) => child.once('close', resolve))).toBe(5);
  });

  test('list, ps, pause, resume and kill --all', async () => {
    const id = room.create(config('sleep 60 & exec sleep 61'));
    room.ok('start', id);
    expect(room.ok('list', '-q')).toBe(`${id}\n`);
    expect(JSON.parse(room.ok('list', '--format', 'json'))).toMatchObject([{ id, status: 'running' }]);
    await eventually(() => expect(JSON.parse(room.ok('ps', '--format', 'json', id))).toHaveLength(2));
    expect(room.ok('ps', id)).toMatch(/sleep 60[\s\S]*sleep 61|sleep 61[\s\S]*sleep 60/);
    room.ok('pause', id);
    expect(room.state(id).status).toBe('paused');
    expect(room.call('pause', id).code).toBe(1);
    room.ok('resume', id);
    expect(room.state(id).status).toBe('running');
    room.ok('kill', '--all', id, 'KILL');
    await eventually(() => expect(room.state(id).status).toBe('stopped'));
    room.ok('delete', id);
    expect(room.left()).toEqual([]);
  });

  test('delete --force of a paused container, and of none', () => {
    const id = room.create(config('sleep 60'));
    room.ok('start', id);
    room.ok('pause', id);
    room.ok('delete', '--force', id);
    room.ok('delete', '--force', id);
    expect(room.call('delete', id).code).toBe(1);
    expect(room.left()).toEqual([]);
  });

  test('exec', async () => {
    const id = room.create(config('sleep 60'));
    room.ok('start', id);
    const ran = room.callWith(
      { input: 'typed\n' },
      ...['exec', '--env', 'C=d', '--cwd', '/tmp', '--user', '33:44', '--additional-gids', '55', id],
      ...['sh', '-c', 'cat; echo $A $C; pwd; id -u; id -G; exit 6'],
    );
    expect(ran).toEqual({ code: 6, stdout: 'typed\nb d\n/tmp\n33\n44 55\n', stderr: '' });
    const pidFile = join(room.dir, 'exec.pid');
    room.ok('exec', '--detach', '--pid-file', pidFile, id, 'sh', '-c', 'exec sleep 59 >/dev/null 2>&1');
    const pids = JSON.parse(room.ok('ps', '--format', 'json', id));
    expect(pids).toContain(Number(readFileSync(pidFile, 'utf8')));
    const file = join(room.dir, 'process.json');
    writeFileSync(file, JSON.stringify({ ...config('echo $$ $0').process, noNewPrivileges: true }));
    expect(room.ok('exec', '--process', file, id)).toMatch(/^\d+ sh\n$/);
    expect(room.call('exec', id, 'no-such').code).toBe(1);
    expect(room.lastError()).toMatch(/exec: "no-such": executable file not found in \$PATH$/);
    room.ok('delete', '--force', id);
  });

  test('a command that is missing or no program is told at creation', () => {
    for (const [command, told] of [
      ['no-such', /exec: "no-such": executable file not found in \$PATH$/],
      ['/no/such', /exec: "\/no\/such": stat \/no\/such: no such file or directory$/],
      ['/etc/file', /exec: "\/etc\/file": permission denied$/],
    ] as const) {
      const content = config('');
      room.write({ ...content, process: { ...content.process, args: [command] } });
      expect(room.call('create', '--bundle', room.bundle, room.id()).code).toBe(1);
      expect(room.lastError()).toMatch(told);
    }
    expect(room.left()).toEqual([]);
  });

  test('update and events', () => {
    const content = config('sleep 60');
    content.linux.resources = { memory: { limit: 33_554_432 }, pids: { limit: 20 } };
    const id = room.create(content);
    const limits = () => JSON.parse(room.ok('events', '--stats', id)).data;
    expect(limits()).toMatchObject({
      memory: { usage: { limit: 33_554_432 } },
      pids: { limit: 20, current: 1 },
    });
    room.callWith({ input: '{"memory":{"limit":67108864}}' }, 'update', '--resources', '-', id);
    room.ok('update', '--pids-limit', '30', id);
    expect(limits()).toMatchObject({ memory: { usage: { limit: 67_108_864 } }, pids: { limit: 30 } });
    room.ok('delete', '--force', id);
  });

  test('features and version', () => {
    const features = JSON.parse(room.ok('features'));
    expect(features).toMatchObject({ ociVersionMin: '1.0.0', linux: { seccomp: { enabled: true } } });
    expect(features.mountOptions).toContain('rro');
    expect(features.hooks).toContain('createContainer');
    expect(room.ok('--version')).toMatch(/^tscompose version .*\nspec: 1\./);
  });

  describe('hooks', () => {
    const NAMES = ['prestart', 'createRuntime', 'createContainer', 'startContainer', 'poststart', 'poststop'];

    function hooked(log: string) {
      const content = config('echo run >> /log; sleep 60');
      const hook = (name: string) => ({
        path: '/bin/busybox',
        args: [
          'sh',
          '-c',
          `read -r state; echo $WHO $(readlink /proc/self/ns/net) "$state" >> ${name === 'startContainer' ? '/log' : log}`,
        ],
        env: [`WHO=${name}`, 'PATH=/bin:/usr/bin'],
      });
      content.hooks = Object.fromEntries(NAMES.map((name) => [name, [hook(name)]]));
      content.annotations = { 'org.example': 'yes "quoted"' };
      content.mounts.push({ destination: '/log', type: 'bind', source: log, options: ['bind'] });
      return content;
    }

    test('run in order, where they belong, and read the state', async () => {
      const log = join(room.dir, 'hooks.log');
      writeFileSync(log, '');
      const id = room.create(hooked(log));
      const { pid } = room.state(id);
      const inside = readlinkSync(`/proc/${pid}/ns/net`);
      room.ok('start', id);
      await eventually(() => expect(readFileSync(log, 'utf8')).toContain('\nrun\n'));
      room.ok('delete', '--force', id);
      const lines = readFileSync(log, 'utf8').trim().split('\n');
      const seen = lines
        .filter((line) => line !== 'run')
        .map((line) => {
          const [name, network] = line.split(' ', 2);
          return { name, network, state: JSON.parse(line.slice(line.indexOf('{'))) };
        });
      expect(seen.map(({ name }) => name).sort()).toEqual([...NAMES].sort());
      expect(seen.slice(0, 4).map(({ name }) => name)).toEqual(NAMES.slice(0, 4));
      const host = readlinkSync('/proc/self/ns/net');
      for (const { name, network, state } of seen) {
        const contained = name === 'createContainer' || name === 'startContainer';
        expect([name, network]).toEqual([name, contained ? inside : host]);
        expect(state).toMatchObject({
          id,
          ociVersion: '1.2.0',
          bundle: room.bundle,
          annotations: { 'org.example': 'yes "quoted"' },
          pid: name === 'poststop' ? 0 : contained ? 1 : pid,
        });
      }
      expect(Object.fromEntries(seen.map(({ name, state }) => [name, state.status]))).toEqual({
        prestart: 'creating',
        createRuntime: 'creating',
        createContainer: 'creating',
        startContainer: 'created',
        poststart: 'running',
        poststop: 'stopped',
      });
    });

    test.each(['prestart', 'createRuntime', 'createContainer'])('%s that fails ends the creation', (name) => {
      const content = config('sleep 60');
      content.hooks = { [name]: [{ path: '/bin/sh', args: ['sh', '-c', 'echo no luck >&2; exit 4'] }] };
      room.write(content);
      expect(room.call('create', '--bundle', room.bundle, room.id()).code).toBe(1);
      expect(room.lastError()).toContain('error running hook /bin/sh exited with 4: no luck');
      expect(room.left()).toEqual([]);
    });

    test.each(['startContainer', 'poststart'])('%s that fails ends the container', async (name) => {
      const content = config('sleep 60');
      content.hooks = { [name]: [{ path: '/bin/sh', args: ['sh', '-c', 'exit 4'] }] };
      const id = room.create(content);
      expect(room.call('start', id).code).toBe(1);
      await eventually(() => expect(room.state(id).status).toBe('stopped'));
      room.ok('delete', id);
    });

    test('one that takes too long is killed', () => {
      const content = config('true');
      content.hooks = { createRuntime: [{ path: '/bin/sleep', args: ['sleep', '60'], timeout: 1 }] };
      room.write(content);
      expect(room.call('create', '--bundle', room.bundle, room.id()).code).toBe(1);
      expect(room.lastError()).toContain('/bin/sleep');
      expect(room.left()).toEqual([]);
    });
  });
});
