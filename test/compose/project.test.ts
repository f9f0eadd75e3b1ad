// The project as a whole: profiles, selection, implied parts, references, cycles, and that it cannot be changed.
import { describe, expect, it } from 'vitest';
import { selectServices } from '../../src/compose/select.ts';
import { config, failure, load, serviceFile } from './fixture.ts';

const many = `
services:
  web: { image: w, depends_on: [api], networks: [front] }
  api: { image: a, depends_on: { db: { condition: service_healthy }, log: { condition: service_started, required: false } }, volumes: ["data:/d"] }
  db: { image: d }
  log: { image: l, profiles: [debug] }
  tool: { image: t, profiles: [tools, debug], networks: [back] }
networks: { front: , back: , unused: }
volumes: { data: {}, other: {} }
`;

describe('profiles', () => {
  const names = (options: object): string[] => Object.keys(load(many, options).project.services);

  it.each<[string, object, string[]]>([
    ['none', {}, ['api', 'db', 'web']],
    ['by flag', { profiles: ['tools'] }, ['api', 'db', 'tool', 'web']],
    ['by variable', { env: { COMPOSE_PROFILES: 'debug, x' } }, ['api', 'db', 'log', 'tool', 'web']],
    [
      'by flag instead of variable',
      { profiles: ['x'], env: { COMPOSE_PROFILES: 'debug' } },
      ['api', 'db', 'web'],
    ],
    ['all', { profiles: ['*'] }, ['api', 'db', 'log', 'tool', 'web']],
  ])('%s', (_name, options, expected) => {
    expect(names(options)).toEqual(expected);
  });

  it('disable what a service needs, which is an error', () => {
    const file = 'services: { a: { image: x, depends_on: [b] }, b: { image: x, profiles: [p] } }';
    expect(failure(file)).toMatchObject({ codes: ['undefined-reference'], places: ['compose.yaml:1:41'] });
  });
});

describe('selecting services', () => {
  const select = (names: string[], includeDependencies = true) =>
    selectServices(load(many, { allResources: false }).project, names, { includeDependencies });

  it('keeps what they depend on and use', () => {
    const project = select(['api']);
    expect(Object.keys(project.services)).toEqual(['api', 'db']);
    expect(project.services.api?.depends_on).toEqual({
      db: { condition: 'service_healthy', required: true },
    });
    expect([Object.keys(project.networks), Object.keys(project.volumes)]).toEqual([['default'], ['data']]);
  });

  it('can do without dependencies', () => {
    expect(Object.keys(select(['web'], false).services)).toEqual(['web']);
  });

  it('enables the profiles of a service that is named', () => {
    const project = select(['tool']);
    expect(Object.keys(project.services)).toEqual(['tool']);
    expect(Object.keys(project.networks)).toEqual(['back']);
  });

  it('takes patterns', () => {
    expect(Object.keys(select(['?b', 'w*'], false).services)).toEqual(['db', 'web']);
  });

  it('refuses a name that is not there, with the nearest', () => {
    expect(() => select(['wbe'])).toThrow(
      expect.objectContaining({ code: 'unknown-service', hint: 'did you mean web?' }),
    );
  });
});

