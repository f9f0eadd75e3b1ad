// What the engine makes of services: labels, one-offs, models and providers.
import { describe, expect, it } from 'vitest';
import { withModels, withProvider } from '../../src/engine/injection.ts';
import { containerLabels } from '../../src/engine/labels.ts';
import { oneoffService } from '../../src/engine/oneoff.ts';
import { project } from '../support/world.ts';

describe('containerLabels', () => {
  const demo = project({
    services: { web: { labels: { own: '1', both: 'service' }, needs: { db: 'healthy' } }, db: {} },
  });
  const service = demo.services.web ?? { command: null, entrypoint: null };
  const identity = {
    project: demo,
    serviceName: 'web',
    service,
    number: 2,
    configHash: 'hash',
    image: { id: 'sha256:box', labels: { image: 'yes', both: 'image' } },
    version: '1',
  };

  it('are those of the image, of the service and of Compose', () => {
    expect(containerLabels(identity)).toEqual({
      image: 'yes',
      own: '1',
      both: 'service',
      'com.docker.compose.project': 'demo',
      'com.docker.compose.project.working_dir': '/demo',
      'com.docker.compose.project.config_files': '/demo/compose.yaml',
      'com.docker.compose.service': 'web',
      'com.docker.compose.container-number': '2',
      'com.docker.compose.oneoff': 'False',
      'com.docker.compose.config-hash': 'hash',
      'com.docker.compose.image': 'sha256:box',
      'com.docker.compose.depends_on': 'db:service_healthy:false',
      'com.docker.compose.version': '1',
    });
  });

  it('say what a one-off is', () => {
    expect(containerLabels({ ...identity, slug: 'abc' })).toMatchObject({
      'com.docker.compose.oneoff': 'True',
      'com.docker.compose.slug': 'abc',
    });
  });
});

describe('oneoffService', () => {
  const base = {
    command: ['serve'],
    entrypoint: null,
    image: 'box',
    restart: 'always',
    container_name: 'the-one',
    ports: [{ target: 80, published: '8080' }],
    environment: { A: '1', B: '2' },
    volumes: [
      { type: 'volume' as const, source: 'data', target: '/data' },
      { type: 'volume' as const, source: 'more', target: '/more' },
    ],
  };

  it('has no ports, no fixed name and no restarts', () => {
    const made = oneoffService(base, {});
    expect(made).toMatchObject({ command: ['serve'], ports: [] });
    expect(made).not.toHaveProperty('restart');
    expect(made).not.toHaveProperty('container_name');
  });

  it('has the ports that are asked for', () => {
    const ports = [{ target: 53, protocol: 'udp' }];
    expect(oneoffService(base, { ports, servicePorts: true }).ports).toEqual([...base.ports, ...ports]);
  });

  it('drops the command with another entrypoint', () => {
    expect(oneoffService(base, { entrypoint: ['sh'] })).toMatchObject({ entrypoint: ['sh'], command: [] });
    expect(oneoffService(base, { command: ['ls'] })).toMatchObject({ entrypoint: null, command: ['ls'] });
  });

  it('takes over what is given, a mount at the same target in place of the service’s', () => {
    const volume = { type: 'bind' as const, source: '/here', target: '/data' };
    const made = oneoffService(base, { environment: { B: '3', C: null }, user: 'me', volumes: [volume] });
    expect(made.environment).toEqual({ A: '1', B: '3', C: null });
    expect(made.user).toBe('me');
    expect(made.volumes).toEqual([base.volumes[1], volume]);
  });
});

describe('withModels', () => {
  it('puts address and name of each model into the services that use it', () => {
    const demo = project({
      services: {
        app: { models: { 'small-one': null, big: { endpoint_var: 'AI', model_var: 'WHICH' } } },
        other: {},
      },
      models: { 'small-one': { model: 'ai/small' }, big: { model: 'ai/big' } },
      environment: { TSCOMPOSE_MODELS_URL: 'http://ai/' },
    });
    const { services } = withModels(demo);
    expect(services.app?.environment).toEqual({
      SMALL_ONE_URL: 'http://ai/',
      SMALL_ONE_MODEL: 'ai/small',
      AI: 'http://ai/',
      WHICH: 'ai/big',
    });
    expect(services.other).toEqual(demo.services.other);
  });
});

describe('withProvider', () => {
  it('puts what the provider told into the services that depend on it', () => {
    const demo = project({ services: { app: { needs: { cloud: 'started' } }, cloud: {}, other: {} } });
    const told = { service: 'cloud', prefixed: { URL: 'u' }, raw: { TOKEN: 't' } };
    const { services } = withProvider(demo, told);
    expect(services.app?.environment).toEqual({ CLOUD_URL: 'u', TOKEN: 't' });
    expect(services.other?.environment).toBeUndefined();
  });
});
