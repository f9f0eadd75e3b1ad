// Pulling and pushing against registries that behave, and that do not.
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { resolveImage, tagImage } from '../../src/images/image.ts';
import { MEDIA } from '../../src/images/manifest.ts';
import { type PullOptions, pullImage } from '../../src/images/pull.ts';
import { pushImage } from '../../src/images/push.ts';
import { parseReference } from '../../src/images/reference.ts';
import { endpointsOf, readRegistries } from '../../src/images/registries.ts';
import { openRegistries, type RegistryOptions } from '../../src/images/registry.ts';
import { blobFile, partialFile, readImages, storeFiles } from '../../src/images/store.ts';
import { isRoot, needing } from '../support/machine.ts';
import {
  type Asked,
  type Fault,
  IDENTITY,
  makeCertificates,
  PASSWORD,
  TestRegistry,
  USER,
} from './registry-server.ts';
import { sha256, tar, World } from './world.ts';

const LAYERS = [
  tar({ name: 'etc/', type: '5', mode: 0o755 }, { name: 'etc/base', content: 'base'.repeat(50_000) }),
  tar({ name: 'etc/top', content: Buffer.from(Array.from({ length: 300_000 }, (_, n) => (n * 7919) % 251)) }),
];
const IMAGE = { layers: LAYERS.map((layer) => gzipSync(layer)), diffIds: LAYERS.map(sha256) };
const [BASE = '', TOP = ''] = IMAGE.layers.map(sha256);

type Environment = RegistryOptions['environment'];

async function pull(world: World, name: string, environment: Environment = {}, options: PullOptions = {}) {
  const registries = openRegistries({ environment, retryMs: 5, stallMs: 400 });
  try {
    return await pullImage(world.ctx, name, { registries, ...options });
  } finally {
    registries.close();
  }
}

async function push(world: World, name: string, environment: Environment = {}, chunkSize?: number) {
  const registries = openRegistries({ environment, retryMs: 5, stallMs: 400 });
  try {
    return await pushImage(world.ctx, name, { registries, chunkSize });
  } finally {
    registries.close();
  }
}

/** Docker's configuration directory with a credential for a registry. */
function dockerConfig(world: World, host: string, password = PASSWORD): Environment {
  const dir = world.path('docker');
  mkdirSync(dir, { recursive: true });
  const auth = Buffer.from(`${USER}:${password}`).toString('base64');
  writeFileSync(`${dir}/config.json`, JSON.stringify({ auths: { [host]: { auth } } }));
  return { DOCKER_CONFIG: dir };
}

function once(match: (asked: Asked) => boolean, fault: Fault): (asked: Asked) => Fault | undefined {
  let used = false;
  return (asked) => {
    if (used || !match(asked)) return undefined;
    used = true;
    return fault;
  };
}

const isTop = ({ method, path }: Asked): boolean => method === 'GET' && path.endsWith(TOP);

