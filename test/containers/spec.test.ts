// One test an attribute: what a service says is in the runtime specification.
import { describe, expect, test } from 'vitest';
import type { Service } from '../../src/compose/project.ts';
import { ALL_CAPABILITIES, DEFAULT_CAPABILITIES } from '../../src/containers/capabilities.ts';
import { MACHINE, specOf } from './world.ts';

const spec = (attributes: Partial<Service>, input = {}) => specOf(attributes, input).spec;
const resources = (attributes: Partial<Service>) => spec(attributes).linux.resources;
const invalid = expect.objectContaining({ code: 'invalid-value' });

describe('command', () => {
  const image = { Entrypoint: ['/entry'], Cmd: ['default'] };
  test.each([
    [{ command: null, entrypoint: null }, ['/entry', 'default']],
    [{ command: ['mine'], entrypoint: null }, ['/entry', 'mine']],
    [{ command: [], entrypoint: null }, ['/entry']],
    [{ command: null, entrypoint: ['other'] }, ['other']],
    [{ command: ['mine'], entrypoint: ['other'] }, ['other', 'mine']],
    [{ command: null, entrypoint: [] }, ['default']],
  ])('%j', (attributes, argv) => {
    expect(spec(attributes, { image }).process.args).toEqual(argv);
  });

  test('is missing', () => {
    expect(() => spec({ command: null })).toThrow(expect.objectContaining({ code: 'command-not-found' }));
  });
});

test('environment: defaults, image, service, and null takes away', () => {
  const image = { Env: ['PATH=/image', 'A=image', 'B=image'] };
  const { env } = spec({ tty: true, environment: { A: 'mine', B: null, C: 'x=y' } }, { image }).process;
  expect(env).toEqual(['PATH=/image', 'HOSTNAME=abababababab', 'TERM=xterm', 'A=mine', 'C=x=y']);
});

test('user: numbers are resolved, names wait for the container', () => {
  expect(spec({ user: '12:34', group_add: ['5', 'extra'] }).process.user).toEqual({
    uid: 12,
    gid: 34,
    additionalGids: [5],
    username: '12:34',
  });
  expect(spec({}, { image: { User: 'www' } }).process.user).toEqual({ uid: 0, gid: 0, username: 'www' });
});

test('working_dir, else that of the image', () => {
  expect(spec({ working_dir: '/w' }, { image: { WorkingDir: '/i' } }).process.cwd).toBe('/w');
  expect(spec({}, { image: { WorkingDir: '/i' } }).process.cwd).toBe('/i');
});

describe('capabilities', () => {
  const bounding = (attributes: Partial<Service>) => spec(attributes).process.capabilities?.bounding;
  test('are the default fourteen', () => {
    expect([...(bounding({}) ?? [])].sort()).toEqual([...DEFAULT_CAPABILITIES].sort());
    expect(DEFAULT_CAPABILITIES).toHaveLength(14);
  });
  test('cap_add and cap_drop, with and without prefix', () => {
    expect(bounding({ cap_drop: ['ALL'], cap_add: ['net_admin', 'CAP_CHOWN'] })).toEqual([
      'CAP_CHOWN',
      'CAP_NET_ADMIN',
    ]);
    expect(bounding({ cap_drop: ['MKNOD'] })).toHaveLength(13);
    expect(bounding({ cap_add: ['ALL'], cap_drop: ['SYS_ADMIN'] })).toEqual(
      ALL_CAPABILITIES.filter((name) => name !== 'CAP_SYS_ADMIN'),
    );
  });
  test('an unknown one is refused', () => {
    expect(() => spec({ cap_add: ['FLY'] })).toThrow(invalid);
  });
  test('what the machine lacks is said when it was asked for', () => {
    const machine = { ...MACHINE, capabilities: ALL_CAPABILITIES.filter((name) => name !== 'CAP_SYS_TIME') };
    const { spec: given, warnings } = specOf({ cap_add: ['SYS_TIME'] }, { machine });
    expect(given.process.capabilities?.bounding).not.toContain('CAP_SYS_TIME');
    expect(warnings.map(({ attribute }) => attribute)).toEqual(['cap_add']);
  });
  test('of a user other than root are only the bounding set', () => {
    expect(spec({ user: '1000' }).process.capabilities).toMatchObject({ effective: [], permitted: [] });
  });
});

