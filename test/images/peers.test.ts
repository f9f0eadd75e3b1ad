// Against what others make: Debian's docker-registry, skopeo, umoci. Trees are compared entry by entry.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { lstatSync, mkdirSync, readdirSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadArchive } from '../../src/images/archive.ts';
import { layerDirs, resolveImage, tagImage } from '../../src/images/image.ts';
import { pullImage } from '../../src/images/pull.ts';
import { pushImage } from '../../src/images/push.ts';
import { saveArchive } from '../../src/images/save.ts';
import { blobFile, chainIds, readImages, storeFiles } from '../../src/images/store.ts';
import {
  hasProgram,
  IMAGES,
  type ImageSet,
  imageSetNeeds,
  openImageSet,
  startRegistry,
} from '../support/image-set.ts';
import { isRoot, needing } from '../support/machine.ts';
import { ROOT } from '../support/stack.ts';
import { World } from './world.ts';

const needs = {
  root: isRoot,
  'docker-registry': hasProgram('docker-registry'),
  skopeo: hasProgram('skopeo'),
  umoci: hasProgram('umoci'),
};

function sh(script: string): string {
  const { status, stdout, stderr } = spawnSync('bash', ['-euc', script], {
    encoding: 'utf8',
    maxBuffer: 1e8,
  });
  if (status !== 0) throw new Error(`${script}\n${stdout}${stderr}`);
  return stdout;
}

async function registryIn(world: World): Promise<{ host: string; [Symbol.dispose](): void }> {
  const { host, stop } = await startRegistry(world.path('registry'));
  return { host, [Symbol.dispose]: stop };
}

/** An image of three layers made by umoci: owners, modes, links, capabilities, whiteouts, opaque directories. */
function makeImage(world: World): string {
  const layout = world.path('umoci');
  const bundle = world.path('bundle');
  sh(`umoci init --layout ${layout} && umoci new --image ${layout}:v1 && umoci unpack --image ${layout}:v1 ${bundle} 2>/dev/null
    cd ${bundle}/rootfs && mkdir -p usr/bin etc/conf.d var/empty home/u && cp /bin/true usr/bin/tool && ln usr/bin/tool usr/bin/same && ln -s bin/tool usr/link
    chmod 4711 usr/bin/tool && chown -R 1234:77 home/u && chmod 1777 var/empty && chmod 2750 home/u && mknod etc/null c 1 3 && mkfifo etc/pipe
    for n in $(seq 50); do echo $n > etc/conf.d/$n; done; touch -d '2001-02-03 04:05:06.789012345' etc/conf.d/1
    mkdir -p $(printf 'deep%.0s/' $(seq 40)) && echo x > $(printf 'deep%.0s/' $(seq 40))$(printf 'n%.0s' $(seq 120))
    umoci repack --refresh-bundle --image ${layout}:v1 ${bundle} 2>/dev/null
    rm -r etc/conf.d && mkdir etc/conf.d && echo new > etc/conf.d/new && rm usr/link && rm -r deep && echo deep > deep
    umoci repack --refresh-bundle --image ${layout}:v1 ${bundle} 2>/dev/null
    mkdir -p var/empty/x && touch var/empty/x/y && chmod 700 etc
    umoci repack --refresh-bundle --image ${layout}:v1 ${bundle} 2>/dev/null && umoci config --image ${layout}:v1 --config.cmd /usr/bin/tool`);
  return layout;
}

interface Leaf {
  readonly mode: number;
  readonly owner: string;
  readonly mtimeNs: bigint;
  readonly links: number;
  readonly content: string;
}

function tree(dir: string, path = '', found = new Map<string, Leaf>()): Map<string, Leaf> {
  const status = lstatSync(dir + path, { bigint: true });
  const content = status.isFile()
    ? createHash('sha256')
        .update(readFileSync(dir + path))
        .digest('hex')
    : status.isSymbolicLink()
      ? readlinkSync(dir + path)
      : String(status.rdev);
  found.set(path, {
    mode: Number(status.mode),
    owner: `${status.uid}:${status.gid}`,
    mtimeNs: status.mtimeNs,
    links: status.isDirectory() ? 0 : Number(status.nlink),
    content,
  });
  if (status.isDirectory()) for (const name of readdirSync(dir + path)) tree(dir, `${path}/${name}`, found);
  return found;
}