describe.skipIf(!isRoot)(needing('pulling', { root: isRoot }), () => {
  it('brings an image here, unpacked, and asks one HEAD when it has it already', async () => {
    await using world = new World();
    await using registry = await new TestRegistry().listen();
    const digest = registry.put('team/app', 'v1', IMAGE);
    const name = `${registry.host}/team/app:v1`;
    const first = await pull(world, name);
    expect(first).toMatchObject({ isNew: true, image: { target: digest } });
    const image = await resolveImage(world.ctx, name);
    expect(image?.layers.map((dir) => readdirSync(`${dir}/etc`))).toEqual([['top'], ['base']]);
    expect(image?.config.Cmd).toEqual(['x']);
    expect(image?.repoDigests).toEqual([`${registry.host}/team/app@${digest}`]);
    registry.asked.length = 0;
    expect((await pull(world, name)).isNew).toBe(false);
    expect(registry.asked.map(({ method }) => method)).toEqual(['HEAD']);
    registry.asked.length = 0;
    expect((await pull(world, `${registry.host}/team/app@${digest}`)).isNew).toBe(false);
    expect(registry.asked).toEqual([]);
  });

  it('takes only what is new of a second image', async () => {
    await using world = new World();
    await using registry = await new TestRegistry().listen();
    registry.put('a', 'latest', { layers: IMAGE.layers.slice(0, 1), diffIds: IMAGE.diffIds.slice(0, 1) });
    registry.put('b', 'latest', IMAGE);
    await pull(world, `${registry.host}/a`);
    registry.asked.length = 0;
    await pull(world, `${registry.host}/b`);
    expect(registry.count('GET', new RegExp(BASE))).toBe(0);
    expect(registry.count('GET', new RegExp(TOP))).toBe(1);
  });

  it('does the work once when several want the same at the same time', async () => {
    await using world = new World();
    await using registry = await new TestRegistry().listen();
    for (const name of ['a', 'b', 'c']) registry.put(name, 'latest', IMAGE);
    await Promise.all(['a', 'b', 'c', 'a'].map((name) => pull(world, `${registry.host}/${name}`)));
    expect(registry.count('GET', new RegExp(BASE))).toBe(1);
    expect(registry.count('GET', new RegExp(TOP))).toBe(1);
    expect(readImages(world.ctx.layout)).toHaveLength(3);
  });

  it('chooses the platform of an index, and says which there are', async () => {
    await using world = new World();
    await using registry = await new TestRegistry().listen();
    const digest = registry.put('app', 'inner', { ...IMAGE, schema2: true });
    const size = registry.manifests.get(`app@${digest}`)?.bytes.length ?? 0;
    const manifests = [
      {
        mediaType: MEDIA.dockerManifest,
        digest: sha256('none'),
        size: 1,
        platform: { os: 'linux', architecture: 'arm64', variant: 'v8' },
      },
      { mediaType: MEDIA.dockerManifest, digest, size, platform: { os: 'linux', architecture: 'amd64' } },
      {
        mediaType: MEDIA.ociManifest,
        digest: sha256('att'),
        size: 1,
        platform: { os: 'unknown', architecture: 'unknown' },
      },
    ];
    const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: MEDIA.dockerIndex, manifests }));
    const index = registry.putManifest('app', 'latest', { type: MEDIA.dockerIndex, bytes });
    const name = `${registry.host}/app`;
    const { image } = await pull(world, name, {}, { platform: 'linux/amd64' });
    expect([image.target, image.manifest.digest]).toEqual([index, digest]);
    registry.asked.length = 0;
    await pull(world, name, {}, { platform: 'linux/amd64' });
    expect(registry.asked.map(({ method }) => method)).toEqual(['HEAD']);
    const wrong = pull(world, name, {}, { platform: 'linux/s390x' });
    await expect(wrong).rejects.toMatchObject({
      code: 'image-not-found',
      hint: expect.stringContaining('linux/arm64/v8'),
    });
  });

  it('follows a tag that moved, and keeps the old image without a name', async () => {
    await using world = new World();
    await using registry = await new TestRegistry().listen();
    registry.put('app', 'latest', { layers: IMAGE.layers.slice(0, 1), diffIds: IMAGE.diffIds.slice(0, 1) });
    const old = await pull(world, `${registry.host}/app`);
    registry.put('app', 'latest', IMAGE);
    const fresh = await pull(world, `${registry.host}/app`);
    expect(fresh.image.id).not.toBe(old.image.id);
    const images = readImages(world.ctx.layout);
    expect(images.map(({ id, name }) => [id, name !== undefined])).toEqual([
      [old.image.id, false],
      [fresh.image.id, true],
    ]);
  });

  it('makes no request offline', async () => {
    await using world = new World();
    await using registry = await new TestRegistry().listen();
    registry.put('app', 'latest', IMAGE);
    await expect(pull(world, `${registry.host}/app`, {}, { offline: true })).rejects.toMatchObject({
      code: 'registry',
    });
    expect(registry.asked).toEqual([]);
    await pull(world, `${registry.host}/app`);
    const asked = registry.asked.length;
    expect((await pull(world, `${registry.host}/app`, {}, { offline: true })).isNew).toBe(false);
    expect(registry.asked).toHaveLength(asked);
  });

  it('says that there is no such image', async () => {
    await using world = new World();
    await using registry = await new TestRegistry().listen();
    await expect(pull(world, `${registry.host}/nothing`)).rejects.toMatchObject({ code: 'image-not-found' });
  });
});