describe('a project', () => {
  it('has a default network only when a service uses it', () => {
    expect(config(serviceFile('tty: true')).networks).toEqual({
      default: { name: 'proj_default', ipam: {} },
    });
    expect(config(serviceFile('network_mode: none')).networks).toBeUndefined();
    expect(config(serviceFile('provider: { type: x }')).networks).toBeUndefined();
  });

  it('implies dependencies', () => {
    const file = `${serviceFile('links: ["a:alias"]\nnetwork_mode: service:b\nvolumes_from: [c:ro, container:d]')}  a: { image: x }\n  b: { image: x }\n  c: { image: x }\n`;
    const started = { condition: 'service_started', required: true };
    expect(load(file).project.services.web?.depends_on).toEqual({
      a: { ...started, restart: true },
      b: { ...started, restart: true },
      c: started,
    });
  });

  it('gives secrets their usual target and keeps their content to itself', () => {
    const file = `${serviceFile('secrets: [s]\nconfigs: [c]')}secrets: { s: { environment: S } }\nconfigs: { c: { environment: S } }\n`;
    const options = { env: { S: 'hidden' } };
    const { project } = load(file, options);
    expect(project.services.web?.secrets).toEqual([{ source: 's', target: '/run/secrets/s' }]);
    expect([project.secrets.s?.content, project.configs.c?.content]).toEqual(['hidden', 'hidden']);
    expect(JSON.stringify(config(file, options))).not.toContain('hidden');
  });

  it('has models, which JSON does not show', () => {
    const file = `${serviceFile('models: [m]')}models: { m: { model: ai/x, context_size: 5 } }\n`;
    expect(load(file).project.models).toEqual({ m: { model: 'ai/x', context_size: 5 } });
    expect(config(file).models).toBeUndefined();
  });

  it('has jobs', () => {
    const file = `${serviceFile('tty: true')}jobs:\n  j: { image: x, command: a b, triggers: { manual: true } }\n`;
    expect(load(file).project.jobs.j).toMatchObject({ command: ['a', 'b'], triggers: { manual: true } });
  });

  it('gives jobs networks and volumes like services, and checks them', () => {
    const file = `${serviceFile('network_mode: none')}jobs:\n  j: { image: x, triggers: { manual: true }, volumes: ["vol:/v"] }\nvolumes: { vol: , other: }\n`;
    const { project } = load(file, { allResources: false });
    expect([Object.keys(project.networks), Object.keys(project.volumes)]).toEqual([['default'], ['vol']]);
    expect(failure(file.replace('vol: ,', '')).places).toEqual(['compose.yaml:6:56']);
  });

  it('keeps extensions of the top level', () => {
    expect(config(`x-a: 2024-01-31\n${serviceFile('tty: true')}`)['x-a']).toBe('2024-01-31T00:00:00Z');
    expect(config(`x-a: { b: $$1 }\n${serviceFile('tty: true')}`)['x-a']).toEqual({ b: '$1' });
  });

  it('knows where its values were written', () => {
    const { project } = load(serviceFile('ports: ["80:80"]\nlabels: { a.b: c }'));
    expect(project.positionOf('services.web.ports[0]')).toMatchObject({ line: 4, column: 13 });
    expect(project.positionOf('services.web.labels.a.b')).toMatchObject({ line: 5, column: 20 });
    expect(project.positionOf('services.web.networks.default')).toBeUndefined();
    expect(project.positionOf('services.nope')).toBeUndefined();
  });

  it('cannot be changed', () => {
    const { project } = load(many);
    for (const value of [
      project,
      project.services,
      project.services.web,
      project.services.api?.volumes?.[0],
    ]) {
      expect(Object.isFrozen(value)).toBe(true);
    }
  });

  it('may use any name, also those of the language', () => {
    const file =
      'services: { __proto__: { image: x }, constructor: { image: y, labels: { __proto__: a, toString: b } } }';
    const { services } = load(file).project;
    expect(Object.keys(services)).toEqual(['__proto__', 'constructor']);
    expect(Object.entries(Object.values(services)[1]?.labels ?? {})).toEqual([
      ['__proto__', 'a'],
      ['toString', 'b'],
    ]);
  });
});

describe('is refused', () => {
  it.each<[string, string, string, string]>([
    ['neither image nor build', 'services:\n  a: { tty: true }', 'missing-key', 'compose.yaml:2:3'],
    ['an unknown network', serviceFile('networks: [n]'), 'undefined-reference', 'compose.yaml:4:16'],
    ['an unknown secret', serviceFile('secrets: [s]'), 'undefined-reference', 'compose.yaml:4:15'],
    ['an unknown config', serviceFile('configs: [c]'), 'undefined-reference', 'compose.yaml:4:15'],
    ['an unknown model', serviceFile('models: [m]'), 'undefined-reference', 'compose.yaml:4:14'],
    ['an unknown dependency', serviceFile('depends_on: [b]'), 'undefined-reference', 'compose.yaml:4:18'],
    [
      'network_mode beside networks',
      serviceFile('network_mode: host\nnetworks: [default]'),
      'conflicting-keys',
      'compose.yaml:4:19',
    ],
    [
      'two limits of memory',
      serviceFile('mem_limit: 1m\ndeploy: { resources: { limits: { memory: 2m } } }'),
      'conflicting-keys',
      'compose.yaml:4:16',
    ],
    [
      'scale and replicas',
      serviceFile('scale: 1\ndeploy: { replicas: 2 }'),
      'conflicting-keys',
      'compose.yaml:4:12',
    ],
    [
      'replicas of one container name',
      serviceFile('scale: 2\ncontainer_name: cc'),
      'conflicting-keys',
      'compose.yaml:5:21',
    ],
    [
      'two sources of a config',
      `${serviceFile('tty: true')}configs: { c: { file: a, content: b } }`,
      'conflicting-keys',
      'compose.yaml:5:15',
    ],
    [
      'a secret without source',
      `${serviceFile('tty: true')}secrets: { s: { name: x } }`,
      'missing-key',
      'compose.yaml:5:15',
    ],
    [
      'count and ids of devices',
      serviceFile('gpus: [{ count: 1, device_ids: [a] }]'),
      'conflicting-keys',
      'compose.yaml:4:12',
    ],
    [
      'a watch without target',
      serviceFile('develop: { watch: [{ path: a, action: sync }] }'),
      'missing-key',
      'compose.yaml:4:24',
    ],
  ])('%s', (_name, file, code, place) => {
    const { codes, places } = failure(file);
    expect([codes[0], places[0]]).toEqual([code, place]);
  });

  it('one container name of two services', () => {
    const file = 'services: { a: { image: x, container_name: cc }, b: { image: x, container_name: cc } }';
    expect(failure(file).codes).toEqual(['name-conflict']);
  });

  it('a cycle, with the whole ring in order', () => {
    const file =
      'services: { a: { image: x, depends_on: [b] }, b: { image: x, links: [c] }, c: { image: x, network_mode: "service:a" } }';
    const { codes, error } = failure(file);
    expect(codes).toEqual(['dependency-cycle']);
    expect(error.message).toBe('dependency cycle detected: a -> b -> c -> a');
  });
});
