// Podman and containerd with this core as their runtime. Opt-in, because they are no part of the machine's usual packages:
// TSCOMPOSE_TEST_PODMAN names a directory that Debian's podman, conmon and netavark were unpacked in (with their libraries),
// TSCOMPOSE_TEST_CONTAINERD one with containerd, containerd-shim-runc-v2 and ctr.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { CLI, hasProgram, missing, Room } from './room.ts';

const podman = process.env.TSCOMPOSE_TEST_PODMAN;
const containerd = process.env.TSCOMPOSE_TEST_CONTAINERD;
const noPodman = missing() ?? (podman === undefined ? 'needs TSCOMPOSE_TEST_PODMAN' : undefined);
const noContainerd =
  missing() ??
  (containerd === undefined ? 'needs TSCOMPOSE_TEST_CONTAINERD' : undefined) ??
  (hasProgram('umoci') ? undefined : 'needs umoci');

/** A program that is this runtime, as engines call one. */
function runtimeIn(dir: string): string {
  const wrapper = join(dir, 'tscompose-runtime');
  writeFileSync(wrapper, `#!/bin/sh\nexec '${process.execPath}' '${CLI}' runtime "$@"\n`);
  chmodSync(wrapper, 0o755);
  return wrapper;
}

describe.skipIf(noPodman)(`podman --runtime tscompose${noPodman ? ` (${noPodman})` : ''}`, () => {
  let room: Room;
  let env: Record<string, string | undefined>;
  let base: readonly string[];
  // A machine without CAP_SYS_RESOURCE gives neither that nor higher limits.
  const ordinary = [
    '--net=none',
    '--cap-drop=SYS_RESOURCE',
    '--ulimit=nofile=512:512',
    '--ulimit=nproc=512:512',
  ];

  const call = (args: readonly string[]) => {
    const program = join(podman ?? '', 'usr/bin/podman');
    const { status, stdout, stderr } = spawnSync(program, [...base, ...args], {
      env,
      encoding: 'utf8',
    });
    return { code: status, stdout, stderr };
  };

  beforeAll(() => {
    room = new Room();
    const dir = join(room.dir, 'podman');
    mkdirSync(dir);
    writeFileSync(
      join(dir, 'containers.conf'),
      `[engine]
runtime = "tscompose"
cgroup_manager = "cgroupfs"
events_logger = "file"
conmon_path = ["${podman}/usr/bin/conmon"]
helper_binaries_dir = ["${podman}/usr/lib/podman"]
[engine.runtimes]
tscompose = ["${runtimeIn(dir)}"]
[network]
network_backend = "netavark"
`,
    );
    const storage = `[storage]\ndriver = "overlay"\ngraphroot = "${dir}/graph"\nrunroot = "${dir}/run"\n`;
    writeFileSync(join(dir, 'storage.conf'), storage);
    writeFileSync(join(dir, 'policy.json'), '{"default":[{"type":"insecureAcceptAnything"}]}');
    env = {
      PATH: process.env.PATH,
      HOME: dir,
      LD_LIBRARY_PATH: `${podman}/usr/lib/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu`,
      CONTAINERS_CONF: join(dir, 'containers.conf'),
      CONTAINERS_STORAGE_CONF: join(dir, 'storage.conf'),
    };
    base = ['--root', `${dir}/graph`, '--runroot', `${dir}/run`, '--tmpdir', `${dir}/tmp`];
    const archive = join(dir, 'rootfs.tar');
    execFileSync('tar', ['-cf', archive, '-C', join(room.bundle, 'rootfs'), '.']);
    const made = call(['import', '--signature-policy', join(dir, 'policy.json'), archive, 'bb']);
    expect(made.stderr).not.toContain('Error');
  }, 60_000);

  afterAll(() => {
    call(['rm', '-f', '-a', '-t', '0']);
    call(['rmi', '-f', '-a']);
    room.close();
  });

  // In the foreground Podman waits for an event that its configuration here does not write, with runc too.
  test.each([
    [[], 'echo hi; exit 4', '4', 'hi\n'],
    [['-t'], 'tty', '0', '/dev/pts/0\r\n'],
  ])('run %j: output and exit code', (options, script, code, output) => {
    const name = room.id();
    const begun = call(['run', '-d', '--name', name, ...options, ...ordinary, 'bb', 'sh', '-c', script]);
    expect(begun.code).toBe(0);
    expect(call(['wait', name]).stdout.trim()).toBe(code);
    expect(call(['logs', name]).stdout).toBe(output);
  });

  test('a life: detached, exec, pause, stop', () => {
    expect(call(['run', '-d', '--name=one', '--memory=64m', ...ordinary, 'bb', 'sleep', '1000']).code).toBe(
      0,
    );
    expect(call(['exec', 'one', 'id', '-u']).stdout).toBe('0\n');
    expect(call(['pause', 'one']).code).toBe(0);
    expect(call(['inspect', 'one', '--format', '{{.State.Status}}']).stdout).toBe('paused\n');
    expect(call(['unpause', 'one']).code).toBe(0);
    expect(call(['stop', '-t', '0', 'one']).code).toBe(0);
    const state = call([
      'inspect',
      'one',
      '--format',
      '{{.State.Status}} {{.State.ExitCode}} {{.OCIRuntime}}',
    ]);
    expect(state.stdout).toBe('exited 137 tscompose\n');
    expect(call(['rm', 'one']).code).toBe(0);
  });
});

