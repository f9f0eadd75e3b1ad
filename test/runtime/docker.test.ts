// Docker Engine with this core as its runtime, in network and mount namespaces of its own. Opt-in, because the engine
// is no part of the machine's usual packages: TSCOMPOSE_TEST_DOCKER names a directory with dockerd, containerd,
// containerd-shim-runc-v2 and docker.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { CLI, missing, Room } from './room.ts';

const engine = process.env.TSCOMPOSE_TEST_DOCKER;
const reason = missing() ?? (engine === undefined ? 'needs TSCOMPOSE_TEST_DOCKER' : undefined);
const IMAGE = 'tscompose-test-busybox';

describe.skipIf(reason)(`docker run --runtime tscompose${reason ? ` (${reason})` : ''}`, () => {
  let room: Room;
  let daemon: ReturnType<typeof spawn>;
  let env: Record<string, string>;

  beforeAll(async () => {
    room = new Room();
    const dir = join(room.dir, 'docker');
    mkdirSync(dir);
    const wrapper = join(room.dir, 'tscompose-runtime');
    writeFileSync(wrapper, `#!/bin/sh\nexec '${process.execPath}' '${CLI}' runtime "$@"\n`);
    chmodSync(wrapper, 0o755);
    writeFileSync(
      join(dir, 'daemon.json'),
      JSON.stringify({ runtimes: { tscompose: { path: wrapper } }, bridge: 'none' }),
    );
    const socket = `unix://${dir}/docker.sock`;
    const argv = [
      '--config-file',
      `${dir}/daemon.json`,
      '--data-root',
      `${dir}/data`,
      '--exec-root',
      `${dir}/exec`,
    ];
    const command = [
      'dockerd',
      ...argv,
      '-H',
      socket,
      '--pidfile',
      `${dir}/pid`,
      '--iptables=false',
      '--ip6tables=false',
    ];
    env = { PATH: `${engine}:${process.env.PATH}`, DOCKER_HOST: socket, DOCKER_CONFIG: dir };
    const script = `mount --make-rprivate / && ip link set lo up && exec ${command.join(' ')} 2> ${dir}/log`;
    daemon = spawn('unshare', ['--net', '--mount', 'sh', '-c', script], { env, stdio: 'ignore' });
    await eventually(() => expect(spawnSync('docker', ['info'], { env }).status).toBe(0), 60_000);
    const rootfs = execFileSync('tar', ['-c', '-C', join(room.bundle, 'rootfs'), '.'], { maxBuffer: 1e8 });
    execFileSync('docker', ['import', '--change', 'CMD ["sh"]', '-', IMAGE], { env, input: rootfs });
  }, 120_000);

  afterAll(async () => {
    const ended = new Promise((resolve) => daemon.once('close', resolve));
    daemon.kill('SIGTERM');
    await ended;
    expect(existsSync(`/proc/${daemon.pid}`)).toBe(false);
    room.close();
  }, 60_000);

  const docker = (...words: readonly string[]) => {
    const { status, stdout, stderr } = spawnSync('docker', words, { env, encoding: 'utf8', timeout: 50_000 });
    return { code: status, stdout, stderr };
  };
  const run = (...words: readonly string[]) => docker('run', '--runtime', 'tscompose', ...words);
  const show = (format: string, name: string) => docker('inspect', '-f', format, name).stdout.trim();

  test('--rm, output and exit codes', () => {
    expect(run('--rm', IMAGE, 'sh', '-c', 'echo out; echo err >&2; exit 42')).toEqual({
      code: 42,
      stdout: 'out\n',
      stderr: 'err\n',
    });
    expect(run('--rm', IMAGE, 'no-such').code).toBe(127);
    expect(run('--rm', IMAGE, '/etc/file').code).toBe(126);
  });

  test('-d, exec, update, pause, top, stop, start, kill', async () => {
    const script = 'trap "echo down; exit 3" TERM; echo up; while :; do sleep 0.1; done';
    expect(run('-d', '--name', 'web', '-m', '64m', IMAGE, 'sh', '-c', script).code).toBe(0);
    expect(docker('exec', 'web', 'sh', '-c', 'echo in; exit 9')).toMatchObject({ code: 9, stdout: 'in\n' });
    expect(docker('exec', 'web', 'no-such').code).toBe(127);
    expect(
      docker('exec', '-u', '5:6', '-w', '/tmp', '-e', 'X=y', 'web', 'sh', '-c', 'id -u; pwd; echo $X').stdout,
    ).toBe('5\n/tmp\ny\n');
    const limit = () =>
      docker(
        'exec',
        'web',
        'sh',
        '-c',
        'cat /sys/fs/cgroup/memory/memory.limit_in_bytes /sys/fs/cgroup/memory.max',
      ).stdout.trim();
    expect(limit()).toBe('67108864');
    expect(docker('update', '-m', '128m', '--memory-swap', '256m', 'web').code).toBe(0);
    expect(limit()).toBe('134217728');
    expect(docker('top', 'web').stdout).toContain('echo down');
    docker('pause', 'web');
    expect(show('{{.State.Status}}', 'web')).toBe('paused');
    docker('unpause', 'web');
    expect(docker('stop', 'web').code).toBe(0);
    expect(show('{{.State.ExitCode}} {{.State.Status}}', 'web')).toBe('3 exited');
    expect(docker('logs', 'web').stdout).toBe('up\ndown\n');
    docker('start', 'web');
    expect(show('{{.State.Status}}', 'web')).toBe('running');
    docker('kill', 'web');
    await eventually(() => expect(show('{{.State.ExitCode}}', 'web')).toBe('137'));
    expect(docker('rm', 'web').code).toBe(0);
  });

  test('-t and -it', () => {
    const terminal = (...words: readonly string[]) =>
      spawnSync('script', ['-qec', ['docker', ...words].join(' '), '/dev/null'], { env, encoding: 'utf8' })
        .stdout;
    expect(terminal('run', '--rm', '-t', '--runtime', 'tscompose', IMAGE, 'tty')).toContain('/dev/pts/0');
    run('-d', '--name', 'idle', IMAGE, 'sleep', '60');
    expect(terminal('exec', '-it', 'idle', 'tty')).toContain('/dev/pts/0');
    docker('rm', '-f', 'idle');
  });

  test('attributes', () => {
    expect(run('--rm', '-m', '16m', IMAGE, 'sh', '-c', 'tail /dev/zero').code).toBe(137);
    expect(run('--rm', '--init', IMAGE, 'sh', '-c', 'cat /proc/1/comm; exit 4')).toMatchObject({
      code: 4,
      stdout: 'docker-init\n',
    });
    const script =
      'id -u; id -G; touch /x 2>/dev/null || echo fixed; touch /t/x && echo tmpfs; ulimit -n; hostname; grep -E "Seccomp:|CapBnd" /proc/self/status | cut -f2';
    const options = [
      ...['--user', '33:44', '--group-add', '55', '--read-only', '--tmpfs', '/t', '--ulimit', 'nofile=77'],
      ...['--hostname', 'named', '--cap-drop', 'ALL', '--cap-add', 'NET_RAW'],
    ];
    expect(
      run('--rm', ...options, IMAGE, 'sh', '-c', script)
        .stdout.trim()
        .split('\n'),
    ).toEqual([...['33', '44 55', 'fixed', 'tmpfs', '77', 'named', '0000000000002000', '2']]);
    const privileged = run(
      '--rm',
      '--privileged',
      IMAGE,
      'sh',
      '-c',
      'mount -t tmpfs x /tmp && echo mounted',
    );
    expect(privileged.stdout).toBe('mounted\n');
  });

  test('nothing is left', () => {
    expect(docker('ps', '-aq').stdout).toBe('');
    const groups = spawnSync('sh', ['-c', 'ls -d /sys/fs/cgroup/*/docker/?* 2>/dev/null | grep -v "\\."']);
    expect(groups.stdout.toString()).not.toMatch(/docker\/[0-9a-f]{64}/);
  });
});