describe.skipIf(!isRoot)(needing('pulling from a registry that fails', { root: isRoot }), () => {
  const faults: readonly (readonly [string, Fault])[] = [
    ['503', { kind: 'status', status: 503 }],
    ['429 with a time to wait', { kind: 'status', status: 429, retryAfter: '0' }],
    ['a connection that is cut', { kind: 'cut', after: 1000 }],
    ['a connection that stalls', { kind: 'stall', after: 1000 }],
    ['a wrong byte', { kind: 'wrong' }],
  ];
  it.each(faults)('gets over %s', async (_, fault) => {
    await using world = new World();
    await using registry = await new TestRegistry({ fault: once(isTop, fault) }).listen();
    registry.put('app', 'latest', IMAGE);
    await pull(world, `${registry.host}/app`);
    expect(readFileSync(blobFile(world.ctx.layout, TOP)).equals(IMAGE.layers[1] ?? Buffer.alloc(0))).toBe(
      true,
    );
    const image = await resolveImage(world.ctx, `${registry.host}/app`);
    expect(readFileSync(`${image?.layers[0]}/etc/top`).length).toBe(300_000);
    expect(registry.count('GET', new RegExp(TOP))).toBe(2);
  });

  it('asks for the rest only, after a cut', async () => {
    await using world = new World();
    const cut = { kind: 'cut', after: 1000 } as const;
    await using registry = await new TestRegistry({ fault: once(isTop, cut) }).listen();
    registry.put('app', 'latest', IMAGE);
    await pull(world, `${registry.host}/app`);
    expect(registry.asked.filter(isTop).map(({ range }) => range)).toEqual([
      undefined,
      expect.stringMatching(/^bytes=[1-9]\d*-$/),
    ]);
  });

  it('copes with a server that ignores ranges', async () => {
    await using world = new World();
    let cut = false;
    const fault = (asked: Asked): Fault | undefined => {
      if (!isTop(asked)) return undefined;
      if (cut) return { kind: 'no-range' };
      cut = true;
      return { kind: 'cut', after: 1000 };
    };
    await using registry = await new TestRegistry({ fault }).listen();
    registry.put('app', 'latest', IMAGE);
    await pull(world, `${registry.host}/app`);
    expect(existsSync(blobFile(world.ctx.layout, TOP))).toBe(true);
  });

  it.each([
    ['always another content', { kind: 'wrong' } as const, 'digest-mismatch'],
    ['always 500', { kind: 'status', status: 500 } as const, 'registry'],
    ['access refused', { kind: 'status', status: 403 } as const, 'registry'],
  ])('gives up on %s and keeps nothing that counts', async (_, fault, code) => {
    await using world = new World();
    await using registry = await new TestRegistry({
      fault: (asked) => (isTop(asked) ? fault : undefined),
    }).listen();
    registry.put('app', 'latest', IMAGE);
    await expect(pull(world, `${registry.host}/app`)).rejects.toMatchObject({ code });
    expect(existsSync(blobFile(world.ctx.layout, TOP))).toBe(false);
    expect(readImages(world.ctx.layout)).toEqual([]);
    expect(await resolveImage(world.ctx, `${registry.host}/app`)).toBeUndefined();
    expect(
      readdirSync(storeFiles(world.ctx.layout).ingest).filter((name) => name.startsWith('layer')),
    ).toEqual([]);
  });

  it('goes on from what a killed pull left, whatever that is', async () => {
    await using world = new World();
    await using registry = await new TestRegistry().listen();
    registry.put('app', 'latest', IMAGE);
    const whole = IMAGE.layers[1] ?? Buffer.alloc(0);
    mkdirSync(storeFiles(world.ctx.layout).ingest, { recursive: true });
    const partial = partialFile(world.ctx.layout, TOP);
    writeFileSync(partial, whole);
    truncateSync(partial, 777);
    await pull(world, `${registry.host}/app`);
    expect(registry.asked.filter(isTop).map(({ range }) => range)).toEqual(['bytes=777-']);
    for (const rubbish of [
      Buffer.alloc(500, 1),
      Buffer.concat([whole, whole]),
      Buffer.alloc(whole.length, 2),
    ]) {
      await using other = new World();
      mkdirSync(storeFiles(other.ctx.layout).ingest, { recursive: true });
      writeFileSync(partialFile(other.ctx.layout, TOP), rubbish);
      await pull(other, `${registry.host}/app`);
      expect(readFileSync(blobFile(other.ctx.layout, TOP)).equals(whole)).toBe(true);
    }
  });

  it('does not take a manifest that is not what was asked for', async () => {
    await using world = new World();
    await using registry = await new TestRegistry().listen();
    registry.put('app', 'latest', IMAGE);
    const digest = sha256('something else');
    registry.manifests.set(`app@${digest}`, { type: MEDIA.ociManifest, bytes: Buffer.from('{}') });
    await expect(pull(world, `${registry.host}/app@${digest}`)).rejects.toMatchObject({
      code: 'digest-mismatch',
    });
  });

  it('refuses a hostile layer and leaves nothing outside', async () => {
    await using world = new World();
    await using registry = await new TestRegistry().listen();
    const evil = tar({ name: '../../../../evil', content: 'x' });
    registry.put('app', 'latest', { layers: [gzipSync(evil)], diffIds: [sha256(evil)] });
    await expect(pull(world, `${registry.host}/app`)).rejects.toMatchObject({ code: 'image-invalid' });
    expect(readdirSync(world.dir)).toEqual(['state']);
  });

  it('refuses a layer that unpacks to something else than its image says', async () => {
    await using world = new World();
    await using registry = await new TestRegistry().listen();
    registry.put('app', 'latest', { layers: IMAGE.layers, diffIds: [...IMAGE.diffIds].reverse() });
    await expect(pull(world, `${registry.host}/app`)).rejects.toMatchObject({ code: 'digest-mismatch' });
    expect(readdirSync(storeFiles(world.ctx.layout).layers)).toEqual([]);
  });

  it('refuses a bomb', async () => {
    await using world = new World();
    await using registry = await new TestRegistry().listen();
    const zeros = Buffer.alloc(64 * 1024 * 1024);
    // ten members of gzip, one after the other, make 1.3 GB out of 1.3 MB
    const head = tar({
      name: 'bomb',
      raw: { 124: `${(1_400_000_000).toString(8).padStart(11, '0')}\0` },
    }).subarray(0, 512);
    const member = gzipSync(zeros);
    const layer = Buffer.concat([gzipSync(head), ...Array.from({ length: 21 }, () => member)]);
    registry.put('app', 'latest', { layers: [layer], diffIds: [sha256('whatever')] });
    await expect(pull(world, `${registry.host}/app`)).rejects.toMatchObject({
      code: 'image-invalid',
      message: expect.stringContaining('more than'),
    });
    expect(readdirSync(storeFiles(world.ctx.layout).layers)).toEqual([]);
  });
});

