// The shim runs a program: what the container's process finds, and how its end is told.
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { step } from '../../src/containers/steps.ts';
import { eventually } from '../support/eventually.ts';
import { isRoot } from '../support/machine.ts';
import { Container, NEW, PRIVATE, runScript } from './support/container.ts';

const scratch = mkdtempSync(join(tmpdir(), 'tscompose-shim-run-'));
afterAll(() => rmSync(scratch, { recursive: true }));

const BIND = { recursive: 1, createSource: 2, file: 8, optional: 16 };
const MS_RDONLY = 1;

describe.skipIf(!isRoot)('a container (needs root)', () => {
  it('has its own names, processes and devices', async () => {
    const { output } = await runScript('hostname; echo $$; ls -C /dev; ls /proc/self/fd | tr "\\n" " "');
    expect(output).toBe('box\n1\nnull  ptmx  pts  stdout  tty  zero\n0 1 2 3 ');
  });

  it('leaves the host untouched: its mounts and files are its own', async () => {
    const container = new Container(['sh', '-c', 'touch /etc/made-inside; echo done; sleep 60']);
    try {
      await container.start();
      await eventually(() => expect(container.output()).toBe('done\n'));
      expect(readFileSync('/proc/self/mounts', 'utf8')).not.toContain(container.directory);
      expect(existsSync('/etc/made-inside')).toBe(false);
      expect(existsSync(container.path('upper/etc/made-inside'))).toBe(true);
    } finally {
      await container.remove();
    }
  });

  it.each([
    ['exit 7', 7],
    ['sh -c "kill -9 \\$\\$"', 137],
    ['exec true', 0],
  ])('ends with the code of its command: %s', async (script, exitCode) => {
    const { status } = await runScript(script);
    expect(status).toMatchObject({ state: 'stopped', exitCode, signal: 0, pid: 0, error: null });
  });

  it('with INIT, reaps orphans, passes signals on and ends with the code of the command', async () => {
    const script =
      'trap "exit 42" USR1; (true &); head -c 15 /proc/1/cmdline; kill -USR1 1; while :; do sleep 0.01; done';
    const { status, output } = await runScript(script, { steps: [step('INIT')] });
    expect(output).toBe('tscompose-init\0');
    expect(status.exitCode).toBe(42);
  });

  it('never shows the program of the shim for writing', async () => {
    const script =
      'cp /proc/1/exe /tmp/copy && echo readable; dd of=/proc/1/exe conv=notrunc </dev/null 2>&1';
    const { output } = await runScript(script, { steps: [step('INIT')] });
    expect(output).toMatch(/^readable\ndd: .*(Read-only file system|Text file busy)\n$/);
  });

  it('is the user of its own passwd, with the groups and the home that belong to it', async () => {
    const script = 'id -un; id -Gn; echo $HOME; echo open > /dev/stdout';
    const steps = [step('USER', 'daemon', 'audio'), step('CAPABILITIES', 0, 0, 0, 0, 0)];
    expect((await runScript(script, { steps })).output).toBe('daemon\ndaemon audio\n/usr/sbin\nopen\n');
  });

  it.each([
    ['1234', '1234 0 /\n'],
    ['1234:5678', '1234 5678 /\n'],
    ['daemon:audio', '1 29 /usr/sbin\n'],
    ['', '0 0 /root\n'],
  ])('takes the user %j', async (user, output) => {
    const steps = [step('USER', user)];
    expect((await runScript('echo $(id -u) $(id -g) $HOME', { steps })).output).toBe(output);
  });

  it.each([
    [step('USER', 'nobody-has-this-name'), { step: 'USER', path: 'nobody-has-this-name', errno: 2 }],
    [step('USER', '0:no-such-group'), { step: 'USER', path: 'no-such-group', errno: 2 }],
    [step('WORKING_DIRECTORY', '/no/such', 0), { step: 'WORKING_DIRECTORY', path: '/no/such', errno: 2 }],
    [step('SYSCTL', 'net.no.such', '1'), { step: 'SYSCTL', path: 'net.no.such', errno: 2 }],
  ])('names the step that failed: %o', async (wrong, error) => {
    const { status } = await runScript('true', { steps: [wrong] });
    expect(status).toMatchObject({ state: 'created', error });
  });

  it('has the capabilities that it was given, in all five sets', async () => {
    const chown = 1;
    const steps = [step('USER', 'daemon'), step('CAPABILITIES', chown, chown, chown, chown, chown)];
    const { output } = await runScript('grep Cap /proc/self/status | cut -f 2 | sort -u', { steps });
    expect(output).toBe('0000000000000001\n');
  });

  it('installs a filter with and without no_new_privs', async () => {
    // Refuses mkdir(2) and mkdirat(2) with EPERM on x86-64 and arm64; everything else is allowed.
    const mkdir = process.arch === 'x64' ? [83, 258] : [34, 34];
    const filter = Buffer.concat([
      instruction(0x20, 0, 0, 0),
      instruction(0x15, 1, 0, mkdir[0] ?? 0),
      instruction(0x15, 0, 1, mkdir[1] ?? 0),
      instruction(0x06, 0, 0, 0x00050001),
      instruction(0x06, 0, 0, 0x7fff0000),
    ]);
    const last = [step('CAPABILITIES', 0, 0, 0, 0, 0), step('SECCOMP', 0, filter)];
    const script = 'mkdir /tmp/x 2>&1; grep NoNew /proc/self/status';
    const free = await runScript(script, { steps: last });
    const bound = await runScript(script, { steps: [step('NO_NEW_PRIVILEGES'), ...last] });
    expect(free.output).toMatch(/not permitted\nNoNewPrivs:\t0\n/);
    expect(bound.output).toMatch(/not permitted\nNoNewPrivs:\t1\n/);
  });

  it('mounts what it is told, makes missing mount points, and hides what it is told', async () => {
    writeFileSync(join(scratch, 'file'), 'from the host\n');
    mkdirSync(join(scratch, 'tree/sub'), { recursive: true });
    writeFileSync(join(scratch, 'tree/sub/leaf'), 'leaf\n');
    const mounts = [
      step('BIND', join(scratch, 'file'), '', '/new/place/file', MS_RDONLY, 0, BIND.file),
      step('BIND', join(scratch, 'tree'), 'sub', '/new/sub', 0, 0, BIND.recursive),
      step('BIND', join(scratch, 'made'), '', '/new/made', 0, 0, BIND.createSource),
      step('BIND', join(scratch, 'absent'), '', '/new/absent', 0, 0, BIND.optional),
      step('FILE', '/new/text', 0o640, 1, 2, Buffer.from('content')),
      step('MASK', '/proc/cpuinfo'),
      step('MASK', '/proc/sys'),
      step('MASK', '/proc/does-not-exist'),
      step('READ_ONLY_PATH', '/usr'),
    ];
    const script = `cat /new/place/file /new/sub/leaf; echo w 2>&1 > /new/place/file; echo w > /new/made/w
      stat -c '%a %u %g' /new/text; cat /new/text; wc -c < /proc/cpuinfo; ls /proc/sys | wc -l; touch /usr/x; ls /new`;
    const { output } = await runScript(`(${script}) 2>&1`, { mounts });
    expect(output.replace(/^.*Read-only file system$/gm, 'read-only')).toBe(
      'from the host\nleaf\nread-only\n640 1 2\ncontent0\n0\nread-only\nmade\nplace\nsub\ntext\n',
    );
    expect(readFileSync(join(scratch, 'made/w'), 'utf8')).toBe('w\n');
  });

  it('never follows a link of the container out of it', async () => {
    const outside = join(scratch, 'outside');
    mkdirSync(outside);
    const mounts = [
      step('SYMLINK', outside, '/absolute'),
      step('SYMLINK', '../../../../../..', '/up'),
      step('FILE', '/absolute/one', 0o644, 0, 0, Buffer.from('1')),
      step('DIRECTORY', `/up${outside}/two`, 0o755, 0, 0),
    ];
    const { output } = await runScript(`ls ${outside}`, { mounts });
    expect(output).toBe('one\ntwo\n');
    expect(readdirSync(outside)).toEqual([]);
  });

  it('fills a volume from the image at its first use only', async () => {
    const volume = join(scratch, 'volume');
    mkdirSync(volume);
    const mounts = [
      step('DIRECTORY', '/data', 0o750, 3, 4),
      step('FILE', '/data/a', 0o600, 5, 6, Buffer.from('one')),
      step('SYMLINK', 'a', '/data/link'),
      step('COPY_UP', '/data', volume),
      step('BIND', volume, '', '/data', 0, 0, 0),
    ];
    const script =
      "stat -c '%n %a %u %g' /data /data/a; readlink /data/link; cat /data/a; echo two > /data/a";
    const first = await runScript(script, { mounts });
    const second = await runScript(script, { mounts });
    expect(first.output).toBe('/data 750 3 4\n/data/a 600 5 6\na\none');
    expect(second.output).toBe('/data 750 3 4\n/data/a 600 5 6\na\ntwo\n');
  });

  it('makes the root file system read-only', async () => {
    const { output } = await runScript('touch /x 2>&1', { steps: [step('ROOT_READ_ONLY')] });
    expect(output).toMatch(/Read-only file system/);
  });

  it('sets limits, umask, directory and kernel settings', async () => {
    const steps = [
      step('RLIMIT', 7, 100, 200),
      step('UMASK', 0o027),
      step('WORKING_DIRECTORY', '/made/on/the/way', 1),
      step('SYSCTL', 'kernel.shmmni', '1234'),
      step('SYSCTL', 'net.ipv4.ip_unprivileged_port_start', '80'),
    ];
    const script =
      'ulimit -n; ulimit -Hn; umask; pwd; cat /proc/sys/kernel/shmmni /proc/sys/net/ipv4/ip_unprivileged_port_start';
    expect((await runScript(script, { steps })).output).toBe('100\n200\n0027\n/made/on/the/way\n1234\n80\n');
  });

  it('runs in a user namespace whose root owns the network, again after a restart', async () => {
    const secret = join(scratch, 'secret');
    mkdirSync(secret, { mode: 0o700 });
    writeFileSync(join(secret, 'file'), 'seen\n', { mode: 0o644 });
    const { status, output } = await runScript(
      "cat /secret; stat -c %u /proc/1; cat /proc/sys/net/ipv4/ip_default_ttl; tr -s ' ' < /proc/self/uid_map | cut -d ' ' -f 3; exit 1",
      {
        prepare: [step('UID_MAP', '0 100000 65536'), step('GID_MAP', '0 100000 65536')],
        namespaces: PRIVATE | NEW.user,
        layer: '/usr', // "/" has mounts of a more privileged namespace below it
        owner: 100000,
        mounts: [step('BIND', join(secret, 'file'), '', '/secret', MS_RDONLY, 0, BIND.file)],
        steps: [step('SYSCTL', 'net.ipv4.ip_default_ttl', '77'), step('RESTART', 'on-failure', 1, 0, 0)],
      },
    );
    const once = 'seen\n0\n77\n100000\n';
    expect(output).toBe(once + once);
    expect(status.restarts).toBe(1);
  });
});

function instruction(code: number, jt: number, jf: number, k: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.writeUInt16LE(code, 0);
  bytes.writeUInt8(jt, 2);
  bytes.writeUInt8(jf, 3);
  bytes.writeUInt32LE(k, 4);
  return bytes;
}
