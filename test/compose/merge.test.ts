// Several files: what the later one changes, attribute by attribute, and `!reset` and `!override`.
import { describe, expect, it } from 'vitest';
import { failure, serviceFile, webOf } from './fixture.ts';

const two = (base: string, over: string): Record<string, string> => ({
  'compose.yaml': serviceFile(base),
  'compose.override.yaml': `services:\n  web:\n${over.replace(/^/gm, '    ')}\n`,
});

describe('a later file', () => {
  it.each<[string, string, string, Record<string, unknown>]>([
    ['replaces a command', 'command: [a, b]', 'command: [c]', { command: ['c'] }],
    ['takes a command away', 'command: a\nentrypoint: b', 'command: null', { entrypoint: ['b'] }],
    [
      'merges the environment',
      'environment: [A=1, B=1]',
      'environment: { B: 2, C: 3 }',
      { environment: { A: '1', B: '2', C: '3' } },
    ],
    ['can unset a variable', 'environment: { A: 1 }', 'environment: { A: }', { environment: { A: null } }],
    [
      'ignores null',
      'hostname: h\nports: ["80"]',
      'hostname:\nports:',
      { hostname: 'h', ports: [{ mode: 'ingress', target: 80, protocol: 'tcp' }] },
    ],
    [
      'appends without repeats',
      'cap_add: [A, B]\ndns: 1.1.1.1',
      'cap_add: [B, C]\ndns: [1.1.1.1, 8.8.8.8]',
      { cap_add: ['A', 'B', 'C'], dns: ['1.1.1.1', '8.8.8.8'] },
    ],
    [
      'replaces the test of a health check only',
      'healthcheck: { test: [CMD, a], retries: 3 }',
      'healthcheck: { test: b }',
      { healthcheck: { test: ['CMD-SHELL', 'b'], retries: 3 } },
    ],
    [
      'merges options of the same log driver',
      'logging: { driver: a, options: { x: "1" } }',
      'logging: { options: { y: "2" } }',
      { logging: { driver: 'a', options: { x: '1', y: '2' } } },
    ],
    [
      'drops options of another log driver',
      'logging: { driver: a, options: { x: "1" } }',
      'logging: { driver: b }',
      { logging: { driver: 'b' } },
    ],
    [
      'adds addresses to a host',
      'extra_hosts: ["a=1.1.1.1"]',
      'extra_hosts: { a: 2.2.2.2 }',
      { extra_hosts: ['a=1.1.1.1', 'a=2.2.2.2'] },
    ],
    [
      'replaces a limit as a whole',
      'ulimits: { nofile: { soft: 1, hard: 2 } }',
      'ulimits: { nofile: 5 }',
      { ulimits: { nofile: 5 } },
    ],
    [
      'keys configs by target',
      'configs: [{ source: c, target: /c }]',
      'configs: [c]',
      { configs: [{ source: 'c' }] },
    ],
    [
      'resets',
      'hostname: h\nlabels: { a: b, c: d }',
      'hostname: !reset\nlabels: { a: !reset x }',
      { labels: { c: 'd' } },
    ],
    [
      'overrides',
      'cap_add: [A]\nlabels: { a: b }',
      'cap_add: !override [B]\nlabels: !override { c: d }',
      { cap_add: ['B'], labels: { c: 'd' } },
    ],
  ])('%s', (_name, base, over, expected) => {
    const options = { consistency: false };
    expect(webOf(two(base, over), { ...options, isReadable: !base.includes('configs') })).toEqual(expected);
  });

  it('only replaces the context of a build by text', () => {
    const files = two('build: { context: /a, target: t }', 'build: /b');
    expect(webOf(files).build).toEqual({ context: '/b', dockerfile: 'Dockerfile', target: 't' });
  });

  it('keeps what an earlier one says of a dependency', () => {
    const files = two(
      'depends_on: { b: { condition: service_healthy, required: false } }',
      'depends_on: { b: { restart: true } }',
    );
    files['compose.yaml'] += '  b: { image: b }\n';
    expect(webOf(files).depends_on).toEqual({
      b: { condition: 'service_healthy', restart: true, required: false },
    });
  });

  it('cannot put a list in place of a mapping', () => {
    const { codes, places } = failure(two('deploy: { replicas: 1 }', 'deploy: [1]'));
    expect([codes[0], places[0]]).toEqual(['merge-conflict', 'compose.override.yaml:3:13']);
  });

  it('is named by its own mistakes', () => {
    expect(failure(two('hostname: a', 'bogus: 1')).places).toEqual(['compose.override.yaml:3:5']);
  });

  it('can be a document of the same file', () => {
    const file = `${serviceFile('hostname: a')}---\nservices: { web: { hostname: b } }\n`;
    expect(webOf(file)).toEqual({ hostname: 'b' });
  });

  it('can leave a service without image, which is an error', () => {
    const { codes, error } = failure(two('hostname: a', 'image: !reset x'));
    expect([codes, error.message]).toEqual([['missing-key'], expect.stringContaining('"web"')]);
  });
});

it('address pools merge by subnet', () => {
  const network = (pool: string): string => `networks: { n: { ipam: { config: [${pool}] } } }\n`;
  const files = {
    'compose.yaml': `${serviceFile('networks: [n]')}${network('{ subnet: 10.0.0.0/24, gateway: 10.0.0.1 }')}`,
    'compose.override.yaml': network('{ subnet: 10.0.0.0/24, ip_range: 10.0.0.128/25 }'),
  };
  expect(webOf(files).networks).toEqual({ n: null });
});