describe.skipIf(!isRoot)(needing('authentication', { root: isRoot }), () => {
  it.each(['basic', 'token'] as const)(
    'answers a %s challenge with the credential of Docker',
    async (auth) => {
      await using world = new World();
      await using registry = await new TestRegistry({ auth }).listen();
      registry.put('app', 'latest', IMAGE);
      const environment = dockerConfig(world, registry.host);
      await pull(world, `${registry.host}/app`, environment);
      expect(registry.count('GET', /^\/token/)).toBe(auth === 'token' ? 1 : 0);
      await tagImage(world.ctx, `${registry.host}/app`, `${registry.host}/copy:1`);
      await push(world, `${registry.host}/copy:1`, environment);
      expect(registry.manifests.has('copy:1')).toBe(true);
    },
  );

  it.each(['basic', 'token'] as const)('says what to do when a %s registry refuses', async (auth) => {
    await using world = new World();
    await using registry = await new TestRegistry({ auth }).listen();
    registry.put('app', 'latest', IMAGE);
    for (const environment of [{}, dockerConfig(world, registry.host, 'wrong')]) {
      const refused = pull(world, `${registry.host}/app`, { HOME: world.dir, ...environment });
      await expect(refused).rejects.toMatchObject({
        code: 'registry',
        hint: expect.stringContaining('login'),
      });
    }
  });

  it('asks a credential helper', async () => {
    await using world = new World();
    await using registry = await new TestRegistry({ auth: 'token' }).listen();
    registry.put('app', 'latest', IMAGE);
    const helper = world.path('docker-credential-test');
    writeFileSync(
      helper,
      `#!/bin/sh\nread server; [ "$1 $server" = "get ${registry.host}" ] || exit 1\nprintf '{"ServerURL":"%s","Username":"${USER}","Secret":"${PASSWORD}"}' "$server"\n`,
    );
    chmodSync(helper, 0o755);
    mkdirSync(world.path('docker'));
    writeFileSync(
      world.path('docker/config.json'),
      JSON.stringify({ credHelpers: { [registry.host]: 'test' } }),
    );
    const environment = { DOCKER_CONFIG: world.path('docker'), PATH: `${world.dir}:/usr/bin:/bin` };
    expect((await pull(world, `${registry.host}/app`, environment)).isNew).toBe(true);
  });

  it('does not send a password to another server that a redirect names', async () => {
    await using world = new World();
    await using other = await new TestRegistry().listen();
    other.put('app', 'latest', IMAGE);
    await using registry = await new TestRegistry({
      auth: 'basic',
      fault: ({ path }) => (path.includes('/blobs/') ? { kind: 'redirect', to: other.host } : undefined),
    }).listen();
    registry.put('app', 'latest', IMAGE);
    await pull(world, `${registry.host}/app`, dockerConfig(world, registry.host));
    expect(registry.asked.filter(({ authorization }) => authorization === undefined)).toHaveLength(1);
    expect(other.asked.map(({ authorization }) => authorization)).toEqual([undefined, undefined, undefined]);
  });

  it('renews a token before the pieces of an upload, which cannot be sent twice', async () => {
    await using world = new World();
    await using registry = await new TestRegistry({ auth: 'token', tokenLifeS: 1 }).listen();
    registry.put('app', 'latest', IMAGE);
    const environment = dockerConfig(world, registry.host);
    await pull(world, `${registry.host}/app`, environment);
    await tagImage(world.ctx, `${registry.host}/app`, `${registry.host}/copy:1`);
    registry.linked.clear();
    await push(world, `${registry.host}/copy:1`, environment, 500);
    const pieces = registry.asked.filter(({ method }) => method === 'PATCH');
    expect(pieces.length).toBeGreaterThan(2);
    expect(pieces.filter(({ authorization }) => authorization === undefined)).toEqual([]);
  });

  const auth = Buffer.from(`${USER}:${PASSWORD}`).toString('base64');
  it.each([
    [
      'REGISTRY_AUTH_FILE',
      (dir: string) => ({ REGISTRY_AUTH_FILE: `${dir}/auth.json` }),
      'team/app',
      { auth },
    ],
    ['the runtime directory', (dir: string) => ({ XDG_RUNTIME_DIR: dir }), '', { auth }],
    ['the configuration of containers', (dir: string) => ({ XDG_CONFIG_HOME: dir }), 'team', { auth }],
    ['Docker, as a URL', (dir: string) => ({ DOCKER_CONFIG: dir }), 'v2/', { auth }],
    [
      'Docker, an identity token',
      (dir: string) => ({ HOME: dir }),
      '',
      { auth: '', identitytoken: IDENTITY },
    ],
    [
      'DOCKER_AUTH_CONFIG',
      (dir: string) => ({ DOCKER_AUTH_CONFIG: readFileSync(`${dir}/auth.json`, 'utf8') }),
      '',
      { username: USER, password: PASSWORD },
    ],
  ])('finds the credential of %s', async (where, environmentOf, path, entry) => {
    await using world = new World();
    await using registry = await new TestRegistry({ auth: 'token' }).listen();
    registry.put('team/app', 'latest', IMAGE);
    const scheme = where.endsWith('URL') ? 'https://' : '';
    const key = `${scheme}${registry.host}${path === '' ? '' : `/${path}`}`;
    const wrong = Buffer.from('somebody:else').toString('base64');
    const auths = {
      [`${registry.host}/team/other`]: { auth: wrong },
      'r.test': { auth: wrong },
      [key]: entry,
    };
    for (const file of ['auth.json', 'containers/auth.json', 'config.json', '.docker/config.json']) {
      mkdirSync(world.path(`home/${dirname(file)}`), { recursive: true });
      writeFileSync(world.path(`home/${file}`), JSON.stringify({ auths }));
    }
    const environment = environmentOf(world.path('home'));
    expect((await pull(world, `${registry.host}/team/app`, environment)).isNew).toBe(true);
    expect(registry.count('POST', /^\/token/)).toBe('identitytoken' in entry ? 1 : 0);
  });

  it('says which helper is missing, and goes on without a credential that a helper does not have', async () => {
    await using world = new World();
    await using registry = await new TestRegistry({ auth: 'token' }).listen();
    registry.put('app', 'latest', IMAGE);
    mkdirSync(world.path('docker'));
    writeFileSync(world.path('docker/config.json'), '{"credsStore":"test"}');
    const environment = { DOCKER_CONFIG: world.path('docker'), PATH: `${world.dir}:/usr/bin:/bin` };
    await expect(pull(world, `${registry.host}/app`, environment)).rejects.toMatchObject({
      code: 'registry',
      message: expect.stringContaining('docker-credential-test'),
    });
    const helper = world.path('docker-credential-test');
    writeFileSync(helper, '#!/bin/sh\necho credentials not found in native keychain\nexit 1\n');
    chmodSync(helper, 0o755);
    const refused = pull(world, `${registry.host}/app`, environment);
    await expect(refused).rejects.toMatchObject({ hint: expect.stringContaining('login') });
    writeFileSync(helper, `#!/bin/sh\nprintf '{"Username":"<token>","Secret":"${IDENTITY}"}'\n`);
    expect((await pull(world, `${registry.host}/app`, environment)).isNew).toBe(true);
  });
});

