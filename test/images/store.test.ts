// The store: archives in and out, names, what may be removed, what a check finds, images made here.
import { spawnSync } from 'node:child_process';
import {
  appendFileSync,
  createReadStream,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { loadArchive } from '../../src/images/archive.ts';
import { authorImage } from '../../src/images/author.ts';
import { checkStore, diskUsage } from '../../src/images/check.ts';
import { pruneImages, removeImage } from '../../src/images/collect.ts';
import { describeImage, historyOf } from '../../src/images/describe.ts';
import { mountsToShow } from '../../src/images/host.ts';
import { listImages, resolveImage, tagImage } from '../../src/images/image.ts';
import { importImage } from '../../src/images/import.ts';
import { mayBeTorn } from '../../src/images/ingest.ts';
import { saveArchive } from '../../src/images/save.ts';
import { snapshotOf } from '../../src/images/snapshot.ts';
import { blobFile, chainIds, layerDiff, readImages, storeFiles } from '../../src/images/store.ts';
import { packChanges, packTree, statInside, unpackTree } from '../../src/images/trees.ts';
import { isRoot, needing } from '../support/machine.ts';
import { sha256, tar, World } from './world.ts';

const BASE = tar({ name: 'bin/', type: '5', mode: 0o755 }, { name: 'bin/sh', content: 'shell', mode: 0o755 });
const TOP = tar({ name: 'app', content: 'application' });
const NOTHING: ReadonlySet<string> = new Set();

async function bytesOf(source: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of source) chunks.push(chunk);
  return Buffer.concat(chunks);
}

async function* streamOf(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 1000) yield bytes.subarray(at, at + 1000);
}

