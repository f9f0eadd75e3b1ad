// What config.json says, seen from inside of the container.
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { config, hasProgram, missing, Room } from './room.ts';

const reason = missing();

describe.skipIf(reason)(`a bundle${reason ? ` (${reason})` : ''}`, () => {
  let room: Room;
  beforeAll(() => {
    room = new Room();
    mkdirSync(join(room.dir, 'source/below'), { recursive: true });
    writeFileSync(join(room.dir, 'source/file'), 'bound\n');
  });
  afterAll(() => room.close());

  const printed = (content: ReturnType<typeof config>) => {
    const { code, stdout, stderr } = room.run(content);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    return stdout.trim().split('\n');
  };
  const mounting = (script: string, ...mounts: readonly object[]) => {
    const content = config(script);
    content.mounts.push(...mounts);
    return content;
  };
  const bind = (destination: string, ...options: readonly string[]) => ({
    destination,
    type: 'bind',
    source: join(room.dir, 'source'),
    options: ['rbind', ...options],
  });
  const optionsOf = (path: string) => `grep " ${path} " /proc/self/mountinfo | cut -d' ' -f6,7`;

  test('mounts: bind with ro and rro, relative destinations, single files', () => {
    const content = mounting(
      'cat /one/file; touch /one/x 2>/dev/null || echo fixed; cat /two; cat /rel/file',
      bind('/one', 'ro'),
      { ...bind('/two'), source: join(room.dir, 'source/file') },
      bind('rel', 'rro'),
    );
    expect(printed(content)).toEqual(['bound', 'fixed', 'bound', 'bound']);
  });

  test('mounts: attributes for the mounts below, and propagation', () => {
    const content = mounting(
      `${optionsOf('/deep')}; ${optionsOf('/own')}; ${optionsOf('/shared')}`,
      bind('/deep', 'rnosuid', 'rnodev', 'rnoexec', 'rnoatime'),
      bind('/own', 'nosuid', 'private'),
      { destination: '/shared', type: 'tmpfs', source: 'tmpfs', options: ['rshared', 'size=1m', 'ro'] },
    );
    const [deep, own, shared] = printed(content);
    expect(deep).toMatch(/^rw,nosuid,nodev,noexec,noatime /);
    expect(own).toMatch(/^rw,nosuid,relatime -$/);
    expect(shared).toMatch(/^ro,relatime shared:/);
  });

  test('mounts: tmpcopyup', () => {
    const options = ['tmpcopyup', 'size=1m'];
    const content = mounting('cat /etc/file; echo x > /etc/y && cat /etc/y', {
      destination: '/etc',
      type: 'tmpfs',
      source: 'tmpfs',
      options,
    });
    expect(printed(content)).toEqual(['of the root', 'x']);
    expect(() => readFileSync(join(room.bundle, 'rootfs/etc/y'))).toThrow();
  });

  test('mounts: idmap', () => {
    const mapping = [{ containerID: 0, hostID: 4000, size: 10 }];
    const content = mounting("stat -c '%u:%g' /one/file", {
      ...bind('/one', 'idmap'),
      uidMappings: mapping,
      gidMappings: mapping,
    });
    expect(printed(content)).toEqual(['4000:4000']);
  });

  test('mounts: cgroup shows the own groups, with and without a namespace of them', () => {
    const mount = { destination: '/cg', type: 'cgroup', source: 'cgroup', options: ['ro'] };
    const script = 'cat /cg/pids/pids.max /cg/pids.max 2>/dev/null; touch /cg/x 2>/dev/null || echo fixed';
    for (const own of [false, true]) {
      const content = mounting(script, mount);
      content.linux.resources = { pids: { limit: 44 } };
      if (own) content.linux.namespaces.push({ type: 'cgroup' });
      const output = room.run(content).stdout.trim().split('\n');
      expect(output.at(-1)).toBe('fixed');
      // Without a namespace, v2 shows the machine's own tree.
      if (own || output.length > 1) expect(output).toEqual(['44', 'fixed']);
    }
  });

  test('root.readonly and rootfsPropagation', () => {
    const content = config(`touch /x 2>/dev/null || echo fixed; ${optionsOf('/')}`);
    content.root.readonly = true;
    content.linux.rootfsPropagation = 'shared';
    const [fixed, options] = printed(content);
    expect(fixed).toBe('fixed');
    expect(options).toMatch(/^ro,.* shared:/);
  });

  test('maskedPaths, readonlyPaths, devices and their rules', () => {
    const content = config(
      'stat -c %t:%T /proc/filesystems; touch /proc/sys/x 2>/dev/null || echo fixed; stat -c "%F %t:%T %a %u" /dev/mine; head -c1 /dev/mine | wc -c; head -c1 /dev/kmsg 2>/dev/null || echo denied; ls /dev',
    );
    const device = { path: '/dev/mine', type: 'c', major: 1, minor: 5, fileMode: 0o600, uid: 5 };
    content.linux.devices = [device, { path: '/dev/kmsg', type: 'c', major: 1, minor: 11 }];
    content.linux.resources = { devices: [{ allow: false, access: 'rwm' }] };
    content.process.capabilities.bounding = content.process.capabilities.effective = ['CAP_DAC_OVERRIDE'];
    content.process.capabilities.permitted = ['CAP_DAC_OVERRIDE'];
    const [masked, fixed, mine, read, denied, ...names] = printed(content);
    expect([masked, fixed, mine, read, denied]).toEqual([
      '1:3',
      'fixed',
      'character special file 1:5 600 5',
      '1',
      'denied',
    ]);
    expect(names).toEqual(expect.arrayContaining(['fd', 'full', 'null', 'ptmx', 'stdin', 'tty', 'zero']));
  });

  test('process: user, groups, umask, limits, capabilities, oom score, no new privileges', () => {
    const content = config(
      'id -u; id -g; id -G; umask; ulimit -n; cat /proc/self/oom_score_adj; grep -E "^(CapBnd|CapEff|NoNewPrivs|CapAmb)" /proc/self/status | cut -f2; pwd; echo $HOME',
    );
    Object.assign(content.process, {
      user: { uid: 33, gid: 44, additionalGids: [55, 66], umask: 0o27 },
      rlimits: [{ type: 'RLIMIT_NOFILE', soft: 50, hard: 60 }],
      oomScoreAdj: 123,
      noNewPrivileges: true,
      cwd: '/tmp/made',
      capabilities: {
        bounding: ['CAP_CHOWN', 'CAP_KILL'],
        effective: ['CAP_KILL'],
        permitted: ['CAP_KILL'],
        inheritable: ['CAP_KILL'],
        ambient: ['CAP_KILL'],
      },
    });
    const chown = '0000000000000021';
    const kill = '0000000000000020';
    expect(printed(content)).toEqual([
      ...['33', '44', '44 55 66', '0027', '50', '123', kill, chown, kill, '1', '/tmp/made', '/'],
    ]);
  });

  test('process: scheduler, I/O priority and personality', () => {
    const content = config('grep -E "^policy|^prio" /proc/self/sched | tr -s " "; ionice; uname -m');
    content.process.scheduler = { policy: 'SCHED_BATCH', nice: 5 };
    content.process.ioPriority = { class: 'IOPRIO_CLASS_BE', priority: 6 };
    content.linux.personality = { domain: 'LINUX32' };
    const output = printed(content);
    expect(output).toContain('best-effort: prio 6');
    expect(output.at(-1)).toMatch(/^(i686|armv\dl)$/);
    if (output.length > 2) expect(output.slice(0, 2)).toEqual(['policy : 3', 'prio : 125']);
  });

  test('seccomp, with values of 64 bits', () => {
    const content = config('mkdir /tmp/a 2>&1; chmod 777 /tmp 2>&1; echo end');
    content.linux.seccomp = {
      defaultAction: 'SCMP_ACT_ALLOW',
      architectures: ['SCMP_ARCH_X86_64', 'SCMP_ARCH_AARCH64'],
      syscalls: [
        { names: ['mkdir', 'mkdirat'], action: 'SCMP_ACT_ERRNO', errnoRet: 28 },
        {
          names: ['chmod'],
          action: 'SCMP_ACT_ERRNO',
          args: [{ index: 0, value: 0, op: 'SCMP_CMP_EQ' }],
        },
      ],
    };
    const huge = JSON.stringify(content).replace('"value":0', '"value":18446744073709551615');
    content.linux.seccomp = 'replaced';
    room.write(content);
    writeFileSync(join(room.bundle, 'config.json'), huge);
    const { stdout } = room.call('run', '--bundle', room.bundle, room.id());
    expect(stdout).toBe("mkdir: can't create directory '/tmp/a': No space left on device\nend\n");
  });

  test('namespaces: a user namespace with other ids, a network joined by its path, time offsets', () => {
    execFileSync('chmod', ['755', room.dir, room.bundle]);
    const content = config('id -u; cat /proc/self/uid_map | tr -s " "; cat /etc/file');
    const mapping = [{ containerID: 0, hostID: 100_000, size: 65_536 }];
    content.linux.namespaces.push({ type: 'user' });
    Object.assign(content.linux, { uidMappings: mapping, gidMappings: mapping });
    expect(printed(content)).toEqual(['0', ' 0 100000 65536', 'of the root']);

    const joining = config('readlink /proc/self/ns/net; cut -d. -f1 /proc/uptime');
    joining.linux.namespaces.find(({ type }: { type: string }) => type === 'network').path =
      '/proc/self/ns/net';
    joining.linux.namespaces.push({ type: 'time' });
    joining.linux.timeOffsets = { boottime: { secs: 100_000_000 } };
    const [network, uptime] = printed(joining);
    expect(network).toBe(readlinkSync('/proc/self/ns/net'));
    expect(Number(uptime)).toBeGreaterThan(100_000_000);
  });

  test('sysctl: in namespaces of its own only', () => {
    const content = config('cat /proc/sys/net/ipv4/ip_forward /proc/sys/kernel/shmmni');
    content.linux.sysctl = { 'net.ipv4.ip_forward': '1', 'kernel.shmmni': '99' };
    expect(printed(content)).toEqual(['1', '99']);
    content.linux.sysctl = { 'vm.swappiness': '1' };
    expect(room.run(content).code).toBe(1);
    expect(room.lastError()).toContain('sysctl vm.swappiness');
  });

  test.skipIf(!hasProgram('python3'))('terminal: its master goes to the console socket', () => {
    const content = config('tty; stty size; ls -la /dev/console | cut -c1');
    Object.assign(content.process, { terminal: true, consoleSize: { height: 33, width: 99 } });
    room.write(content);
    const id = room.id();
    const receiver = `
import os, socket, subprocess, sys
path, *create = sys.argv[1:]
s = socket.socket(socket.AF_UNIX); s.bind(path); s.listen(1)
p = subprocess.Popen(create)
c, _ = s.accept()
_, fds, _, _ = socket.recv_fds(c, 100, 1)
p.wait()
subprocess.run([*create[:create.index('create')], 'start', create[-1]])
out = b''
try:
    while True:
        part = os.read(fds[0], 1000)
        if not part: break
        out += part
except OSError: pass
sys.stdout.write(out.decode())
`;
    const socket = join(room.dir, 'console');
    const create = ['create', '--bundle', room.bundle, '--console-socket', socket, id];
    const command = [process.execPath, process.env.TSCOMPOSE_CLI ?? 'dist/tscompose.cjs', 'runtime'];
    const argv = ['-c', receiver, socket, ...command, '--root', room.root, ...create];
    expect(execFileSync('python3', argv, { encoding: 'utf8' })).toBe('/dev/pts/0\r\n33 99\r\nc\r\n');
    room.ok('delete', '--force', id);
  });

  test('what cannot be run is refused by the name of the property', () => {
    const refused = (change: (content: ReturnType<typeof config>) => void) => {
      const content = config('true');
      change(content);
      expect(room.run(content).code).toBe(1);
      return room.lastError();
    };
    expect(refused((c) => delete c.ociVersion)).toContain('ociVersion is no string');
    expect(refused((c) => Object.assign(c, { ociVersion: '2.0.0' }))).toContain(
      'ociVersion 2.0.0 is not 1.x',
    );
    expect(refused((c) => Object.assign(c.process, { cwd: 'x' }))).toContain('process.cwd');
    expect(refused((c) => Object.assign(c.linux, { namespaces: [] }))).toContain('mount namespace');
    expect(refused((c) => c.linux.namespaces.push({ type: 'pid' }))).toContain('pid is listed twice');
    expect(refused((c) => Object.assign(c.root, { path: 'missing' }))).toContain('missing');
    expect(room.left()).toEqual([]);
  });
});
