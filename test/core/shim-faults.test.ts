// Every step is made to fail once: the error names it, and nothing is left behind.
import { spawnSync } from 'node:child_process';
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
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { encodeLaunch, STEPS, type Step, step } from '../../src/containers/steps.ts';
import { isRoot } from '../support/machine.ts';
import { Container, NEW, PRIVATE, shimPath } from './support/container.ts';

const scratch = mkdtempSync(join(tmpdir(), 'tscompose-shim-faults-'));
const isV1 = existsSync('/sys/fs/cgroup/freezer/cgroup.procs');
const group = `${isV1 ? '/sys/fs/cgroup/freezer' : '/sys/fs/cgroup'}/tscompose-faults-${process.pid}`;

beforeAll(() => {
  mkdirSync(join(scratch, 'volume'));
  mkdirSync(join(scratch, 'network'));
  writeFileSync(join(scratch, 'network/names'), '');
});
afterAll(() => rmSync(scratch, { recursive: true }));

const names = Object.keys(STEPS) as (keyof typeof STEPS)[];

/** Settings that are only read cannot fail; the others need another kernel or another way to launch. */
const passive = new Set<string>([
  'RESTART',
  'STOP',
  'LINK',
  'STANDARD_INPUT',
  'JOIN_NAMESPACE',
  'CGROUP_DEVICES',
]);
for (const name of [
  'ROOT_IDMAP',
  'SUBDIRECTORY',
  'PROBE',
  'ROOT_BIND',
  'MOVE_ROOT',
  'HOOK_STATE',
  'HOOK',
  'AWAIT_HOOKS',
  'BIND_IDMAP',
  'CGROUP_SCOPE',
  'LOG_OPTIONS',
])
  passive.add(name);

const prepare: Step[] = [
  step('CGROUP_CREATE', join(group, 'child'), 0),
  step('CGROUP_WRITE', join(group, 'child/cgroup.procs'), ''),
  step('CGROUP_JOIN', join(group, 'child'), Number(!isV1)),
  step('TIME_OFFSET', 'boottime', 1000, 0),
];
const mounts: Step[] = [
  step('BIND', join(scratch, 'volume'), '', '/volume', 0, 0, 0),
  step('FILE', '/file', 0o644, 0, 0, Buffer.from('x')),
  step('DIRECTORY', '/directory', 0o755, 0, 0),
  step('COPY_UP', '/directory', join(scratch, 'volume')),
  step('MOUNT_COPY_UP', 'tmpfs', 'tmpfs', '/directory', 0, ''),
  step('MOUNT_ATTRIBUTES', '/directory', 1, 0, 0, 0),
  step('MASK', '/proc/sys'),
  step('READ_ONLY_PATH', '/usr'),
];
const settings: Step[] = [
  step('ROOT_READ_ONLY'),
  step('SYSCTL', 'kernel.shmmni', '100'),
  step('DOMAINNAME', 'domain'),
  step('RLIMIT', 7, 100, 200),
  step('OOM_SCORE_ADJ', 500),
  step('UMASK', 0o22),
  step('WORKING_DIRECTORY', '/', 0),
  step('USER', '0'),
  step('CAPABILITIES', 0, 0, 0, 0, 0),
  step('NO_NEW_PRIVILEGES'),
  step('SECCOMP', 0, Buffer.from('060000000000ff7f', 'hex')),
  step('PERSONALITY', 0),
  step('SCHEDULER', 0, 0, 0, 0, 0, 0, 0),
  step('IO_PRIORITY', 2, 4),
  step('TERMINAL', 24, 80),
  step('INIT'),
  step('HEALTH', 1000, 1000, 0, 0, 1, 'true'),
  step('HOSTS', join(scratch, 'hosts'), '127.0.0.1 localhost\n', join(scratch, 'network/names')),
  step('DNS'),
];

/** Not every kernel has this one. */
const label = step('LSM_LABEL', 'apparmor', 'none');

const mountsOfHost = () => readFileSync('/proc/self/mountinfo', 'utf8');

describe.skipIf(!isRoot)('a step that fails (needs root)', () => {
  it.each(names.filter((name) => !passive.has(name)))('%s', async (name) => {
    const user = name === 'UID_MAP' || name === 'GID_MAP';
    const maps = [step('UID_MAP', '0 100000 65536'), step('GID_MAP', '0 100000 65536')];
    const container = new Container(['true'], {
      prepare: user ? maps : prepare,
      namespaces: PRIVATE | NEW.time | (user ? NEW.user : 0),
      mounts,
      steps: name === 'LSM_LABEL' ? [...settings, label] : settings,
      fault: `${STEPS[name].op}:117`,
    });
    try {
      const failed = await container.start();
      expect(failed.error).toMatchObject({ step: name, errno: 117 });
      const final = await container.ended();
      expect(final).toMatchObject({ state: 'created', pid: 0, error: { step: name } });
      expect(readdirSync(container.path('run')).sort()).toEqual(['lock', 'rootfs', 'status']);
      expect(readdirSync(container.path('run/rootfs'))).toEqual([]);
      expect(existsSync(group)).toBe(false);
      expect(mountsOfHost()).not.toContain(container.directory);
    } finally {
      await container.remove();
    }
  });

  it.each(['UID_MAP', 'GID_MAP'] as const)(
    '%s leaves the interfaces of the network that it could not leave',
    (name) => {
      const directory = mkdtempSync(join(scratch, 'run-'));
      const program = [
        step('NAMESPACES', PRIVATE | NEW.user),
        step('UID_MAP', '0 100000 65536'),
        step('GID_MAP', '0 100000 65536'),
        step('EXEC', 'true'),
      ];
      writeFileSync(join(directory, 'launch'), encodeLaunch(program));
      // Somebody listens here: at the end of a container that would be a reason to remove what it has.
      const script = `busybox ip link add name cable type bridge && busybox ip link set lo up || exit 1
      busybox httpd -f -p 127.0.0.1:9 & server=$!
      until grep -q ':0009 ' /proc/self/net/tcp; do sleep 0.02; done
      "$SHIM" run --program "$DIR/launch" --run-dir "$DIR" --id x
      kill $server; busybox ip link show cable`;
      const { stdout } = spawnSync('unshare', ['--net', 'sh', '-c', script], {
        encoding: 'utf8',
        env: { ...process.env, SHIM: shimPath, DIR: directory, TSCOMPOSE_FAIL_STEP: `${STEPS[name].op}:117` },
      });
      expect(JSON.parse(readFileSync(join(directory, 'status'), 'utf8'))).toMatchObject({
        error: { step: name, errno: 117 },
      });
      expect(stdout).toContain('cable');
    },
  );

  it('each of these steps is in the program', () => {
    const there = new Set([...prepare, ...mounts, ...settings, label].map((one) => one.name));
    const always = [
      'NAMESPACES',
      'UID_MAP',
      'GID_MAP',
      'ROOT_PROPAGATION',
      'ROOT_OVERLAY',
      'MOUNT',
      'DEVICE',
    ];
    const rest = ['SYMLINK', 'PIVOT_ROOT', 'HOSTNAME', 'ENVIRONMENT', 'EXEC', 'LOG', ...always, ...there];
    expect(names.filter((name) => !passive.has(name) && !rest.includes(name))).toEqual([]);
  });
});