describe.skipIf(!isRoot)(needing('TLS, mirrors and proxies', { root: isRoot }), () => {
  it('trusts a private CA that SSL_CERT_FILE names, and refuses without', async () => {
    await using world = new World();
    if (!makeCertificates(world.dir)) return;
    await using registry = await new TestRegistry({ tls: world.dir, auth: 'token' }).listen();
    registry.put('app', 'latest', IMAGE);
    const config = dockerConfig(world, registry.host);
    const name = `${registry.host}/app`;
    await expect(pull(world, name, config)).rejects.toMatchObject({
      code: 'registry',
      hint: expect.stringContaining('CA'),
    });
    mkdirSync(world.path('certs'));
    copyFileSync(world.path('ca.crt'), world.path('certs/own.pem'));
    for (const trust of [
      { SSL_CERT_FILE: world.path('ca.crt') },
      { NODE_EXTRA_CA_CERTS: world.path('ca.crt') },
      { SSL_CERT_DIR: world.path('certs') },
    ]) {
      await using other = new World();
      expect((await pull(other, name, { ...config, ...trust })).isNew).toBe(true);
    }
  });

  it('reads the mirrors and insecure registries of daemon.json and of the own file', async () => {
    await using mirror = await new TestRegistry().listen();
    mirror.put('library/app', 'latest', IMAGE);
    mirror.put('team/app', 'v1', IMAGE);
    for (const [file, document] of [
      ['docker/daemon.json', { 'registry-mirrors': [`http://${mirror.host}`] }],
      ['tscompose/registries.json', { mirrors: { 'docker.io': [`http://${mirror.host}/`] } }],
    ] as const) {
      await using world = new World();
      mkdirSync(world.path(dirname(file)), { recursive: true });
      const all = { ...document, 'insecure-registries': ['10.9.0.0/16'], insecure: ['10.9.0.0/16'] };
      writeFileSync(world.path(file), JSON.stringify(all));
      const environment = { XDG_CONFIG_HOME: world.dir };
      expect((await pull(world, 'app', environment)).image.name).toBe('docker.io/library/app:latest');
      expect((await pull(world, 'docker.io/team/app:v1', environment)).isNew).toBe(true);
      const registries = readRegistries(environment);
      expect(endpointsOf(parseReference('10.9.1.1:80/x'), registries)).toMatchObject([{ insecure: true }]);
      writeFileSync(world.path(file), '{"registry-mirrors": 1, "mirrors": 1}');
      expect(() => readRegistries(environment)).toThrow(file);
    }
  });

  it('rewrites locations as registries.conf says, of short names too, also in parts of the file', async () => {
    await using world = new World();
    await using registry = await new TestRegistry().listen();
    registry.put('cache/hub/app', 'latest', IMAGE);
    registry.put('cache/app', 'latest', IMAGE);
    mkdirSync(world.path('containers/registries.conf.d'), { recursive: true });
    writeFileSync(
      world.path('containers/registries.conf'),
      `short-name-mode = "enforcing"\n[[registry]]\nprefix = "docker.io/library"\nlocation = "${registry.host}/cache/hub"\n`,
    );
    writeFileSync(
      world.path('containers/registries.conf.d/50-more.conf'),
      `[[registry]]\nprefix = "*.example.com"\nlocation = "${registry.host}/cache"\n[[registry]]\nprefix = "bad.example.com"\nblocked = true\n`,
    );
    const environment = { XDG_CONFIG_HOME: world.dir };
    expect((await pull(world, 'app', environment)).image.name).toBe('docker.io/library/app:latest');
    await pull(world, 'some.example.com/app', environment);
    await expect(pull(world, 'bad.example.com/app', environment)).rejects.toThrow('blocked');
    expect(registry.count('HEAD', /cache/)).toBe(2);
  });

  it.each([
    ['wrong bytes', { kind: 'wrong' } as const],
    ['half of it', { kind: 'cut', after: 500 } as const],
    ['nothing any more', { kind: 'stall', after: 500 } as const],
  ])('asks the origin when a mirror gives %s', async (_, fault) => {
    await using world = new World();
    await using mirror = await new TestRegistry({
      fault: (asked) => (isTop(asked) ? fault : undefined),
    }).listen();
    await using origin = await new TestRegistry().listen();
    for (const registry of [mirror, origin]) registry.put('app', 'latest', IMAGE);
    writeFileSync(
      world.path('registries.json'),
      JSON.stringify({ mirrors: { [origin.host]: [`http://${mirror.host}`] } }),
    );
    await pull(world, `${origin.host}/app`, { TSCOMPOSE_REGISTRIES: world.path('registries.json') });
    expect(mirror.asked.filter(isTop).length).toBeGreaterThan(0);
    expect(origin.asked.filter(isTop)).toHaveLength(1);
    expect(readFileSync(blobFile(world.ctx.layout, TOP)).equals(IMAGE.layers[1] ?? Buffer.alloc(0))).toBe(
      true,
    );
  });

  it('asks mirrors first and the origin when they fail', async () => {
    await using world = new World();
    await using mirror = await new TestRegistry().listen();
    await using origin = await new TestRegistry().listen();
    mirror.put('cache/app', 'latest', IMAGE);
    origin.put('app', 'latest', IMAGE);
    const conf = world.path('registries.conf');
    writeFileSync(
      conf,
      `unqualified-search-registries = ["docker.io"]\n[[registry]]\nprefix = "${origin.host}"\nlocation = "${origin.host}" # here\n[[registry.mirror]]\nlocation = "${mirror.host}/cache"\ninsecure = true\n`,
    );
    const environment = { CONTAINERS_REGISTRIES_CONF: conf };
    await pull(world, `${origin.host}/app`, environment);
    expect(origin.asked).toEqual([]);
    expect(mirror.asked.length).toBeGreaterThan(0);
    mirror.manifests.clear();
    await using other = new World();
    await pull(other, `${origin.host}/app`, environment);
    expect(origin.count('GET', /manifests/)).toBe(1);
  });

  it('refuses a blocked registry', async () => {
    await using world = new World();
    const conf = world.path('registries.conf');
    writeFileSync(conf, '[[registry]]\nprefix = "bad.example.com"\nblocked = true\n');
    await expect(
      pull(world, 'bad.example.com/app', { CONTAINERS_REGISTRIES_CONF: conf }),
    ).rejects.toMatchObject({ code: 'registry', message: expect.stringContaining('blocked') });
  });
});