describe.skipIf(noContainerd)(
  `ctr run --runc-binary tscompose${noContainerd ? ` (${noContainerd})` : ''}`,
  () => {
    let room: Room;
    let daemon: ReturnType<typeof spawn>;
    let socket: string;
    const image = 'localhost/bb:bb';
    const runtime = () => [
      '--runtime',
      'io.containerd.runc.v2',
      '--runc-binary',
      join(room.dir, 'tscompose-runtime'),
    ];

    const call = (...args: readonly string[]) => {
      const program = join(containerd ?? '', 'ctr');
      const { status, stdout, stderr } = spawnSync(program, ['-a', socket, ...args], { encoding: 'utf8' });
      return { code: status, stdout, stderr };
    };

    beforeAll(async () => {
      room = new Room();
      runtimeIn(room.dir);
      socket = join(room.dir, 'c.sock');
      const config = join(room.dir, 'config.toml');
      const unused = [
        'grpc.v1.cri',
        'cri.v1.images',
        'cri.v1.runtime',
        'internal.v1.opt',
        'snapshotter.v1.btrfs',
      ];
      writeFileSync(
        config,
        `version = 2
root = "${room.dir}/containerd"
state = "${room.dir}/state"
disabled_plugins = [${unused.map((name) => `"io.containerd.${name}"`).join(', ')}]
[grpc]
  address = "${socket}"
[ttrpc]
  address = "${socket}.ttrpc"
`,
      );
      const env = { PATH: `${containerd}:${process.env.PATH}` };
      daemon = spawn('containerd', ['-c', config], { env, stdio: 'ignore' });
      await eventually(() => expect(existsSync(socket) && call('version').code).toBe(0), 60_000);
      const layout = join(room.dir, 'layout');
      const umoci = (...words: readonly string[]) => execFileSync('umoci', words, { stdio: 'pipe' });
      umoci('init', '--layout', layout);
      umoci('new', '--image', `${layout}:bb`);
      umoci('insert', '--image', `${layout}:bb`, join(room.bundle, 'rootfs/bin'), '/bin');
      execFileSync('tar', ['-cf', join(room.dir, 'image.tar'), '-C', layout, '.']);
      const imported = call('images', 'import', '--base-name', 'localhost/bb', join(room.dir, 'image.tar'));
      expect(imported.stderr).toBe('');
    }, 120_000);

    afterAll(async () => {
      const ended = new Promise((resolve) => daemon.once('close', resolve));
      daemon.kill('SIGTERM');
      await ended;
      room.close();
    });

    test('run gives output and exit code', () => {
      const seen = call('run', '--rm', ...runtime(), image, room.id(), '/bin/sh', '-c', 'echo hi; exit 7');
      expect(seen).toMatchObject({ code: 7, stdout: 'hi\n' });
    });

    test('a life: detached, exec, pause, metrics, kill', async () => {
      const id = room.id();
      const state = () =>
        call('task', 'ls')
          .stdout.split('\n')
          .find((line) => line.startsWith(id)) ?? '';
      const options = ['--memory-limit', String(64 * 2 ** 20)];
      expect(call('run', '-d', ...runtime(), ...options, image, id, '/bin/sleep', '1000').code).toBe(0);
      expect(call('task', 'exec', '--exec-id', 'x', id, '/bin/busybox', 'id', '-u').stdout).toBe('0\n');
      call('task', 'pause', id);
      expect(state()).toContain('PAUSED');
      call('task', 'resume', id);
      expect(call('task', 'metrics', id).stdout).toContain(String(64 * 2 ** 20));
      call('task', 'kill', '-s', 'SIGKILL', id);
      await eventually(() => expect(state()).toContain('STOPPED'));
      expect(call('task', 'rm', id).stderr).toContain('137');
      expect(call('containers', 'rm', id).code).toBe(0);
    });
  },
);
