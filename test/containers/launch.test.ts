// The compiler: specifications become steps, in the right order.
import { describe, expect, test } from 'vitest';
import { DEFAULT_CAPABILITIES } from '../../src/containers/capabilities.ts';
import { compileExec } from '../../src/containers/exec.ts';
import { step } from '../../src/containers/steps.ts';
import { CGROUP_V1, launchOf, MACHINE, render, specOf } from './world.ts';

const id = 'ab'.repeat(32);
const leaf = `/sys/fs/cgroup/tscompose/${id}`;
const program = (attributes = {}, extras = {}, input = {}) =>
  render(launchOf(specOf(attributes, input).spec, extras));
const only = (lines: readonly string[], ...names: string[]) =>
  lines.filter((line) => names.includes(line.split(' ')[0] ?? ''));

describe('a launch program', () => {
  test('prepares, mounts, seals, becomes the process and is supervised, in this order', () => {
    const names = program().map((line) => line.split(' ')[0] ?? '');
    const order = [
      'CGROUP_CREATE',
      'CGROUP_WRITE',
      'CGROUP_DEVICES',
      'CGROUP_JOIN',
      'NAMESPACES',
      'ROOT_PROPAGATION',
      'ROOT_OVERLAY',
      'MOUNT',
      'DEVICE',
      'SYMLINK',
      'MOUNT',
      'PIVOT_ROOT',
      'HOSTNAME',
      'SYSCTL',
      'MASK',
      'READ_ONLY_PATH',
      'WORKING_DIRECTORY',
      'RLIMIT',
      'OOM_SCORE_ADJ',
      'ENVIRONMENT',
      'USER',
      'CAPABILITIES',
      'STANDARD_INPUT',
      'EXEC',
      'LOG',
      'RESTART',
      'STOP',
    ];
    expect(names.filter((name, index) => name !== names[index - 1])).toEqual(order);
  });

  test('makes the root file system from layers, or takes a directory', () => {
    expect(only(program(), 'ROOT_OVERLAY')).toEqual(['ROOT_OVERLAY /r/rootfs /u /w  /l2 /l1']);
    expect(only(program({}, { rootFs: { kind: 'directory', path: '/d' } }), 'ROOT_BIND')).toEqual([
      'ROOT_BIND /r/rootfs /d',
    ]);
  });

  test('hides what an image masks, but for a mount below it', () => {
    const rootFs = {
      kind: 'overlay',
      lower: ['/'],
      upper: '/u',
      work: '/w',
      options: [],
      masks: ['/root', '/home'],
    };
    const bind = { type: 'bind', source: '/s', target: '/home/me', readOnly: false, createSource: false };
    const lines = program({}, { rootFs }, { mounts: [bind] });
    expect(lines).toContain('MASK /root');
    expect(lines).toContain('MOUNT tmpfs tmpfs /home 6 mode=755');
    expect(lines.indexOf('MASK /root')).toBeGreaterThan(
      lines.findIndex((line) => line.startsWith('DEVICE /dev/null')),
    );
  });

  test('writes limits for v2', () => {
    const lines = program({ cpus: 0.2, mem_limit: '1048576', pids_limit: 7 });
    expect(only(lines, 'CGROUP_WRITE')).toEqual([
      'CGROUP_WRITE /sys/fs/cgroup/cgroup.subtree_control +cpu +memory +pids +io',
      'CGROUP_WRITE /sys/fs/cgroup/tscompose/cgroup.subtree_control +cpu +memory +pids +io',
      `CGROUP_WRITE ${leaf}/cpu.max 20000 100000`,
      `CGROUP_WRITE ${leaf}/memory.max 1048576`,
      `CGROUP_WRITE ${leaf}/memory.swap.max 1048576`,
      `CGROUP_WRITE ${leaf}/pids.max 7`,
    ]);
  });

  test('writes limits, device lists and cpuset parents for v1', () => {
    const lines = program({ cpuset: '1', mem_limit: '1048576' }, { cgroups: CGROUP_V1 });
    const at = (controller: string, file: string) => `/sys/fs/cgroup/${controller}/tscompose/${id}/${file}`;
    expect(only(lines, 'CGROUP_WRITE')).toEqual([
      'CGROUP_WRITE /sys/fs/cgroup/cpuset/tscompose/cpuset.cpus 0-3',
      'CGROUP_WRITE /sys/fs/cgroup/cpuset/tscompose/cpuset.mems 0',
      `CGROUP_WRITE ${at('cpuset', 'cpuset.cpus')} 0-3`,
      `CGROUP_WRITE ${at('cpuset', 'cpuset.mems')} 0`,
      `CGROUP_WRITE ${at('cpuset', 'cpuset.cpus')} 1`,
      `CGROUP_WRITE ${at('memory', 'memory.limit_in_bytes')} 1048576`,
      `CGROUP_WRITE ${at('memory', 'memory.memsw.limit_in_bytes')} 2097152`,
      `CGROUP_WRITE ${at('devices', 'devices.deny')} a`,
      `CGROUP_WRITE ${at('devices', 'devices.allow')} c *:* m`,
      `CGROUP_WRITE ${at('devices', 'devices.allow')} b *:* m`,
      ...['1:3', '1:5', '1:7', '1:8', '1:9', '5:0', '5:1', '5:2', '136:*'].map(
        (device) => `CGROUP_WRITE ${at('devices', 'devices.allow')} c ${device} rwm`,
      ),
    ]);
    expect(only(lines, 'CGROUP_JOIN')).toHaveLength(7);
    expect(lines).toContain('MOUNT tmpfs tmpfs /sys/fs/cgroup 14 mode=755');
    expect(lines).toContain('MOUNT cgroup cgroup /sys/fs/cgroup/cpu,cpuacct 15 cpu,cpuacct');
  });

  test('binds with source, subpath, attributes and propagation', () => {
    const mounts = [
      {
        type: 'bind',
        source: '/a',
        target: '/t/a',
        readOnly: true,
        createSource: true,
        propagation: 'rshared',
      },
      {
        type: 'bind',
        source: '/b',
        target: '/t/b',
        readOnly: false,
        createSource: false,
        recursive: 'disabled',
      },
      {
        type: 'bind',
        source: '/c',
        target: '/t/c',
        readOnly: true,
        createSource: false,
        recursive: 'writable',
      },
      {
        type: 'volume',
        name: 'v',
        anonymous: false,
        source: { kind: 'directory', path: '/v' },
        target: '/t/v',
        readOnly: false,
        noCopy: false,
      },
      {
        type: 'volume',
        name: 'w',
        anonymous: false,
        source: { kind: 'mount', type: 'nfs', device: ':/x', options: 'addr=192.0.2.1,soft' },
        target: '/t/w',
        readOnly: true,
        noCopy: true,
      },
      { type: 'tmpfs', target: '/t/z', readOnly: false, options: ['noexec', 'size=10'] },
      { type: 'image', name: 'i', id: 'sha256:i', lower: ['/i2', '/i1'], target: '/t/i' },
    ];
    const details = {
      '/t/a': { createSource: true },
      '/t/v': { subpath: { base: '/v', path: 'sub' }, copyUp: '/v' },
    };
    const lines = program({}, { mounts: details }, { mounts });
    expect(lines.filter((line) => line.includes(' /t/'))).toEqual([
      'COPY_UP /t/v /v',
      `BIND /a  /t/a 1 ${0x10_0000 + 0x4000} 7`,
      `BIND /b  /t/b 0 ${0x4_0000 + 0x4000} 0`,
      `BIND /c  /t/c 1 ${0x4_0000 + 0x4000} 1`,
      `BIND /v sub /t/v 0 ${0x4_0000 + 0x4000} 1`,
      'MOUNT nfs :/x /t/w 1 addr=192.0.2.1,soft',
      'MOUNT tmpfs tmpfs /t/z 8 size=10',
      'MOUNT overlay overlay /t/i 5 lowerdir=/i2:/i1',
    ]);
  });

  test('joins namespaces by slot', () => {
    const lines = program({ network_mode: 'service:x' }, {}, { joins: { network: 'n' } });
    expect(only(lines, 'NAMESPACES', 'JOIN_NAMESPACE')).toEqual([
      `NAMESPACES ${0x2000_0000 + 0x800_0000 + 0x400_0000 + 0x200_0000 + 0x2_0000}`,
      `JOIN_NAMESPACE ${0x4000_0000} network`,
    ]);
  });

  test('maps ids', () => {
    expect(only(program({ userns_mode: 'private' }), 'UID_MAP')).toEqual(['UID_MAP 0 0 4294967295\n']);
  });

  test('says what log, restart, health and names are', () => {
    const lines = program(
      {},
      {
        healthcheck: {
          test: ['true'],
          intervalMs: 1,
          timeoutMs: 2,
          startPeriodMs: 3,
          startIntervalMs: 4,
          retries: 5,
        },
        names: {
          hostsFile: '/h',
          header: 'x\n',
          tables: ['/n1'],
          links: [['db', 'database']],
          upstream: ['192.0.2.1'],
        },
        init: true,
        standardInput: 'once',
      },
    );
    expect(lines.slice(-9)).toEqual([
      'INIT',
      'EXEC run',
      'LOG json-file /s/log 0 1 0',
      'RESTART no 0 -1 0',
      'STOP 15 10000',
      'HEALTH 1 2 3 4 5 true',
      'HOSTS /h x\n /n1',
      'LINK db database',
      'DNS 192.0.2.1',
    ]);
    expect(lines).toContain('STANDARD_INPUT 2');
  });
});