describe.skipIf(!isRoot)(needing('pushing', { root: isRoot }), () => {
  it.each([undefined, 500])(
    'gives a registry what another one can pull (pieces of %s bytes)',
    async (chunkSize) => {
      await using world = new World();
      await using from = await new TestRegistry().listen();
      await using to = await new TestRegistry().listen();
      const digest = from.put('app', 'latest', IMAGE);
      await pull(world, `${from.host}/app`);
      await tagImage(world.ctx, `${from.host}/app`, `${to.host}/new/app:v2`);
      const pushed = await push(world, `${to.host}/new/app:v2`, {}, chunkSize);
      expect(pushed.digest).toBe(digest);
      const pieces = [...to.blobs.values()].map(({ length }) => Math.ceil(length / (chunkSize ?? length)));
      const expected = chunkSize === undefined ? 0 : pieces.reduce((sum, count) => sum + count, 0);
      expect(to.count('PATCH', /uploads/)).toBe(expected);
      await using other = new World();
      expect((await pull(other, `${to.host}/new/app:v2`)).image.target).toBe(digest);
      to.asked.length = 0;
      await push(world, `${to.host}/new/app:v2`);
      expect(to.count('POST', /./)).toBe(0);
    },
  );

  it('mounts blobs that the registry has in another repository', async () => {
    await using world = new World();
    await using registry = await new TestRegistry().listen();
    registry.put('app', 'latest', IMAGE);
    await pull(world, `${registry.host}/app`);
    await tagImage(world.ctx, `${registry.host}/app`, `${registry.host}/fork:1`);
    await push(world, `${registry.host}/fork:1`);
    expect(registry.count('POST', /mount=/)).toBe(3);
    expect(registry.count('PUT', /uploads/)).toBe(0);
  });

  it('starts an upload again that failed in the middle', async () => {
    await using world = new World();
    await using from = await new TestRegistry().listen();
    const isUpload = ({ method }: Asked): boolean => method === 'PUT';
    await using to = await new TestRegistry({
      fault: once(isUpload, { kind: 'status', status: 502 }),
    }).listen();
    from.put('app', 'latest', IMAGE);
    await pull(world, `${from.host}/app`);
    await tagImage(world.ctx, `${from.host}/app`, `${to.host}/app:1`);
    await push(world, `${to.host}/app:1`);
    expect(to.blobs.get(TOP)?.equals(IMAGE.layers[1] ?? Buffer.alloc(0))).toBe(true);
    expect(to.count('POST', /uploads/)).toBe(4);
  });

  it('says that there is nothing to push', async () => {
    await using world = new World();
    await expect(push(world, '127.0.0.1:1/app:1')).rejects.toMatchObject({ code: 'image-not-found' });
  });
});

describe.skipIf(!isRoot)(needing('a store that lost something', { root: isRoot }), () => {
  it('pulls what is missing, and unpacks layers that are gone from their blobs', async () => {
    await using world = new World();
    await using registry = await new TestRegistry().listen();
    registry.put('app', 'latest', IMAGE);
    const name = `${registry.host}/app`;
    await pull(world, name);
    const { layers } = storeFiles(world.ctx.layout);
    rmSync(layers, { recursive: true });
    mkdirSync(layers);
    registry.asked.length = 0;
    const image = await resolveImage(world.ctx, name);
    expect(statSync(`${image?.layers[0]}/etc/top`).size).toBe(300_000);
    expect(registry.asked).toEqual([]);
    rmSync(blobFile(world.ctx.layout, TOP));
    await pull(world, name);
    expect(existsSync(blobFile(world.ctx.layout, TOP))).toBe(true);
  });
});