describe('privileged', () => {
  const privileged = spec({ privileged: true });
  test('has all capabilities, devices and paths', () => {
    expect(privileged.process.capabilities?.bounding).toEqual(ALL_CAPABILITIES);
    expect(privileged.linux.resources?.devices).toEqual([{ allow: true, access: 'rwm' }]);
    expect(privileged.linux).not.toHaveProperty('maskedPaths');
    expect(privileged.mounts.find(({ destination }) => destination === '/sys')?.options).toContain('rw');
  });
});

test('security_opt', () => {
  expect(spec({ security_opt: ['no-new-privileges:true'] }).process.noNewPrivileges).toBe(true);
  expect(spec({ security_opt: ['no-new-privileges=false'] }).process.noNewPrivileges).toBe(false);
  expect(spec({ security_opt: ['systempaths=unconfined'] }).linux).not.toHaveProperty('readonlyPaths');
  expect(() => spec({ security_opt: ['magic'] })).toThrow(invalid);
  const { warnings } = specOf({ security_opt: ['apparmor=p', 'label=type:t'] });
  expect(warnings.map(({ reason }) => reason.split(' ')[0])).toEqual(['AppArmor', 'SELinux']);
  const machine = { ...MACHINE, apparmor: true, selinux: true };
  const labelled = spec({ security_opt: ['apparmor=p', 'label=type:t'] }, { machine }).process;
  expect(labelled).toMatchObject({ apparmorProfile: 'p', selinuxLabel: 'system_u:system_r:t:s0' });
});

test('read_only', () => {
  expect(spec({ read_only: true }).root.readonly).toBe(true);
});

describe('ulimits', () => {
  test('default for open files, as far as the machine allows', () => {
    expect(spec({}).process.rlimits).toEqual([{ type: 'RLIMIT_NOFILE', soft: 1024, hard: 524_288 }]);
    const machine = { ...MACHINE, nofileHard: 20_000, capabilities: [] };
    expect(spec({}, { machine }).process.rlimits).toEqual([
      { type: 'RLIMIT_NOFILE', soft: 1024, hard: 20_000 },
    ]);
  });
  test('a number, soft and hard', () => {
    expect(spec({ ulimits: { nofile: { soft: 10, hard: 20 }, core: 0 } }).process.rlimits).toEqual([
      { type: 'RLIMIT_NOFILE', soft: 10, hard: 20 },
      { type: 'RLIMIT_CORE', soft: 0, hard: 0 },
    ]);
    expect(() => spec({ ulimits: { nofile: { soft: 30, hard: 20 } } })).toThrow(invalid);
    expect(() => spec({ ulimits: { wings: 2 } })).toThrow(invalid);
  });
});

describe('sysctls', () => {
  test('of namespaces of its own', () => {
    const { sysctl } = spec({
      sysctls: { 'net.core.somaxconn': '9', 'kernel.shmmax': '1', 'net/ipv4/tcp_syncookies': '0' },
    }).linux;
    expect(sysctl).toMatchObject({
      'net.core.somaxconn': '9',
      'kernel.shmmax': '1',
      'net.ipv4.tcp_syncookies': '0',
    });
    expect(sysctl?.['net.ipv4.ip_unprivileged_port_start']).toBe('0');
  });
  test('of the host are refused', () => {
    expect(() => spec({ sysctls: { 'vm.swappiness': '1' } })).toThrow(invalid);
    expect(() => spec({ sysctls: { 'net.core.somaxconn': '9' }, network_mode: 'host' })).toThrow(invalid);
    expect(() => spec({ sysctls: { 'kernel.sem': '1' }, ipc: 'host' })).toThrow(invalid);
  });
});

