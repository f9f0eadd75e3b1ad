// How the machine's control groups are found, and what a limit becomes on each of their versions.
import { describe, expect, test } from 'vitest';
import { detectCgroups, planCgroups, weightOfShares } from '../../src/containers/cgroup.ts';
import type { OciResources } from '../../src/containers/oci.ts';
import { CGROUP_V1, CGROUP_V2 } from './world.ts';

const mount = (path: string, type: string, options: string) =>
  `31 23 0:28 / ${path} rw,relatime shared:4 - ${type} ${type} rw,${options}`;

describe('detection', () => {
  test('pure v2', () => {
    const files: Record<string, string> = {
      '/sys/fs/cgroup/cgroup.controllers': 'cpuset cpu io memory pids\n',
    };
    const layout = detectCgroups(mount('/sys/fs/cgroup', 'cgroup2', 'nsdelegate'), (path) => files[path]);
    expect(layout).toMatchObject({
      mode: 'v2',
      unified: '/sys/fs/cgroup',
      available: ['cpuset', 'cpu', 'io', 'memory', 'pids'],
    });
  });

  test('hybrid, with controllers mounted together and a name with a space', () => {
    const text = [
      mount('/sys/fs/cgroup/cpu,cpuacct', 'cgroup', 'cpu,cpuacct'),
      mount('/sys/fs/cgroup/net\\040x', 'cgroup', 'net_cls'),
      mount('/sys/fs/cgroup/systemd', 'cgroup', 'xattr,name=systemd'),
      mount('/sys/fs/cgroup/unified', 'cgroup2', ''),
    ].join('\n');
    const layout = detectCgroups(text, () => undefined);
    expect(layout.mode).toBe('hybrid');
    expect(layout.v1.cpuacct).toEqual({ mountPoint: '/sys/fs/cgroup/cpu,cpuacct', data: 'cpu,cpuacct' });
    expect(layout.hierarchies.map(({ mountPoint, data }) => [mountPoint, data]).slice(1)).toEqual([
      ['/sys/fs/cgroup/net x', 'net_cls'],
      ['/sys/fs/cgroup/systemd', 'name=systemd'],
    ]);
  });

  test('v2 controllers beside a named v1 hierarchy are v2', () => {
    const text = [
      mount('/sys/fs/cgroup/systemd', 'cgroup', 'name=systemd'),
      mount('/sys/fs/cgroup', 'cgroup2', ''),
    ].join('\n');
    expect(detectCgroups(text, () => 'cpu')).toMatchObject({ mode: 'v2', available: ['cpu'] });
    expect(detectCgroups('', () => undefined).mode).toBe('none');
  });
});

const EVERYTHING: OciResources = {
  cpu: { shares: 512, quota: 20_000, period: 100_000, cpus: '0', realtimePeriod: 1, realtimeRuntime: 2 },
  memory: { limit: 100, swap: 150, reservation: 50, swappiness: 10, disableOOMKiller: true },
  pids: { limit: -1 },
  blockIO: {
    weight: 500,
    weightDevice: [{ major: 8, minor: 0, weight: 10 }],
    throttleReadBpsDevice: [{ major: 8, minor: 0, rate: 7 }],
    throttleWriteIOPSDevice: [{ major: 8, minor: 0, rate: 9 }],
  },
  hugepageLimits: [{ pageSize: '2MB', limit: 4 }],
};

describe('limits', () => {
  const plan = (layout: typeof CGROUP_V2, files: (file: string) => boolean = () => true) =>
    planCgroups({ path: '/t/id', resources: EVERYTHING, layout, hasFile: (_, file) => files(file) });
  const leafWrites = (writes: readonly (readonly [string, string])[]) =>
    writes
      .filter(([file]) => file.includes('/t/id/'))
      .map(([file, value]) => `${file.split('/').at(-1)} ${value}`);

  test('on v2', () => {
    const { writes, warnings } = plan(CGROUP_V2, (file) => !file.includes('bfq'));
    expect(leafWrites(writes)).toEqual([
      'cpu.weight 59',
      'cpu.max 20000 100000',
      'cpuset.cpus 0',
      'memory.max 100',
      'memory.swap.max 50',
      'memory.low 50',
      'pids.max max',
      'io.weight default 4950',
      'io.weight 8:0 1',
      'io.max 8:0 rbps=7',
      'io.max 8:0 wiops=9',
      'hugetlb.2MB.max 4',
    ]);
    expect(warnings.map(({ attribute }) => attribute)).toEqual([
      'cpu_rt_period',
      'cpu_rt_runtime',
      'mem_swappiness',
      'oom_kill_disable',
    ]);
    expect(writes[0]).toEqual([
      '/sys/fs/cgroup/cgroup.subtree_control',
      '+cpu +memory +pids +io +cpuset +hugetlb',
    ]);
  });

  test('on v1', () => {
    const { writes, warnings } = plan(CGROUP_V1);
    expect(leafWrites(writes)).toEqual([
      'cpuset.cpus 0-3',
      'cpuset.mems 0',
      'cpu.shares 512',
      'cpu.cfs_period_us 100000',
      'cpu.cfs_quota_us 20000',
      'cpu.rt_period_us 1',
      'cpu.rt_runtime_us 2',
      'cpuset.cpus 0',
      'memory.limit_in_bytes 100',
      'memory.memsw.limit_in_bytes 150',
      'memory.soft_limit_in_bytes 50',
      'memory.swappiness 10',
      'memory.oom_control 1',
      'pids.max max',
      'blkio.bfq.weight 500',
      'blkio.bfq.weight_device 8:0 10',
      'blkio.throttle.read_bps_device 8:0 7',
      'blkio.throttle.write_iops_device 8:0 9',
    ]);
    expect(warnings).toEqual([
      { attribute: 'x-tscompose.hugetlb', reason: 'the hugetlb controller is not available on this machine' },
    ]);
  });

  test('a missing controller or file is one warning, and nothing is written for it', () => {
    const { writes, warnings } = plan({ ...CGROUP_V2, available: ['pids'] }, (file) => file !== 'pids.max');
    expect(leafWrites(writes)).toEqual([]);
    expect(warnings).toContainEqual({ attribute: 'pids_limit', reason: 'this kernel has no pids.max' });
    expect(new Set(warnings.map(({ attribute }) => attribute)).size).toBe(warnings.length);
  });

  test('without control groups every limit is a warning', () => {
    const { create, join, warnings } = plan({ ...CGROUP_V2, mode: 'none' });
    expect([create, join]).toEqual([[], []]);
    expect(warnings.map(({ attribute }) => attribute)).toContain('mem_limit');
  });
});

test('shares become weights as newer runtimes do it', () => {
  expect([2, 512, 1024, 2048, 262_144].map(weightOfShares)).toEqual([1, 59, 100, 174, 10_000]);
});