describe.skipIf(!isRoot)(needing('loading', { root: isRoot }), () => {
  it.each([
    ['gzip', (bytes: Uint8Array) => gzipSync(bytes)],
    ['no', (bytes: Uint8Array) => bytes],
    [
      'several members of gzip as',
      (bytes: Uint8Array) => Buffer.concat([gzipSync(bytes.subarray(0, 700)), gzipSync(bytes.subarray(700))]),
    ],
    ['zstd', (bytes: Uint8Array) => spawnSync('zstd', ['-c'], { input: bytes }).stdout],
    [
      'zstd in several frames, one of them to be skipped, as',
      (bytes: Uint8Array) =>
        Buffer.concat([
          Buffer.from('502a4d1804000000aabbccdd', 'hex'),
          ...[bytes.subarray(0, 900), bytes.subarray(900)].map(
            (part) => spawnSync('zstd', ['-19', '-c'], { input: part }).stdout,
          ),
        ]),
    ],
  ])('takes layers with %s compression', async (_, compress) => {
    await using world = new World();
    const dir = world.layout('oci', { layers: [BASE, TOP], compress });
    await loadArchive(world.ctx, dir, { name: 'app:1' });
    const image = await resolveImage(world.ctx, 'app:1');
    expect(image?.layers.map((layer) => readdirSync(layer))).toEqual([['app'], ['bin']]);
  });

  it('saves what others and itself can load, with names and digests', async () => {
    await using world = new World();
    const [loaded] = await loadArchive(
      world.ctx,
      world.layout('oci', { layers: [BASE, TOP], config: { Cmd: ['/app'] } }),
      { name: 'team/app:1' },
    );
    const archive = world.path('saved.tar');
    writeFileSync(archive, await bytesOf(saveArchive(world.ctx, ['team/app:1'])));
    for (const source of [archive, streamOf(gzipSync(readFileSync(archive)))]) {
      await using other = new World();
      const [again] = await loadArchive(other.ctx, source);
      expect([again?.id, again?.manifest.digest, again?.name]).toEqual([
        loaded?.id,
        loaded?.manifest.digest,
        'docker.io/team/app:1',
      ]);
    }
    const manifest = JSON.parse(
      spawnSync('tar', ['-xOf', archive, 'manifest.json'], { encoding: 'utf8' }).stdout,
    );
    expect(manifest).toEqual([
      {
        Config: expect.any(String),
        RepoTags: ['team/app:1'],
        Layers: [expect.any(String), expect.any(String)],
      },
    ]);
  });

  it('loads an archive of the older form of docker save, links included', async () => {
    await using world = new World();
    const dir = world.path('old');
    mkdirSync(`${dir}/aaa`, { recursive: true });
    mkdirSync(`${dir}/bbb`);
    writeFileSync(`${dir}/aaa/layer.tar`, BASE);
    symlinkSync('../aaa/layer.tar', `${dir}/bbb/layer.tar`);
    const config = {
      os: 'linux',
      architecture: 'amd64',
      config: { Cmd: ['sh'], Entrypoint: null },
      rootfs: { type: 'layers', diff_ids: [sha256(BASE), sha256(BASE)] },
    };
    writeFileSync(`${dir}/config.json`, JSON.stringify(config));
    writeFileSync(
      `${dir}/manifest.json`,
      JSON.stringify([
        { Config: 'config.json', RepoTags: ['old:1', 'old:2'], Layers: ['aaa/layer.tar', 'bbb/layer.tar'] },
      ]),
    );
    spawnSync('tar', ['-C', dir, '-cf', world.path('old.tar'), '.']);
    await loadArchive(world.ctx, world.path('old.tar'));
    expect(readImages(world.ctx.layout).map(({ name }) => name)).toEqual([
      'docker.io/library/old:1',
      'docker.io/library/old:2',
    ]);
    expect((await resolveImage(world.ctx, 'old:2'))?.layers).toHaveLength(2);
  });

  it('does not follow a link that leads out of the archive', async () => {
    await using world = new World();
    writeFileSync(world.path('secret'), BASE);
    const dir = world.path('evil');
    mkdirSync(dir);
    symlinkSync(world.path('secret'), `${dir}/layer.tar`);
    writeFileSync(
      `${dir}/config.json`,
      JSON.stringify({
        os: 'linux',
        architecture: 'amd64',
        config: {},
        rootfs: { type: 'layers', diff_ids: [sha256(BASE)] },
      }),
    );
    writeFileSync(
      `${dir}/manifest.json`,
      JSON.stringify([{ Config: 'config.json', RepoTags: ['evil:1'], Layers: ['layer.tar'] }]),
    );
    await expect(loadArchive(world.ctx, dir)).rejects.toMatchObject({ code: 'image-invalid' });
  });

  it.each([
    ['wrong bytes in a blob', (dir: string) => corrupt(dir, 'layer')],
    ['a wrong manifest', (dir: string) => corrupt(dir, 'manifest')],
    [
      'a blob that is missing',
      (dir: string) => rmSync(`${dir}/blobs/sha256/${sha256(gzipSync(TOP)).slice(7)}`),
    ],
    ['an index that is no JSON', (dir: string) => writeFileSync(`${dir}/index.json`, '{')],
  ])('refuses a layout with %s and keeps no image', async (_, damage) => {
    await using world = new World();
    const dir = world.layout('oci', { layers: [BASE, TOP] });
    damage(dir);
    await expect(loadArchive(world.ctx, dir, { name: 'app:1' })).rejects.toThrow();
    expect(readImages(world.ctx.layout)).toEqual([]);
  });

  it('says what is no archive of images', async () => {
    await using world = new World();
    await expect(loadArchive(world.ctx, streamOf(BASE))).rejects.toMatchObject({
      code: 'image-invalid',
      hint: expect.stringContaining('import'),
    });
    await expect(loadArchive(world.ctx, world.path('none'))).rejects.toMatchObject({
      code: 'file-not-found',
    });
    await expect(
      loadArchive(world.ctx, streamOf(Buffer.from('no tar at all'.repeat(100)))),
    ).rejects.toMatchObject({ code: 'image-invalid' });
  });
});

function corrupt(dir: string, what: 'layer' | 'manifest'): void {
  const index = JSON.parse(readFileSync(`${dir}/index.json`, 'utf8'));
  const digest = what === 'layer' ? sha256(gzipSync(TOP)) : index.manifests[0].digest;
  const path = `${dir}/blobs/sha256/${digest.slice(7)}`;
  const bytes = readFileSync(path);
  bytes[bytes.length - 1] = (bytes[bytes.length - 1] ?? 0) ^ 1;
  writeFileSync(path, bytes);
}

