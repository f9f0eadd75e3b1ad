// What the types of a project promise is there, however little a file says: empty when it is, never undefined.
import { describe, expect, it } from 'vitest';
import type { Service } from '../../src/compose/project.ts';
import { failure, load, type Options, serviceFile } from './fixture.ts';

/** As `config --no-consistency --no-normalize --no-interpolate` loads, which refuses least. */
const lenient: Options = { consistency: false, normalize: false };

describe('an attribute that every such mapping has', () => {
  it.each<[string, string, (web: Service) => unknown, unknown]>([
    ['secrets', 'secrets: [""]', (web) => web.secrets?.[0], { source: '', target: '/run/secrets/' }],
    ['secrets without a source', 'secrets: [{ target: x }]', (web) => web.secrets?.[0], { source: '' }],
    ['configs', 'configs: [""]', (web) => web.configs?.[0], { source: '' }],
    ['configs without a source', 'configs: [{}]', (web) => web.configs?.[0], { source: '' }],
    [
      'build secrets',
      'build: { secrets: [{ target: x }] }',
      (web) => web.build?.secrets?.[0],
      { source: '' },
    ],
    ['devices', 'devices: [""]', (web) => web.devices?.[0], { source: '' }],
    [
      'devices without a source',
      'devices: [{ source: "", target: /x }]',
      (web) => web.devices?.[0],
      { source: '' },
    ],
    ['ports', 'ports: [{ target: 0 }]', (web) => web.ports?.[0], { target: 0 }],
    [
      'volumes',
      'volumes: [{ type: tmpfs, target: "" }]',
      (web) => web.volumes?.[0],
      { type: 'tmpfs', target: '' },
    ],
    ['hooks', 'post_start: [{ command: null }]', (web) => web.post_start?.[0], { command: null }],
    ['pre_start', 'pre_start: [{ command: null }]', (web) => web.pre_start?.[0], { command: null }],
    ['provider', 'provider: { type: "" }', (web) => web.provider, { type: '' }],
    [
      'dependencies',
      'depends_on: { web: { condition: service_healthy } }',
      (web) => web.depends_on?.web,
      { condition: 'service_healthy', required: true },
    ],
    [
      'watched paths',
      'develop: { watch: [{ path: a, action: rebuild }] }',
      (web) => web.develop?.watch?.[0],
      { path: 'a', action: 'rebuild', exec: { command: null } },
    ],
    [
      'commands of watched paths',
      'develop: { watch: [{ path: a, action: sync+exec, target: /a, exec: { command: null } }] }',
      (web) => web.develop?.watch?.[0],
      { exec: { command: null } },
    ],
    [
      'limits of devices',
      'blkio_config: { weight_device: [{}], device_read_bps: [{}] }',
      (web) => web.blkio_config,
      { weight_device: [{ Path: '', Weight: 0 }], device_read_bps: [{ Path: '', Rate: '0' }] },
    ],
  ])('of %s', (_name, body, pick, expected) => {
    const { project } = load(serviceFile(body), { ...lenient, resolvePaths: false });
    const web = project.services.web as Service;
    const part = pick(web) as Record<string, unknown>;
    for (const [key, value] of Object.entries(expected as object)) expect(part[key], key).toEqual(value);
  });

  it.each([
    ['networks', 'driver: x'],
    ['volumes', 'driver: x'],
    ['secrets', 'environment: X'],
    ['configs', 'content: x'],
  ] as const)('of %s at the top', (section, body) => {
    const text = `${serviceFile('')}\n${section}: { a: { ${body} } }\n`;
    expect(load(text, lenient).project[section].a?.name).toBe('');
    expect(load(text, { consistency: false }).project[section].a?.name).toBe('proj_a');
  });

  it('of models', () => {
    expect(load(`${serviceFile('')}\nmodels: { m: { model: "" } }\n`).project.models.m?.model).toBe('');
  });
});

describe('a reference without a name', () => {
  it.each([
    ['secrets: [""]', 'compose.yaml:4:15'],
    ['secrets: [{ target: x }]', 'compose.yaml:4:15'],
    ['secrets: [{}]', 'compose.yaml:4:15'],
    ['configs: [""]', 'compose.yaml:4:15'],
    ['configs: [{ uid: "1" }]', 'compose.yaml:4:15'],
    ['build: { secrets: [{ target: x }] }', 'compose.yaml:4:24'],
  ])('%s is refused', (body, place) => {
    const { codes, places, error } = failure(serviceFile(body));
    expect([codes, places]).toEqual([['undefined-reference'], [place]]);
    expect(error.message).toMatch(/^service "web" refers to undefined (?:build )?(?:secret|config) $/);
  });
});
