// Each attribute of a service: what is written, and what it means; all of it loads again as it is printed.
import { describe, expect, it } from 'vitest';
import { failure, serviceFile, web } from './fixture.ts';

describe('an attribute of a service', () => {
  it.each<[string, string, Record<string, unknown>]>([
    ['annotations as a list', 'annotations: ["a=b", "c"]', { annotations: { a: 'b', c: '' } }],
    ['attach', 'attach: false', { attach: false }],
    [
      'blkio_config',
      'blkio_config: { weight: 300, device_read_bps: [{ path: /dev/sda, rate: 12mb }] }',
      { blkio_config: { weight: 300, device_read_bps: [{ Path: '/dev/sda', Rate: '12582912' }] } },
    ],
    ['cap_add without repeats', 'cap_add: [A, B]', { cap_add: ['A', 'B'] }],
    ['cgroup', 'cgroup: host', { cgroup: 'host' }],
    ['a command line', 'command: sh -c \'echo "$$HOME"\'', { command: ['sh', '-c', 'echo "$HOME"'] }],
    ['a command that a shell operator ends', 'command: a x && b', { command: ['a', 'x'] }],
    ['an empty command', 'command: ""', { command: [] }],
    ['a command list', 'command: [a, "b c"]', { command: ['a', 'b c'] }],
    ['an entrypoint', 'entrypoint: /run.sh -x', { entrypoint: ['/run.sh', '-x'] }],
    ['container_name', 'container_name: my-app', { container_name: 'my-app' }],
    ['cpus', 'cpus: 1.5\ncpu_shares: 73\ncpuset: 0,1', { cpus: 1.5, cpu_shares: 73, cpuset: '0,1' }],
    ['cpus from text', 'cpus: "0.1"', { cpus: 0.1 }],
    ['credential_spec', 'credential_spec: { file: spec.json }', { credential_spec: { file: 'spec.json' } }],
    ['device_cgroup_rules', 'device_cgroup_rules: ["c 1:3 mr"]', { device_cgroup_rules: ['c 1:3 mr'] }],
    [
      'devices',
      'devices: ["/dev/a", "/dev/b:/dev/c:r", { source: /dev/d, target: /dev/e }]',
      {
        devices: [
          { source: '/dev/a', target: '/dev/a', permissions: 'rwm' },
          { source: '/dev/b', target: '/dev/c', permissions: 'r' },
          { source: '/dev/d', target: '/dev/e' },
        ],
      },
    ],
    ['dns as text', 'dns: 8.8.8.8\ndns_search: a.example', { dns: ['8.8.8.8'], dns_search: ['a.example'] }],
    ['expose', 'expose: [80, "90-91/udp"]', { expose: ['80', '90-91/udp'] }],
    [
      'extra_hosts in all forms',
      'extra_hosts: { b: 1.1.1.1, a: ["2.2.2.2", "[::1]"] }',
      { extra_hosts: ['a=2.2.2.2', 'a=::1', 'b=1.1.1.1'] },
    ],
    ['extra_hosts as a list', 'extra_hosts: ["a:1.1.1.1", "b=::1"]', { extra_hosts: ['a=1.1.1.1', 'b=::1'] }],
    ['gpus', 'gpus: all', { gpus: [{ count: -1 }] }],
    ['group_add', 'group_add: [mail, 1000]', { group_add: ['mail', '1000'] }],
    [
      'healthcheck',
      'healthcheck: { test: curl -f localhost, interval: 90s, retries: 0, disable: false }',
      { healthcheck: { test: ['CMD-SHELL', 'curl -f localhost'], interval: '1m30s', retries: 0 } },
    ],
    ['hostname', 'hostname: h\ndomainname: d', { hostname: 'h', domainname: 'd' }],
    ['init', 'init: false', { init: false }],
    ['labels', 'labels: ["a=b=c", d]', { labels: { a: 'b=c', d: '' } }],
    [
      'labels of other types',
      'labels: { a: 1.50, b: true, c: null, d: 0o17 }',
      { labels: { a: '1.5', b: 'true', c: '', d: '15' } },
    ],
    [
      'logging',
      'logging: { driver: local, options: { n: 3 } }',
      { logging: { driver: 'local', options: { n: '3' } } },
    ],
    ['memory', 'mem_limit: 64m\nmemswap_limit: -1', { mem_limit: '67108864', memswap_limit: '-1' }],
    ['network_mode', 'network_mode: host', { network_mode: 'host' }],
    ['oom', 'oom_kill_disable: true\noom_score_adj: -10', { oom_kill_disable: true, oom_score_adj: -10 }],
    ['pids_limit', 'pids_limit: "10"', { pids_limit: 10 }],
    [
      'hooks',
      'post_start: [{ command: a b, environment: [X, Y=1] }]\npre_stop: [{ command: [c], privileged: true }]',
      {
        post_start: [{ command: ['a', 'b'], environment: { X: null, Y: '1' } }],
        pre_stop: [{ command: ['c'], privileged: true }],
      },
    ],
    [
      'pre_start',
      'pre_start: [{ command: a, image: b, per_replica: true }]',
      { pre_start: [{ command: ['a'], image: 'b', per_replica: true }] },
    ],
    [
      'provider',
      'provider: { type: t, options: { a: 1, b: [c, d] } }',
      { provider: { type: 't', options: { a: ['1'], b: ['c', 'd'] } } },
    ],
    ['pull_policy', 'pull_policy: if_not_present', { pull_policy: 'missing' }],
    ['restart', 'restart: no', { restart: 'no' }],
    ['scale', 'scale: 0', { scale: 0 }],
    ['shm_size', 'shm_size: 1.5 GiB', { shm_size: '1610612736' }],
    ['stop_grace_period', 'stop_grace_period: 1d', { stop_grace_period: '24h0m0s' }],
    ['sysctls', 'sysctls: [net.core.somaxconn=1]', { sysctls: { 'net.core.somaxconn': '1' } }],
    ['tmpfs', 'tmpfs: /run', { tmpfs: ['/run'] }],
    [
      'ulimits',
      'ulimits: { nproc: 5, nofile: { soft: 1, hard: 2 }, core: 0 }',
      { ulimits: { core: {}, nofile: { soft: 1, hard: 2 }, nproc: 5 } },
    ],
    ['use_api_socket', 'use_api_socket: true', { use_api_socket: true }],
    ['zero values of plain types', 'privileged: false\ntty: "no"\nmem_limit: 0\nread_only: false', {}],
    ['x- attributes', 'x-note: { a: 1 }', {}],
  ])('%s', (_name, body, expected) => {
    expect(web(body, { isReadable: !/blkio|memswap|core: 0/.test(body) })).toEqual(expected);
  });

  it('deploy', () => {
    const body = `
deploy:
  mode: replicated
  replicas: 2
  labels: [a=b]
  update_config: { parallelism: 0, delay: 10s, max_failure_ratio: 0.3 }
  resources:
    limits: { cpus: "0.5", memory: 50M, pids: 3 }
    reservations: { devices: [{ capabilities: [gpu] }] }
  restart_policy: { condition: on-failure, delay: 5s, max_attempts: 3 }
  placement: { constraints: [a==b] }`;
    expect(web(body).deploy).toEqual({
      mode: 'replicated',
      replicas: 2,
      labels: { a: 'b' },
      update_config: { parallelism: 0, delay: '10s', max_failure_ratio: 0.3 },
      resources: {
        limits: { cpus: 0.5, memory: '52428800', pids: 3 },
        reservations: { devices: [{ capabilities: ['gpu'], count: -1 }] },
      },
      restart_policy: { condition: 'on-failure', delay: '5s', max_attempts: 3 },
      placement: { constraints: ['a==b'] },
    });
  });

  it('develop', () => {
    const watch = web('develop: { watch: [{ path: ., action: sync, target: /app, ignore: node_modules/ }] }');
    expect(watch.develop).toMatchObject({
      watch: [{ action: 'sync', target: '/app', ignore: ['node_modules/'], exec: { command: null } }],
    });
  });

  it('keeps x- attributes beside the others', () => {
    expect(web('x-note: 1')).toEqual({});
    expect(web('labels: [x-kept=1]', { isReadable: false })).toEqual({ labels: { 'x-kept': '1' } });
  });
});