describe.skipIf(!isRoot)(needing('names and removal', { root: isRoot }), () => {
  async function withTwo(world: World): Promise<string[]> {
    const one = await loadArchive(world.ctx, world.layout('one', { layers: [BASE] }), { name: 'one:1' });
    const two = await loadArchive(world.ctx, world.layout('two', { layers: [BASE, TOP] }), { name: 'two:1' });
    return [...one, ...two].map(({ id }) => id);
  }

  it('finds images by every kind of name', async () => {
    await using world = new World();
    const [id = ''] = await withTwo(world);
    for (const name of ['one:1', 'docker.io/library/one:1', id, id.slice(7), id.slice(7, 19)])
      expect((await resolveImage(world.ctx, name))?.id).toBe(id);
    for (const name of ['one', 'one:2', 'other/one:1', 'ffff'.repeat(16)])
      expect(await resolveImage(world.ctx, name)).toBeUndefined();
  });

  it('keeps what another image or a container needs, and frees the rest', async () => {
    await using world = new World();
    const [one = '', two = ''] = await withTwo(world);
    await tagImage(world.ctx, 'one:1', 'alias:9');
    expect(await removeImage(world.ctx, 'one:1', { inUse: () => NOTHING })).toMatchObject({ deleted: [] });
    await expect(removeImage(world.ctx, 'alias:9', { inUse: () => new Set([one]) })).rejects.toMatchObject({
      code: 'image-in-use',
    });
    expect(await removeImage(world.ctx, 'alias:9', { inUse: () => NOTHING })).toMatchObject({
      deleted: [one],
    });
    const image = await resolveImage(world.ctx, 'two:1');
    expect(image?.layers.every((layer) => existsSync(layer))).toBe(true);
    expect(await pruneImages(world.ctx, { inUse: () => NOTHING })).toMatchObject({ deleted: [] });
    expect(await pruneImages(world.ctx, { inUse: () => new Set([two]), all: true })).toMatchObject({
      deleted: [],
    });
    expect(await pruneImages(world.ctx, { inUse: () => NOTHING, all: true })).toMatchObject({
      deleted: [two],
    });
    const { blobs, layers, ingest } = storeFiles(world.ctx.layout);
    expect([readdirSync(`${blobs}/sha256`), readdirSync(layers), readdirSync(ingest)]).toEqual([[], [], []]);
  });

  it('lists, describes and tells the history', async () => {
    await using world = new World();
    const [, two] = await withTwo(world);
    expect(listImages(world.ctx).map(({ name }) => name)).toEqual([
      'docker.io/library/two:1',
      'docker.io/library/one:1',
    ]);
    expect(describeImage(world.ctx, 'two:1')).toMatchObject({
      Id: two,
      RepoTags: ['two:1'],
      RootFS: { Layers: [sha256(BASE), sha256(TOP)] },
    });
    expect(historyOf(world.ctx, 'two:1').map(({ size }) => size)).toEqual([11, 5]);
    const usage = diskUsage(world.ctx, NOTHING);
    expect([usage.images, usage.active, usage.size === usage.reclaimable]).toEqual([2, 0, true]);
  });
});