describe('namespaces', () => {
  const types = (attributes: Partial<Service>, joins = {}) =>
    Object.fromEntries(
      spec(attributes, { joins }).linux.namespaces.map(({ type, path }) => [type, path ?? 'new']),
    );
  const own = { mount: 'new', network: 'new', pid: 'new', ipc: 'new', uts: 'new', cgroup: 'new' };
  test('are its own', () => {
    expect(types({})).toEqual(own);
  });
  test('of the host are left out', () => {
    const host = { network_mode: 'host', pid: 'host', ipc: 'host', uts: 'host', cgroup: 'host' } as const;
    expect(types(host)).toEqual({ mount: 'new' });
    expect(spec(host)).not.toHaveProperty('hostname');
  });
  test('of another container are joined', () => {
    const joined = { network_mode: 'service:db', pid: 'container:c', ipc: 'service:db' };
    expect(types(joined, { network: 'n', pid: 'p', ipc: 'i' })).toEqual({
      ...own,
      network: '/r/n/network',
      pid: '/r/p/pid',
      ipc: '/r/i/ipc',
    });
  });
  test('userns_mode', () => {
    const { namespaces, uidMappings } = spec({ userns_mode: 'private' }).linux;
    expect(namespaces.map(({ type }) => type)).toContain('user');
    expect(uidMappings).toEqual([{ containerID: 0, hostID: 0, size: 4_294_967_295 }]);
    expect(() => spec({ userns_mode: 'x' })).toThrow(invalid);
    expect(spec({}, { machine: { ...MACHINE, uid: 1000, gid: 100 } }).linux.gidMappings).toEqual([
      { containerID: 0, hostID: 100, size: 1 },
    ]);
  });
  test('an unknown mode is refused', () => {
    expect(() => spec({ pid: 'mine' })).toThrow(invalid);
    expect(() => spec({ uts: 'service:x' })).toThrow(invalid);
  });
});

describe('resources', () => {
  test('cpus, quota, period, shares, cpuset', () => {
    expect(resources({ cpus: 0.5 })?.cpu).toEqual({ quota: 50_000, period: 100_000 });
    expect(
      resources({ cpu_quota: '20000', cpu_period: '50ms', cpu_shares: 512, cpuset: '0-1' })?.cpu,
    ).toEqual({
      quota: 20_000,
      period: 50_000,
      shares: 512,
      cpus: '0-1',
    });
    expect(resources({ deploy: { resources: { limits: { cpus: '1.5' } } }, cpus: 1 })?.cpu?.quota).toBe(
      150_000,
    );
    expect(() => resources({ cpus: 99 })).toThrow(invalid);
  });
  test('memory: as much swap again unless told otherwise', () => {
    expect(resources({ mem_limit: '1000' })?.memory).toEqual({ limit: 1000, swap: 2000 });
    expect(resources({ mem_limit: '1000', memswap_limit: '-1' })?.memory?.swap).toBe(-1);
    expect(resources({ mem_limit: '1000', memswap_limit: '1500', mem_reservation: '500' })?.memory).toEqual({
      limit: 1000,
      swap: 1500,
      reservation: 500,
    });
    expect(() => resources({ mem_limit: '1000', memswap_limit: '500' })).toThrow(invalid);
  });
  test('pids_limit and deploy.resources.limits.pids', () => {
    expect(resources({ pids_limit: 10 })?.pids).toEqual({ limit: 10 });
    expect(resources({ pids_limit: 10, deploy: { resources: { limits: { pids: 5 } } } })?.pids).toEqual({
      limit: 5,
    });
    expect(resources({ pids_limit: 0 })).not.toHaveProperty('pids');
  });
  test('blkio_config', () => {
    const config = {
      weight: 300,
      weight_device: [{ Path: '/dev/sda', Weight: 400 }],
      device_read_bps: [{ Path: '/dev/sda', Rate: '12mb' }],
      device_write_iops: [{ Path: '/dev/sda', Rate: 30 }],
    };
    expect(resources({ blkio_config: config })?.blockIO).toEqual({
      weight: 300,
      weightDevice: [{ major: 8, minor: 0, weight: 400 }],
      throttleReadBpsDevice: [{ major: 8, minor: 0, rate: 12 * 2 ** 20 }],
      throttleWriteIOPSDevice: [{ major: 8, minor: 0, rate: 30 }],
    });
    expect(() => resources({ blkio_config: { device_read_bps: [{ Path: '/nope', Rate: 1 }] } })).toThrow(
      invalid,
    );
  });
  test('what only Windows has is said', () => {
    expect(specOf({ cpu_count: 2, isolation: 'hyperv' }).warnings.map(({ attribute }) => attribute)).toEqual([
      'cpu_count',
      'isolation',
    ]);
  });
  test('cgroup_parent', () => {
    expect(spec({}).linux.cgroupsPath).toBe(`/tscompose/${'ab'.repeat(32)}`);
    expect(spec({ cgroup_parent: 'mine' }).linux.cgroupsPath).toBe(`/mine/${'ab'.repeat(32)}`);
  });
});

