// What the kernel makes of a service, seen from inside the container.
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connect, launchContainer, removeContainer } from '../../src/containers/container.ts';
import { execCaptured } from '../../src/containers/exec.ts';
import type { BindMount, VolumeMount } from '../../src/containers/mounts.ts';
import { missing, Room } from './room.ts';

const reason = missing();
const lines = (text: string) => text.trimEnd().split('\n');

function deferred(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve = () => {};
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

describe.skipIf(reason)(`a container${reason ? ` (${reason})` : ''}`, () => {
  let room: Room;
  beforeAll(() => {
    room = new Room();
  });
  afterAll(() => room.close());

  const volume = (name: string, target: string, more: Partial<VolumeMount> = {}): VolumeMount => {
    const path = join(room.dir, name);
    mkdirSync(path, { recursive: true });
    return {
      type: 'volume',
      name,
      anonymous: false,
      source: { kind: 'directory', path },
      target,
      readOnly: false,
      noCopy: false,
      ...more,
    };
  };
  const bind = (source: string, target: string, more: Partial<BindMount> = {}): BindMount => ({
    type: 'bind',
    source: join(room.dir, source),
    target,
    readOnly: false,
    createSource: true,
    ...more,
  });

  test('runs its command and keeps output and exit code', async () => {
    const { stdout, stderr, status } = await room.sh('echo out; echo err >&2; exit 7');
    expect({ stdout, stderr, code: status.exitCode, state: status.state }).toEqual({
      stdout: 'out\n',
      stderr: 'err\n',
      code: 7,
      state: 'stopped',
    });
  });

  test('sees its own processes only, and the usual devices only', async () => {
    const { stdout } = await room.sh(
      "echo $$; ls /dev | tr '\\n' ' '; ls -l /dev/null | cut -c1-10; ls -d /proc/[0-9]* | wc -l",
    );
    const [pid, devices, processes] = [lines(stdout)[0], lines(stdout)[1], lines(stdout)[2]];
    expect(pid).toBe('1');
    expect(devices).toMatch(
      /^core fd full mqueue null ptmx pts random shm stderr stdin stdout tty urandom zero crw-rw-rw-$/,
    );
    expect(Number(processes)).toBeLessThan(5);
  });

  test('cannot write where the machine is', async () => {
    const tries = [
      'echo 1 > /proc/sys/kernel/panic',
      'mkdir /sys/x',
      'mkdir /sys/fs/cgroup/x',
      'cat /proc/kcore | grep -q .',
      'mount -t tmpfs x /tmp',
      'unshare -m true',
    ];
    const { stdout } = await room.sh(
      tries.map((line) => `(${line}) 2>/dev/null && echo yes || echo no`).join('; '),
    );
    expect(lines(stdout)).toEqual(tries.map(() => 'no'));
  });

  test('capabilities', async () => {
    const line = "grep -E '^Cap(Bnd|Eff)' /proc/self/status | cut -f2";
    expect(lines((await room.sh(line)).stdout)).toEqual(['00000000a80425fb', '00000000a80425fb']);
    const dropped = await room.sh(line, { cap_drop: ['ALL'], cap_add: ['CHOWN'] });
    expect(lines(dropped.stdout)).toEqual(['0000000000000001', '0000000000000001']);
    const user = await room.sh(line, { user: 'www' });
    expect(lines(user.stdout)).toEqual(['0000000000000000', '00000000a80425fb']);
  });

  test('privileged', async () => {
    const { stdout, warnings } = await room.sh(
      "grep -E '^(CapEff|Seccomp):' /proc/self/status | cut -f2; touch /proc/sys/kernel/panic && echo writable; ls /dev | grep -c .",
      { privileged: true },
    );
    const [capabilities, seccomp, writable, devices] = lines(stdout);
    expect(Number.parseInt(capabilities ?? '', 16)).toBeGreaterThan(0xa804_25fb);
    expect([seccomp, writable]).toEqual(['0', 'writable']);
    expect(Number(devices)).toBeGreaterThan(17);
    expect(warnings.every(({ attribute }) => attribute === 'privileged')).toBe(true);
  });

  test('security_opt', async () => {
    const line = "grep -E '^(NoNewPrivs|Seccomp):' /proc/self/status | cut -f2";
    expect(lines((await room.sh(line)).stdout)).toEqual(['0', '2']);
    const { stdout } = await room.sh(line, { security_opt: ['no-new-privileges', 'seccomp=unconfined'] });
    expect(lines(stdout)).toEqual(['1', '0']);
    const profile = join(room.dir, 'profile.json');
    const rule = { names: ['mkdir', 'mkdirat'], action: 'SCMP_ACT_ERRNO', errnoRet: 28 };
    writeFileSync(profile, JSON.stringify({ defaultAction: 'SCMP_ACT_ALLOW', syscalls: [rule] }));
    const refused = await room.sh('mkdir /tmp/x', { security_opt: ['seccomp=profile.json'] });
    expect(refused.stderr).toContain('No space left');
  });

  test('user, group_add and HOME', async () => {
    const line = 'id -u; id -g; id -G; echo $HOME';
    const named = await room.sh(line, { user: 'www', group_add: ['extra', '4444'] });
    expect(lines(named.stdout)).toEqual([
      '33',
      '44',
      expect.stringMatching(/^44 (1234 4444|4444 1234)$/),
      '/home/www',
    ]);
    const numbers = await room.sh(line, { user: '12345:54321' });
    expect(lines(numbers.stdout)).toEqual(['12345', '54321', '54321', '/']);
  });

  test('working_dir is made', async () => {
    expect((await room.sh('pwd', { working_dir: '/made/up' })).stdout).toBe('/made/up\n');
  });

  test('hostname, domainname and environment', async () => {
    const { stdout } = await room.sh(
      'hostname; cat /etc/hostname; cat /proc/sys/kernel/domainname; echo $HOSTNAME $A',
      {
        hostname: 'web',
        domainname: 'example.org',
        environment: { A: 'b c' },
      },
    );
    expect(lines(stdout)).toEqual(['web', 'web', 'example.org', 'web b c']);
    const { record, stdout: short } = await room.sh('hostname');
    expect(short.trim()).toBe(record.id.slice(0, 12));
  });

  test('extra_hosts, dns and dns_search', async () => {
    const { stdout } = await room.sh('cat /etc/hosts /etc/resolv.conf', {
      extra_hosts: ['db=192.0.2.7'],
      dns: ['192.0.2.53'],
      dns_search: ['example.org'],
    });
    expect(stdout).toContain('192.0.2.7\tdb\n');
    expect(stdout).toContain('nameserver 192.0.2.53\nsearch example.org\n');
  });

  test('ulimits', async () => {
    const line = 'ulimit -n; ulimit -Hn; ulimit -c; ulimit -Hc';
    const { stdout } = await room.sh(line, { ulimits: { nofile: { soft: 100, hard: 200 }, core: 0 } });
    expect(lines(stdout)).toEqual(['100', '200', '0', '0']);
    expect(lines((await room.sh(line)).stdout)[0]).toBe('1024');
  });

  test('oom_score_adj and sysctls', async () => {
    const { stdout } = await room.sh(
      'cat /proc/self/oom_score_adj /proc/sys/net/ipv4/ip_unprivileged_port_start /proc/sys/kernel/shmmax',
      {
        oom_score_adj: 500,
        sysctls: { 'net.ipv4.ip_unprivileged_port_start': '77', 'kernel.shmmax': '4096' },
      },
    );
    expect(lines(stdout)).toEqual(['500', '77', '4096']);
  });

  test('read_only: the root cannot be written, volumes, tmpfs and shm can', async () => {
    const { stdout } = await room.sh(
      'for p in / /tmp /data /dev/shm; do touch $p/x 2>/dev/null && echo $p; done',
      { read_only: true },
      { mounts: [volume('ro', '/data'), { type: 'tmpfs', target: '/tmp', readOnly: false, options: [] }] },
    );
    expect(lines(stdout)).toEqual(['/tmp', '/data', '/dev/shm']);
  });

  test('shm_size', async () => {
    const line = "df -k /dev/shm | tail -n 1 | awk '{print $2}'";
    expect((await room.sh(line)).stdout.trim()).toBe('65536');
    expect((await room.sh(line, { shm_size: '1048576' })).stdout.trim()).toBe('1024');
  });

  test('a new volume is filled from the image, a filled one and nocopy are not', async () => {
    const line =
      "stat -c '%a' /filled/deep/file 2>/dev/null; cat /filled/deep/file 2>/dev/null; echo mine > /filled/deep/file";
    const first = volume('copy', '/filled');
    expect(lines((await room.sh(line, {}, { mounts: [first] })).stdout)).toEqual(['640', 'of the image']);
    expect(lines((await room.sh(line, {}, { mounts: [first] })).stdout)).toEqual(['640', 'mine']);
    expect(
      (await room.sh('ls -A /filled', {}, { mounts: [volume('empty', '/filled', { noCopy: true })] })).stdout,
    ).toBe('');
  });

  test('a subpath of a volume cannot leave it', async () => {
    const whole = volume('sub', '/v');
    await room.sh('mkdir -p /v/a/b; echo here > /v/a/b/f; ln -s ../../.. /v/out', {}, { mounts: [whole] });
    expect(
      (await room.sh('cat /s/f', {}, { mounts: [volume('sub', '/s', { subpath: 'a/b' })] })).stdout,
    ).toBe('here\n');
    const { stdout } = await room.sh('ls /s', {}, { mounts: [volume('sub', '/s', { subpath: 'out' })] });
    expect(lines(stdout)).toEqual(['a', 'out']);
    await expect(
      room.sh('true', {}, { mounts: [volume('sub', '/s', { subpath: 'no' })] }),
    ).rejects.toMatchObject({
      code: 'bind-source-missing',
    });
  });

  test('bind mounts: made when missing, read-only, files, and refused when missing and not to be made', async () => {
    writeFileSync(join(room.dir, 'one.txt'), 'one\n');
    const { stdout } = await room.sh(
      'cat /etc/one; touch /made/x && echo made; touch /fixed/x 2>/dev/null || echo fixed',
      {},
      {
        mounts: [
          bind('made', '/made'),
          bind('made', '/fixed', { readOnly: true }),
          bind('one.txt', '/etc/one', { readOnly: true }),
        ],
      },
    );
    expect(lines(stdout)).toEqual(['one', 'made', 'fixed']);
    expect(existsSync(join(room.dir, 'made/x'))).toBe(true);
    const at = { file: 'compose.yaml', line: 3, column: 5 };
    expect(() => room.create({}, { mounts: [bind('nope', '/nope', { createSource: false, at })] })).toThrow(
      expect.objectContaining({ code: 'bind-source-missing', at }),
    );
  });

  test('configs and secrets', async () => {
    writeFileSync(join(room.dir, 'secret.txt'), 'from file\n');
    const project = {
      name: 'p',
      workingDir: room.dir,
      environment: { E: 'from environment' },
      secrets: { s: { name: 's', file: join(room.dir, 'secret.txt') }, e: { name: 'e', environment: 'E' } },
      configs: { c: { name: 'c', content: 'from content' } },
      positionOf: () => undefined,
    };
    const { stdout } = await room.sh(
      "cat /run/secrets/s /run/secrets/e /c; echo; stat -c '%a %u %g' /c /run/secrets/moded; (echo x > /c) 2>/dev/null || echo no",
      {
        read_only: true,
        secrets: [
          { source: 's' },
          { source: 'e' },
          { source: 's', target: 'moded', uid: '33', gid: '44', mode: '0440' },
        ],
        configs: [{ source: 'c' }],
      },
      { project },
    );
    expect(lines(stdout)).toEqual([
      'from file',
      'from environmentfrom content',
      '444 0 0',
      '440 33 44',
      'no',
    ]);
  });

  test('devices', async () => {
    const line =
      'ls -l /dev/fuse2 2>/dev/null | cut -c1; mknod /tmp/k c 1 11 && (: < /tmp/k) 2>/dev/null && echo open || echo closed';
    const { stdout } = await room.sh(line, { devices: [{ source: '/dev/null', target: '/dev/fuse2' }] });
    expect(lines(stdout)).toEqual(['c', 'closed']);
    expect(
      lines((await room.sh(line, { device_cgroup_rules: ['c 1:11 rwm'], cap_add: ['SYSLOG'] })).stdout),
    ).toEqual(['open']);
  });

  test('tty', async () => {
    const { stdout } = await room.sh('[ -t 0 ] && tty; echo $TERM; ls -l /dev/console | cut -c1', {
      tty: true,
      stdin_open: true,
    });
    expect(stdout.replaceAll('\r', '')).toMatch(/^\/dev\/(pts\/0|console)\nxterm\nc\n$/);
  });

  test('init', async () => {
    const { stdout } = await room.sh('echo $$; cat /proc/1/comm', { init: true });
    expect(Number(lines(stdout)[0])).toBeGreaterThan(1);
    expect(lines(stdout)[1]).not.toBe('sh');
    // Where programs without a log file of their own write to.
    expect((await room.sh('echo told > /proc/1/fd/1', { init: true })).stdout).toBe('told\n');
    const { stdout: refused } = await room.sh('(echo >> /proc/1/exe) 2>/dev/null || echo refused', {
      init: true,
    });
    expect(refused).toBe('refused\n');
  });

  test('pids_limit', async () => {
    const { stderr } = await room.sh('for i in 1 2 3 4 5 6 7 8 9 10 11 12; do sleep 1 & done; wait', {
      pids_limit: 6,
    });
    expect(stderr).toMatch(/fork/);
  });

  test('mem_limit kills, and says that it did', async () => {
    const { status } = await room.sh('dd if=/dev/zero of=/dev/null bs=64M count=1', {
      mem_limit: '16777216',
      memswap_limit: '16777216',
    });
    expect(status).toMatchObject({ oomKilled: true, exitCode: 137 });
  });

  test('cpus', async () => {
    const { stdout } = await room.sh(
      'end=$(($(date +%s) + 2)); while [ $(date +%s) -lt $end ]; do :; done; cat /sys/fs/cgroup/cpu/cpu.stat 2>/dev/null || cat /sys/fs/cgroup/cpu.stat',
      { cpus: 0.2 },
    );
    expect(Number(/nr_throttled (\d+)/.exec(stdout)?.[1])).toBeGreaterThan(3);
  });

  test('namespaces of the host', async () => {
    const { stdout } = await room.sh('for n in uts ipc pid net; do readlink /proc/self/ns/$n; done', {
      uts: 'host',
      ipc: 'host',
      pid: 'host',
      network_mode: 'host',
    });
    const own = ['uts', 'ipc', 'pid', 'net'].map((name) => statSync(`/proc/self/ns/${name}`).ino);
    expect(lines(stdout).map((text) => Number(/\d+/.exec(text)?.[0]))).toEqual(own);
  });

  test('namespaces of another container, and its /dev/shm', async () => {
    const donor = await room.start({
      command: ['/bin/sh', '-c', 'echo shared > /dev/shm/f; exec sleep 60'],
      ipc: 'shareable',
    });
    const { id } = donor.record;
    const names = await execCaptured({ ...room.ctx, machine: room.machine }, donor.record, {
      command: [
        'sh',
        '-c',
        'while ! [ -s /dev/shm/f ]; do :; done; for n in net ipc pid; do readlink /proc/self/ns/$n; done',
      ],
    });
    const { stdout } = await room.sh(
      'for n in net ipc pid; do readlink /proc/self/ns/$n; done; cat /dev/shm/f',
      { network_mode: 'service:db', ipc: 'service:db', pid: 'service:db' },
      { joins: { network: id, ipc: id, pid: id }, networkMode: `container:${id}` },
    );
    expect(lines(stdout)).toEqual([...lines(names.stdout.toString()), 'shared']);
    await removeContainer(room.ctx, donor.record);
  });

  test('a user namespace', async () => {
    const { stdout } = await room.sh('cat /proc/self/uid_map; id -u; echo x > /dev/null && echo null', {
      userns_mode: 'private',
    });
    expect(lines(stdout).map((line) => line.trim().split(/\s+/).join(' '))).toEqual([
      '0 0 4294967295',
      '0',
      'null',
    ]);
  });

  test('failures have one sentence each', async () => {
    const failing = [
      [{ command: ['/no/such'] }, 'command-not-found'],
      [{ command: ['/etc/passwd'] }, 'command-not-executable'],
      [{ user: 'nobody-here' }, 'unknown-user'],
      [{ working_dir: '/etc/passwd' }, 'working-directory'],
      [{ ulimits: { nofile: 99_999_999 } }, 'launch-step'],
    ] as const;
    for (const [attributes, code] of failing) {
      await expect(room.sh('true', attributes)).rejects.toMatchObject({
        code,
        message: expect.stringContaining('service web'),
      });
    }
  });

  test('exec, stop, kill, pause and watch', async () => {
    const { record } = await room.start({
      command: ['/bin/sh', '-c', 'trap "exit 3" TERM; while :; do sleep 0.1; done'],
    });
    const ctx = { ...room.ctx, machine: room.machine };
    const ran = await execCaptured(ctx, record, {
      command: ['sh', '-c', 'echo $A; pwd; id -u; exit 4'],
      env: ['A=1'],
      workingDir: '/tmp',
      user: 'www',
    });
    expect(ran.stderr.toString()).toBe('');
    expect([ran.exitCode, ran.stdout.toString()]).toEqual([4, '1\n/tmp\n33\n']);
    expect((await execCaptured(ctx, record, { command: ['no-such'] })).exitCode).toBe(127);
    const control = await connect(room.ctx, record.id);
    const watcher = await connect(room.ctx, record.id);
    const states: string[] = [];
    const first = deferred();
    const watched = watcher.watch(({ state }) => {
      states.push(state);
      first.resolve();
    });
    await first.promise;
    await control.pause();
    expect(room.status(record).state).toBe('paused');
    await expect(execCaptured(ctx, record, { command: ['true'] })).rejects.toMatchObject({
      code: 'container-state',
    });
    await control.unpause();
    await control.stop({ signal: 15, graceMs: 5000 });
    await watched;
    expect(room.status(record)).toMatchObject({ state: 'stopped', exitCode: 3, stopRequested: true });
    expect(states.filter((state, index) => state !== states[index - 1])).toEqual([
      'running',
      'paused',
      'running',
      'stopped',
    ]);
    await expect(connect(room.ctx, record.id)).rejects.toMatchObject({ code: 'container-not-running' });
    await removeContainer(room.ctx, record);
    expect(existsSync(join(room.ctx.layout.stateDir, 'containers', record.id))).toBe(false);
    expect(record.cgroups.filter((path) => existsSync(path))).toEqual([]);
  });

  test('a container that lost its shim is lost, and can be removed', async () => {
    const { record } = await room.start({ command: ['/bin/sleep', '1000'], pid: 'host' });
    const { shim, shimStart, pid } = room.status(record);
    room.ctx.core.signal(shim, shimStart, 9);
    while (existsSync(`/proc/${shim}`) && !readFileSync(`/proc/${shim}/stat`, 'utf8').includes(') Z'))
      await new Promise(setImmediate);
    expect(room.status(record).state).toBe('lost');
    await removeContainer(room.ctx, record);
    expect(existsSync(`/proc/${pid}`) && readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') S')).toBe(
      false,
    );
  });

  test('starts again with the same files', async () => {
    const { record, launch } = await room.start({
      command: ['/bin/sh', '-c', 'echo x >> /count; wc -l < /count'],
    });
    await launch.until('stopped');
    const again = await launchContainer(room.ctx, record);
    again.proceed();
    await again.until('created');
    await again.start();
    await again.until('stopped');
    expect(lines((await room.output(record)).stdout)).toEqual(['1', '2']);
    await removeContainer(room.ctx, record);
  });

  test('leaves nothing when the launch is given up before start', async () => {
    const { record } = room.create({ command: ['/bin/true'] });
    const launch = await launchContainer(room.ctx, record);
    launch.proceed();
    await launch.until('created');
    launch.close();
    while (room.ctx.core.lockIsHeld(join(room.ctx.layout.runDir, 'containers', record.id, 'lock')))
      await new Promise(setImmediate);
    expect(room.status(record).state).toBe('created');
    expect(record.cgroups.filter((path) => existsSync(path))).toEqual([]);
  });
});