describe.skipIf(!isRoot)(needing('checking', { root: isRoot }), () => {
  it('finds nothing in a store that is whole', async () => {
    await using world = new World();
    await loadArchive(world.ctx, world.layout('oci', { layers: [BASE, TOP] }), { name: 'app:1' });
    expect(await checkStore(world.ctx, { repair: true })).toMatchObject({
      blobs: 4,
      layers: 2,
      findings: [],
      pullAgain: [],
    });
  });

  it('finds a blob with other bytes, and a layer with other files, and repairs what it can', async () => {
    await using world = new World();
    const [image] = await loadArchive(world.ctx, world.layout('oci', { layers: [BASE, TOP] }), {
      name: 'app:1',
    });
    const [base = '', top = ''] = chainIds([sha256(BASE), sha256(TOP)]);
    const changed = `${layerDiff(world.ctx.layout, base)}/bin/sh`;
    writeFileSync(changed, 'SHELL');
    utimesSync(changed, 1_000_000_000, 1_000_000_000);
    const looked = await checkStore(world.ctx, { repair: false });
    expect(looked.findings).toEqual([
      { kind: 'layer', object: base, problem: '/bin/sh has another content' },
    ]);
    expect((await checkStore(world.ctx, { repair: true })).findings).toHaveLength(1);
    expect(readFileSync(changed, 'utf8')).toBe('shell');
    const blob = blobFile(world.ctx.layout, sha256(gzipSync(TOP)));
    appendFileSync(blob, 'x');
    const damaged = await checkStore(world.ctx, { repair: true });
    expect(damaged).toMatchObject({ findings: [{ kind: 'blob' }], pullAgain: ['docker.io/library/app:1'] });
    expect(existsSync(blob)).toBe(false);
    expect(existsSync(layerDiff(world.ctx.layout, top))).toBe(true);
    writeFileSync(blobFile(world.ctx.layout, image?.id ?? ''), '{}');
    expect(await checkStore(world.ctx, { repair: true })).toMatchObject({
      pullAgain: ['docker.io/library/app:1'],
    });
    expect(readImages(world.ctx.layout)).toEqual([]);
  });

  it('drops what may be torn when the machine went down while something was added', async () => {
    await using world = new World();
    const dir = world.layout('oci', { layers: [BASE, TOP] });
    await loadArchive(world.ctx, dir, { name: 'app:1' });
    expect(readdirSync(storeFiles(world.ctx.layout).unsynced)).toEqual([]);
    const torn = blobFile(world.ctx.layout, sha256('torn'));
    writeFileSync(torn, '');
    const blob = blobFile(world.ctx.layout, sha256(gzipSync(TOP)));
    writeFileSync(blob, Buffer.alloc(100));
    writeFileSync(`${storeFiles(world.ctx.layout).unsynced}/another-boot.1.0`, '');
    expect(mayBeTorn(world.ctx)).toBe(true);
    await loadArchive(world.ctx, dir, { name: 'app:2' });
    expect([existsSync(torn), readFileSync(blob).equals(gzipSync(TOP)), mayBeTorn(world.ctx)]).toEqual([
      false,
      true,
      false,
    ]);
  });
});

describe.skipIf(!isRoot)(needing('images made here', { root: isRoot }), () => {
  it('imports a file system with instructions of a Dockerfile', async () => {
    await using world = new World();
    const changes = [
      'CMD ["sh", "-c", "true"]',
      'ENV A=1 B="two words"',
      'EXPOSE 80',
      'LABEL x=y',
      'WORKDIR /w',
      'USER 5',
    ];
    await importImage(world.ctx, streamOf(gzipSync(BASE)), { name: 'made:1', changes });
    expect((await resolveImage(world.ctx, 'made:1'))?.config).toEqual({
      Cmd: ['sh', '-c', 'true'],
      Env: ['A=1', 'B=two words'],
      ExposedPorts: { '80/tcp': {} },
      Labels: { x: 'y' },
      WorkingDir: '/w',
      User: '5',
    });
    await expect(importImage(world.ctx, streamOf(BASE), { changes: ['RUN x'] })).rejects.toMatchObject({
      code: 'invalid-value',
    });
  });

  it('makes a layer of the changes in an overlay, whiteouts included, that unpacks to the same', async () => {
    await using world = new World();
    await loadArchive(world.ctx, world.layout('oci', { layers: [BASE, TOP] }), { name: 'app:1' });
    const image = await resolveImage(world.ctx, 'app:1');
    if (image === undefined) throw new Error('it is not here');
    const [upper, work, merged] = ['upper', 'work', 'merged'].map((name) => world.path(name));
    await snapshotOf(world.ctx, image).prepare(upper ?? '');
    const script = `mkdir -p ${work} ${merged} && mount -t overlay overlay -o lowerdir=${image.layers.join(':')},upperdir=${upper},workdir=${work} ${merged} && cd ${merged} &&
      rm app && rm -r bin && mkdir bin && echo new > bin/new && ln bin/new hard && ln -s bin soft && mkfifo pipe && chown 5:6 bin/new && truncate -s 100000 sparse && find . | sort`;
    const made = spawnSync('unshare', ['-m', 'sh', '-c', script], { encoding: 'utf8' });
    const layer = packChanges(world.ctx, upper ?? '');
    await authorImage(world.ctx, {
      base: 'app:1',
      layer,
      config: image.config,
      name: 'app:2',
      history: { comment: 'changed' },
    });
    const changed = await resolveImage(world.ctx, 'app:2');
    expect(changed?.layers).toHaveLength(3);
    const again = spawnSync(
      'unshare',
      [
        '-m',
        'sh',
        '-c',
        `mount -t overlay overlay -o lowerdir=${changed?.layers.join(':')} ${merged} && cd ${merged} && find . | sort && stat -c %u:%g:%h bin/new`,
      ],
      { encoding: 'utf8' },
    );
    expect(again.stdout).toBe(`${made.stdout}5:6:2\n`);
    expect((await checkStore(world.ctx, { repair: false })).findings).toEqual([]);
  });
});