describe('devices', () => {
  test('are made and allowed, directories with all in them', () => {
    const { linux } = spec({
      devices: [{ source: '/dev/fuse', target: '/dev/f', permissions: 'rw' }, { source: '/dev/snd' }],
    });
    expect(linux.devices?.slice(6).map(({ path, major, minor }) => [path, major, minor])).toEqual([
      ['/dev/f', 10, 229],
      ['/dev/snd/a', 116, 1],
      ['/dev/snd/b', 116, 2],
    ]);
    expect(linux.resources?.devices).toContainEqual({
      allow: true,
      type: 'c',
      major: 10,
      minor: 229,
      access: 'rw',
    });
    expect(() => spec({ devices: [{ source: '/dev/none' }] })).toThrow(invalid);
  });
  test('device_cgroup_rules', () => {
    const rules = resources({ device_cgroup_rules: ['c 1:* rm', 'a *:* rwm'] })?.devices;
    expect(rules?.slice(-2)).toEqual([
      { allow: true, type: 'c', major: 1, access: 'rm' },
      { allow: true, access: 'rwm' },
    ]);
    expect(() => resources({ device_cgroup_rules: ['x'] })).toThrow(invalid);
  });
});

describe('mounts', () => {
  const find = (attributes: Partial<Service>, destination: string, input = {}) =>
    spec(attributes, input).mounts.find((mount) => mount.destination === destination);
  test('are the defaults, in Docker’s order', () => {
    expect(spec({}).mounts.map(({ destination }) => destination)).toEqual([
      '/proc',
      '/dev',
      '/dev/pts',
      '/sys',
      '/sys/fs/cgroup',
      '/dev/mqueue',
      '/dev/shm',
    ]);
  });
  test('shm_size and ipc', () => {
    expect(find({}, '/dev/shm')?.options).toContain('size=67108864');
    expect(find({ shm_size: '1024' }, '/dev/shm')?.options).toContain('size=1024');
    expect(find({ ipc: 'host' }, '/dev/shm')).toMatchObject({ type: 'bind', source: '/dev/shm' });
    expect(find({ ipc: 'shareable' }, '/dev/shm', { sharedShm: '/r/shm' })).toMatchObject({
      source: '/r/shm',
    });
  });
  test('of the service replace defaults and come sorted by depth', () => {
    const bind = (target: string) =>
      ({ type: 'bind', source: '/s', target, readOnly: false, createSource: true }) as const;
    const { mounts } = spec({}, { mounts: [bind('/a/b/c'), bind('/a'), bind('/dev/shm')] });
    expect(mounts.slice(-3).map(({ destination }) => destination)).toEqual(['/a', '/dev/shm', '/a/b/c']);
    expect(mounts.filter(({ destination }) => destination === '/dev/shm')).toHaveLength(1);
  });
});

test('labels and annotations', () => {
  expect(spec({ annotations: { a: '1' } }, { labels: { l: '2' } }).annotations).toEqual({ a: '1', l: '2' });
});

test('domainname and hostname', () => {
  expect(spec({ domainname: 'example.org' }, { hostname: 'web' })).toMatchObject({
    hostname: 'web',
    domainname: 'example.org',
  });
});