describe('is refused at its place', () => {
  it.each([
    ['mem_limit: large', 'invalid-value', 'compose.yaml:4:16'],
    ['command: "a (b"', 'invalid-value', 'compose.yaml:4:14'],
    ['devices: ["a:b:c:d"]', 'invalid-value', 'compose.yaml:4:15'],
    ['environment: ["KEY =x"]', 'invalid-value', 'compose.yaml:4:19'],
    ['scale: two', 'invalid-value', 'compose.yaml:4:12'],
    ['user: 1000', 'wrong-type', 'compose.yaml:4:11'],
    ['deploy: { replica: 2 }', 'unknown-key', 'compose.yaml:4:15'],
    ['stop_grace_period: 1 m', 'invalid-value', 'compose.yaml:4:24'],
    ['healthcheck: { interval: 2x }', 'invalid-value', 'compose.yaml:4:30'],
    ['configs: [{ source: a, mode: "9" }]', 'invalid-value', 'compose.yaml:4:34'],
    ['extra_hosts: [nowhere]', 'invalid-value', 'compose.yaml:4:19'],
    ['build: { ssh: [a] }', 'invalid-value', 'compose.yaml:4:20'],
    ['restart: 2024-01-01', 'wrong-type', 'compose.yaml:4:14'],
  ])('%s', (body, code, place) => {
    const { codes, places } = failure(serviceFile(body));
    expect([codes[0], places[0]]).toEqual([code, place]);
  });

  it('all mistakes of a stage at once, in the order of the file', () => {
    const { codes, places } = failure(serviceFile('user: 1\nprivileged: []\nnope: 1\nports: ["x"]'));
    expect(codes).toEqual(['wrong-type', 'wrong-type', 'unknown-key', 'invalid-value']);
    expect(places).toEqual([
      'compose.yaml:4:11',
      'compose.yaml:5:17',
      'compose.yaml:6:5',
      'compose.yaml:7:13',
    ]);
  });
});

it('takes a label without a name from a list', () => {
  expect(web('labels: ["=v"]', { isReadable: false })).toEqual({ labels: { '': 'v' } });
});