describe.skipIf(Object.values(needs).includes(false))(needing('other tools', needs), () => {
  it('unpacks the same tree as umoci, and gives skopeo back what it got', async () => {
    await using world = new World();
    using registry = await registryIn(world);
    const layout = makeImage(world);
    const name = `${registry.host}/team/image:v1`;
    sh(
      `skopeo copy -q --dest-tls-verify=false oci:${layout}:v1 docker://${name} && umoci unpack --image ${layout}:v1 ${world.path('theirs')} 2>/dev/null`,
    );
    const { image } = await pullImage(world.ctx, name);
    const resolved = await resolveImage(world.ctx, name);
    packMounted(world, resolved?.layers ?? []);
    sh(
      `mkdir ${world.path('copy')} && tar -C ${world.path('copy')} --xattrs --xattrs-include=* -xpf ${world.path('ours.tar')}`,
    );
    expect(tree(world.path('copy'))).toEqual(tree(`${world.path('theirs')}/rootfs`));
    const copy = `${registry.host}/copy:v2`;
    await tagImage(world.ctx, name, copy);
    await pushImage(world.ctx, copy);
    const digest = sh(`skopeo inspect --tls-verify=false --format '{{.Digest}}' docker://${copy}`).trim();
    expect(digest).toBe(image.target);
    sh(`skopeo copy -q --src-tls-verify=false docker://${copy} oci:${world.path('back')}:v2`);
    for (const layer of resolved?.layers ?? []) expect(lstatSync(layer).isDirectory()).toBe(true);
  });

  it('loads what skopeo saves in every form, and skopeo reads what it saves and its store', async () => {
    await using world = new World();
    const layout = makeImage(world);
    sh(`cd ${world.dir} && skopeo copy -q oci:${layout}:v1 docker-archive:docker.tar:app:v1 && skopeo copy -q oci:${layout}:v1 oci-archive:oci.tar:v1 &&
      skopeo copy -q --dest-compress-format zstd --dest-compress oci:${layout}:v1 oci:zstd:v1`);
    const ids = new Set<string>();
    for (const source of ['docker.tar', 'oci.tar', 'zstd']) {
      const [image] = await loadArchive(world.ctx, world.path(source), {
        name: `from-${source.replace('.tar', '')}:1`,
      });
      ids.add(image?.id ?? source);
    }
    expect(ids.size).toBe(1);
    expect(readdirSync(storeFiles(world.ctx.layout).layers)).toHaveLength(3);
    const chunks: Uint8Array[] = [];
    for await (const chunk of saveArchive(world.ctx, ['from-oci:1'])) chunks.push(chunk);
    writeFileSync(world.path('out.tar'), Buffer.concat(chunks));
    const inspect = (source: string): string =>
      sh(`skopeo inspect --format '{{.Architecture}} {{len .Layers}}' ${source}`).trim();
    for (const source of [
      `oci-archive:${world.path('out.tar')}:1`,
      `docker-archive:${world.path('out.tar')}`,
      `oci:${storeFiles(world.ctx.layout).dir}:docker.io/library/from-oci:1`,
    ])
      expect(inspect(source)).toBe('amd64 3');
  });

  it('goes on after a pull that was killed at any moment', async () => {
    await using world = new World();
    using registry = await registryIn(world);
    const layout = makeImage(world);
    sh(`dd if=/dev/urandom of=${world.path('bundle')}/rootfs/big bs=1M count=40 status=none; umoci repack --refresh-bundle --image ${layout}:v1 ${world.path('bundle')} 2>/dev/null
      skopeo copy -q --dest-tls-verify=false oci:${layout}:v1 docker://${registry.host}/big:1`);
    const cli = `${ROOT}/dist/tscompose.cjs`;
    for (const afterMs of [60, 120, 180, 240, 300, 400]) {
      const child = spawn(
        process.execPath,
        [cli, '--state-dir', world.ctx.layout.stateDir, 'image', 'pull', '-q', `${registry.host}/big:1`],
        { stdio: 'ignore' },
      );
      await new Promise((resolve) => setTimeout(resolve, afterMs));
      child.kill('SIGKILL');
      for (const { id, manifest } of readImages(world.ctx.layout)) {
        expect(lstatSync(blobFile(world.ctx.layout, id)).isFile()).toBe(true);
        expect(lstatSync(blobFile(world.ctx.layout, manifest.digest)).isFile()).toBe(true);
      }
    }
    await pullImage(world.ctx, `${registry.host}/big:1`);
    const image = await resolveImage(world.ctx, `${registry.host}/big:1`);
    expect(lstatSync(`${image?.layers[0]}/big`).size).toBe(40 * 1024 * 1024);
    expect(readdirSync(storeFiles(world.ctx.layout).ingest)).toEqual([]);
    expect(image?.layers).toEqual(layerDirs(world.ctx, chainIds(diffIdsOf(world, image?.id ?? ''))));
  });
});

const PACK =
  'tar --format=posix --pax-option=delete=atime,delete=ctime --xattrs --xattrs-include=* --sort=name --numeric-owner -cf';

/** The layers as a container would see them, in `ours.tar`. */
function packMounted(world: World, layers: readonly string[]): void {
  const [top = '', ...below] = layers;
  const mount =
    below.length === 0 ? `mount --bind ${top}` : `mount -t overlay overlay -o lowerdir=${layers.join(':')}`;
  mkdirSync(world.path('ours'), { recursive: true });
  sh(`unshare -m bash -c 'cd ${world.dir}; ${mount} ours && cd ours && ${PACK} ../ours.tar .'`);
}

describe.skipIf(Object.values(imageSetNeeds).includes(false))(needing('real images', imageSetNeeds), () => {
  let images: ImageSet;
  beforeAll(async () => {
    images = await openImageSet();
  }, 900_000);
  afterAll(() => images?.stop());

  // One archive of each tree, so that owner, mode, time, links, content and extended attributes all count.
  it.each(IMAGES)(
    '%s is the tree that umoci unpacks',
    async (name) => {
      await using world = new World();
      const [repository = ''] = name.split(':');
      await pullImage(world.ctx, `${images.host}/${name}`);
      packMounted(world, (await resolveImage(world.ctx, `${images.host}/${name}`))?.layers ?? []);
      sh(`cd ${world.dir} && umoci unpack --image ${images.layout(repository)}:${name.split(':')[1]} theirs 2>/dev/null
      cd theirs/rootfs && ${PACK} ../../theirs.tar .`);
      const list = (archive: string): string =>
        sh(`tar --full-time --numeric-owner -tvf ${world.path(archive)}`);
      const { status } = spawnSync('cmp', [world.path('ours.tar'), world.path('theirs.tar')]);
      if (status !== 0) expect(list('ours.tar').split('\n')).toEqual(list('theirs.tar').split('\n'));
      expect(status).toBe(0);
    },
    300_000,
  );
});

function diffIdsOf(world: World, id: string): string[] {
  return JSON.parse(readFileSync(blobFile(world.ctx.layout, id), 'utf8')).rootfs.diff_ids;
}