describe.skipIf(!isRoot)(needing('trees as archives', { root: isRoot }), () => {
  it('packs every kind of file so that tar, and we, unpack the same', async () => {
    await using world = new World();
    const tree = world.path('tree');
    const long = 'n'.repeat(200);
    const script = `mkdir -p ${tree}/d/${long} && cd ${tree} && echo hi > f && ln f d/g && ln -s ${'t'.repeat(150)} s && mkfifo p && mknod c c 1 3 && chown 3000000000:7 f && chmod 4755 f &&
      touch -d '1960-01-01 00:00:00.25' d && touch -d '2020-01-01 00:00:00.123456789' f && head -c 700000 /dev/urandom > big && setfattr -n user.x -v y big 2>/dev/null; true`;
    spawnSync('sh', ['-c', script]);
    const archive = world.path('tree.tar');
    writeFileSync(archive, await bytesOf(packTree(world.ctx, { root: tree, path: '.', name: '', flags: 0 })));
    mkdirSync(world.path('ours'));
    mkdirSync(world.path('theirs'));
    await unpackTree(world.ctx, createReadStream(archive), {
      root: world.path('ours'),
      directory: '/',
      keepOwners: true,
    });
    expect(spawnSync('tar', ['-C', world.path('theirs'), '-xpf', archive, '--numeric-owner']).status).toBe(0);
    const listing = (dir: string): string =>
      spawnSync(
        'sh',
        [
          '-c',
          `cd ${dir} && find . ! -name . -printf '%p %y %m %U:%G %T@ %s %n %l\\n' | sed 's/^\\(.* d .*\\) [0-9]* [0-9]* $/\\1/' | sort && sha256sum big f`,
        ],
        { encoding: 'utf8' },
      ).stdout;
    expect(listing(world.path('ours'))).toBe(listing(tree));
    expect(listing(world.path('theirs'))).toBe(listing(tree));
  });

  it('resolves links as if the root were the root, in both directions', async () => {
    await using world = new World();
    const root = world.path('root');
    mkdirSync(`${root}/real`, { recursive: true });
    mkdirSync(world.path('real'));
    writeFileSync(world.path('real/secret'), 'outside');
    writeFileSync(`${root}/real/file`, 'inside');
    symlinkSync('/real', `${root}/absolute`);
    symlinkSync('../../../../real', `${root}/relative`);
    symlinkSync(world.path('real'), `${root}/out`);
    for (const link of ['absolute', 'relative']) {
      expect(statInside(root, `/${link}/file`)?.path).toBe('/real/file');
      const bytes = await bytesOf(packTree(world.ctx, { root, path: `/${link}/file`, name: 'f', flags: 0 }));
      expect(bytes.includes('inside')).toBe(true);
      await unpackTree(world.ctx, streamOf(tar({ name: link, content: 'new' })), {
        root,
        directory: `/${link}`,
        keepOwners: false,
      });
      expect(readFileSync(`${root}/real/${link}`, 'utf8')).toBe('new');
    }
    expect(statInside(root, '/out/secret')).toBeUndefined();
    await expect(
      bytesOf(packTree(world.ctx, { root, path: '/out/secret', name: 'f', flags: 0 })),
    ).rejects.toThrow();
    expect(readdirSync(world.path('real'))).toEqual(['secret']);
  });

  it('packs what is as deep as a path can be, and comes back up to what lies beside it', async () => {
    await using world = new World();
    const deep = `${'d/'.repeat(1200)}f`;
    await unpackTree(
      world.ctx,
      streamOf(
        tar(
          { name: 'f', content: 'deep', pax: { path: deep } },
          { name: 'after', pax: { path: `${'d/'.repeat(5)}z` }, content: 'beside' },
        ),
      ),
      { root: world.dir, directory: '/', keepOwners: true },
    );
    const bytes = await bytesOf(packTree(world.ctx, { root: world.dir, path: 'd', name: 'd', flags: 0 }));
    mkdirSync(world.path('copy'));
    await unpackTree(world.ctx, streamOf(bytes), {
      root: world.path('copy'),
      directory: '/',
      keepOwners: true,
    });
    const again = await bytesOf(
      packTree(world.ctx, { root: world.path('copy'), path: 'd', name: 'd', flags: 0 }),
    );
    expect(again.equals(bytes)).toBe(true);
    expect([bytes.includes(deep), bytes.includes('beside')]).toEqual([true, true]);
    // Node's own removal would not get down there
    await world.ctx.core.removeTreeAsync(world.path('copy'));
    await world.ctx.core.removeTreeAsync(world.path('d'));
  });

  it('ends when its reader goes away', async () => {
    await using world = new World();
    mkdirSync(world.path('tree'));
    writeFileSync(world.path('tree/big'), Buffer.alloc(5_000_000));
    for await (const chunk of packTree(world.ctx, {
      root: world.path('tree'),
      path: '.',
      name: '',
      flags: 0,
    })) {
      expect(chunk.length).toBeGreaterThan(0);
      break;
    }
    await pipeline(streamOf(BASE), async (source) => bytesOf(source));
  });
});