describe('exec', () => {
  const launch = [
    ...launchOf(specOf({ environment: { A: '1' }, working_dir: '/w' }).spec, { user: 'www', groups: ['7'] })
      .program,
    step('SECCOMP', 0, new Uint8Array(8)),
  ];
  const lines = (options = {}) =>
    render({
      program: compileExec(launch, { command: ['id'], ...options }, MACHINE),
      cgroups: [],
      warnings: [],
    });

  test('is a process like the first', () => {
    const names = lines().map((line) => line.split(' ')[0]);
    expect(names).toEqual([
      'NAMESPACES',
      'CGROUP_JOIN',
      'RLIMIT',
      'OOM_SCORE_ADJ',
      'WORKING_DIRECTORY',
      'ENVIRONMENT',
      'USER',
      'CAPABILITIES',
      'SECCOMP',
      'STANDARD_INPUT',
      'EXEC',
    ]);
    expect(lines()).toContain('USER www 7');
    expect(lines()).toContain('WORKING_DIRECTORY /w 0');
  });

  test('takes user, directory, environment and terminal', () => {
    const told = lines({
      user: '5',
      workingDir: '/x',
      env: ['A=2', 'B=3', 'HOSTNAME'],
      tty: true,
      stdin: true,
    });
    expect(told).toContain('USER 5 7');
    expect(told).toContain('WORKING_DIRECTORY /x 0');
    expect(told).toContain('TERMINAL 24 80');
    const environment = told.find((line) => line.startsWith('ENVIRONMENT'));
    expect(environment).toContain('A=2 TERM=xterm B=3');
    expect(environment).not.toContain('HOSTNAME');
  });

  test('privileged drops the filter and has everything', () => {
    const told = lines({ privileged: true });
    expect(only(told, 'SECCOMP')).toEqual([]);
    expect(only(told, 'CAPABILITIES')[0]).toBe(
      `CAPABILITIES ${2 ** 41 - 1} ${2 ** 41 - 1} ${2 ** 41 - 1} 0 0`,
    );
    expect(DEFAULT_CAPABILITIES.length).toBeLessThan(41);
  });
});