describe.skipIf(!isRoot)(needing('the machine as an image', { root: isRoot }), () => {
  it('hides secrets, and gives empty scratch directories', async () => {
    await using world = new World();
    const image = await resolveImage(world.ctx, 'host');
    if (image === undefined) throw new Error('there is no host');
    const snapshot = snapshotOf(world.ctx, image);
    expect(snapshot.lower).toEqual(['/']);
    for (const path of ['/etc/shadow', '/var/log'])
      if (existsSync(path)) expect(snapshot.masks).toContain(path);
    const upper = world.path('upper');
    await snapshot.prepare(upper);
    mkdirSync(world.path('work'));
    mkdirSync(world.path('merged'));
    const script = `mount -t overlay overlay -o lowerdir=/,upperdir=${upper},workdir=${world.path('work')} ${world.path('merged')} && cd ${world.path('merged')} && ls -A tmp var/tmp root home && touch tmp/x root/y && stat -c %a tmp root`;
    const { stdout } = spawnSync('unshare', ['-m', 'sh', '-c', script], { encoding: 'utf8' });
    expect(stdout.replace(/\s+/g, ' ')).toBe('home: root: tmp: var/tmp: 1777 700 ');
  });

  it('shows what is mounted apart, but for kernel interfaces and what hides something', () => {
    const line = (path: string, type: string): string => `30 1 8:1 / ${path} rw - ${type} /dev/x rw\n`;
    const mountinfo = [
      ['/', 'ext4'],
      ['/usr/local', 'xfs'],
      ['/usr', 'ext4'],
      ['/srv/a\\040b', 'nfs4'],
      ['/proc', 'proc'],
      ['/dev/shm', 'tmpfs'],
      ['/mnt', 'tmpfs'],
      ['/var', 'ext4'],
      ['/var/lib/docker', 'ext4'],
      ['/home', 'ext4'],
      ['/state/images', 'ext4'],
    ].map(([path = '', type = '']) => line(path, type));
    const hidden = ['/var/lib/docker', '/home', '/state'];
    const filesystems = 'nodev\tproc\nnodev\ttmpfs\nnodev\tnfs4\n\text4\n\txfs\n';
    expect(mountsToShow(mountinfo.join(''), { filesystems, hidden })).toEqual([
      '/srv/a b',
      '/usr',
      '/usr/local',
    ]);
  });

  it('takes a directory as an image', async () => {
    await using world = new World();
    expect(await resolveImage(world.ctx, `rootfs:${world.dir}`)).toMatchObject({ layers: [world.dir] });
    expect(await resolveImage(world.ctx, `rootfs:${world.path('none')}`)).toBeUndefined();
  });
});
