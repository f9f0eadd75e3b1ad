// Layers on disk: every kind of entry, whiteouts in any order, and archives that want to leave their directory.
import { spawnSync } from 'node:child_process';
import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { describe, expect, it } from 'vitest';
import { LAYER_FLAGS } from '../../core/index.ts';
import { isRoot, needing } from '../support/machine.ts';
import { type Entry, tar, World } from './world.ts';

const IMAGE_LAYER = LAYER_FLAGS.whiteouts + LAYER_FLAGS.owners;

interface UnpackOptions {
  readonly flags?: number;
  readonly limit?: number;
  readonly lower?: readonly string[];
  readonly chunk?: number;
}

/** Unpacks into `layer` below the world's directory, in pieces of `chunk` bytes. */
async function unpack(world: World, archive: Uint8Array, options: UnpackOptions = {}): Promise<string> {
  const { flags = IMAGE_LAYER, limit = 0, lower = [], chunk = archive.length } = options;
  const dir = world.path('layer');
  mkdirSync(dir, { recursive: true });
  const layer = world.ctx.core.openLayer(dir, { flags, limit });
  try {
    for (let at = 0; at < archive.length; at += chunk) await layer.write(archive.subarray(at, at + chunk));
    await layer.finish(lower);
  } finally {
    layer.free();
  }
  return dir;
}

function outputOf(command: string, ...args: string[]): string {
  return spawnSync(command, args, { encoding: 'utf8' }).stdout;
}

describe.skipIf(!isRoot)(needing('unpacking a layer', { root: isRoot }), () => {
  it('makes every kind of entry with owner, mode and time', async () => {
    await using world = new World();
    const archive = tar(
      { name: './', type: '5', mode: 0o750, mtime: 1_100_000_000 },
      { name: 'dir/', type: '5', mode: 0o2775, uid: 7, gid: 8, mtime: 1_200_000_000 },
      { name: 'dir/file', content: 'hello', mode: 0o4755, uid: 1000, gid: 1001, mtime: 1_300_000_000 },
      { name: 'dir/hard', type: '1', link: 'dir/file' },
      { name: 'soft', type: '2', link: '/nowhere/at all', uid: 5, mtime: 1_400_000_000 },
      { name: 'null', type: '3', mode: 0o666, major: 1, minor: 3 },
      { name: 'disk', type: '4', mode: 0o660, gid: 6, major: 259, minor: 70000 },
      { name: 'pipe', type: '6', mode: 0o600 },
    );
    const dir = await unpack(world, archive);
    const file = lstatSync(`${dir}/dir/file`);
    expect(readFileSync(`${dir}/dir/file`, 'utf8')).toBe('hello');
    expect([file.mode & 0o7777, file.uid, file.gid, file.mtimeMs]).toEqual([
      0o4755, 1000, 1001, 1_300_000_000_000,
    ]);
    expect(lstatSync(`${dir}/dir/hard`).ino).toBe(file.ino);
    expect(lstatSync(dir).mode & 0o7777).toBe(0o750);
    expect(lstatSync(dir).mtimeMs).toBe(1_100_000_000_000);
    const sub = lstatSync(`${dir}/dir`);
    expect([sub.mode & 0o7777, sub.uid, sub.mtimeMs]).toEqual([0o2775, 7, 1_200_000_000_000]);
    expect(readlinkSync(`${dir}/soft`)).toBe('/nowhere/at all');
    expect([lstatSync(`${dir}/soft`).uid, lstatSync(`${dir}/soft`).mtimeMs]).toEqual([5, 1_400_000_000_000]);
    expect(lstatSync(`${dir}/null`).isCharacterDevice()).toBe(true);
    expect(outputOf('stat', '-c', '%t:%T', `${dir}/disk`).trim()).toBe('103:11170');
    expect(lstatSync(`${dir}/pipe`).isFIFO()).toBe(true);
  });

  it('gives the same tree however the archive is cut', async () => {
    const archive = tar(
      { name: 'a/b/c', content: 'x'.repeat(1500), pax: { mtime: '1234567890.123456789' } },
      { name: 'a/d', content: 'y'.repeat(512) },
    );
    for (const chunk of [1, 7, 511, 512, 513, 4096]) {
      await using world = new World();
      const dir = await unpack(world, archive, { chunk });
      expect(readFileSync(`${dir}/a/b/c`, 'utf8')).toBe('x'.repeat(1500));
      expect(lstatSync(`${dir}/a/b/c`, { bigint: true }).mtimeNs).toBe(1234567890123456789n);
      expect(readdirSync(`${dir}/a`).sort()).toEqual(['b', 'd']);
    }
  });

  it('reads PAX records: long names, large ids, times before 1970, xattrs and capabilities', async () => {
    await using world = new World();
    const long = `${'d'.repeat(120)}/${'f'.repeat(200)}`;
    // version 2, effective, cap_net_bind_service permitted
    const capability = Buffer.from('0100000200040000000000000000000000000000', 'hex').toString('latin1');
    const dir = await unpack(
      world,
      tar({
        name: 'short',
        content: 'c',
        pax: {
          path: long,
          uid: '3000000000',
          gid: '4294967294',
          mtime: '-1.5',
          'SCHILY.xattr.user.note': 'a=b',
          'SCHILY.xattr.security.capability': capability,
          'SCHILY.xattr.trusted.overlay.redirect': '/etc',
        },
      }),
    );
    const status = lstatSync(`${dir}/${long}`, { bigint: true });
    expect([status.uid, status.gid, status.mtimeNs]).toEqual([3000000000n, 4294967294n, -1500000000n]);
    const attributes = outputOf('tar', '-C', dir, '--xattrs', '--xattrs-include=*', '-cf', '-', long);
    expect(attributes).toContain('SCHILY.xattr.user.note=a=b');
    expect(attributes).toContain(`SCHILY.xattr.security.capability=${capability}`);
    expect(attributes).not.toContain('overlay');
  });

  it('reads GNU long names, base-256 numbers and V7 directories', async () => {
    await using world = new World();
    const long = `${'g'.repeat(150)}`;
    const big = Buffer.alloc(8);
    big[0] = 0x80;
    big.writeUInt32BE(70000, 4);
    const dir = await unpack(
      world,
      tar(
        { name: '././@LongLink', type: 'L', content: `${long}\0` },
        { name: 'cut', content: '1', raw: { 108: big, 257: 'ustar  \0' } },
        { name: '././@LongLink', type: 'K', content: `${'t'.repeat(130)}\0` },
        { name: 'link', type: '2', link: 'cut', raw: { 257: 'ustar  \0' } },
        { name: 'old/', type: '\0', mode: 0o755, raw: { 257: Buffer.alloc(8) } },
      ),
    );
    expect(lstatSync(`${dir}/${long}`).uid).toBe(70000);
    expect(readlinkSync(`${dir}/link`)).toBe('t'.repeat(130));
    expect(lstatSync(`${dir}/old`).isDirectory()).toBe(true);
  });

  it.each([
    '--format=gnu',
    '--format=posix --sparse-version=0.0',
    '--format=posix --sparse-version=0.1',
    '--format=posix --sparse-version=1.0',
  ])('keeps the holes of a sparse file that tar %s wrote', async (format) => {
    await using world = new World();
    const made = spawnSync('sh', [
      '-c',
      `cd "$0" && mkdir s && printf a > s/f && for n in 1 3 5 7 9 11 13 15 17 19 21 23 25 27 29; do printf b | dd of=s/f bs=1 seek=$((n*100000)) conv=notrunc status=none; done && truncate -s 9000001 s/f && tar ${format} -cSf s.tar s`,
      world.dir,
    ]);
    expect(made.status).toBe(0);
    const dir = await unpack(world, readFileSync(world.path('s.tar')), { chunk: 1000 });
    expect(readFileSync(`${dir}/s/f`).equals(readFileSync(world.path('s/f')))).toBe(true);
    expect(lstatSync(`${dir}/s/f`).blocks).toBeLessThan(2000);
  });

  it('turns whiteouts into what overlayfs understands, in any order', async () => {
    await using world = new World();
    const dir = await unpack(
      world,
      tar(
        { name: 'a/.wh.gone' },
        { name: 'a/.wh.remade' },
        { name: 'a/remade/', type: '5' },
        { name: 'a/remade/new', content: 'n' },
        { name: 'b/kept', content: 'k' },
        { name: 'b/.wh.kept' },
        { name: 'c/', type: '5' },
        { name: 'c/.wh..wh..opq' },
        { name: 'd/.wh.implied' },
        { name: 'd/implied/file', content: 'i' },
        { name: 'e/.wh..wh.plnk' },
      ),
    );
    const gone = lstatSync(`${dir}/a/gone`);
    expect([gone.isCharacterDevice(), gone.rdev]).toEqual([true, 0]);
    expect(readFileSync(`${dir}/b/kept`, 'utf8')).toBe('k');
    expect(readdirSync(`${dir}/e`)).toEqual([]);
    expect(readdirSync(`${dir}/a`).sort()).toEqual(['gone', 'remade']);
    // seen through overlayfs, where it counts
    const lower = world.path('lower');
    for (const name of ['a/gone', 'a/remade/old', 'b/kept', 'c/old', 'd/implied/old', 'x/old']) {
      mkdirSync(`${lower}/${name.slice(0, name.lastIndexOf('/'))}`, { recursive: true });
      writeFileSync(`${lower}/${name}`, 'old');
    }
    mkdirSync(world.path('merged'));
    const merged = outputOf(
      'unshare',
      '-m',
      'sh',
      '-c',
      `mount -t overlay overlay -o lowerdir=${dir}:${lower} ${world.path('merged')} && cd ${world.path('merged')} && find . | sort`,
    );
    expect(merged.trim().split('\n')).toEqual([
      '.',
      './a',
      './a/remade',
      './a/remade/new',
      './b',
      './b/kept',
      './c',
      './d',
      './d/implied',
      './d/implied/file',
      './e',
      './x',
      './x/old',
    ]);
  });

  it('gives directories that have no entry the looks that they have below', async () => {
    await using world = new World();
    const lower = world.path('lower');
    spawnSync('sh', [
      '-c',
      'mkdir -p "$0/tmp/sub" && chmod 1777 "$0/tmp" && chown 12:34 "$0/tmp" && touch -d @1000000 "$0/tmp"',
      lower,
    ]);
    const dir = await unpack(world, tar({ name: 'tmp/new/file', content: '1' }), { lower: [lower] });
    const status = lstatSync(`${dir}/tmp`);
    expect([status.mode & 0o7777, status.uid, status.gid, status.mtimeMs]).toEqual([
      0o1777, 12, 34, 1_000_000_000,
    ]);
    expect(lstatSync(`${dir}/tmp/new`).mode & 0o7777).toBe(0o755);
  });

  it('replaces what an earlier entry made', async () => {
    await using world = new World();
    const dir = await unpack(
      world,
      tar(
        { name: 'x', type: '2', link: '/etc' },
        { name: 'x', type: '5', mode: 0o755 },
        { name: 'x/f', content: '1' },
        { name: 'x/f', content: '22' },
        { name: 'y/deep/f', content: '1' },
        { name: 'y', content: 'file' },
        { name: 'z/', type: '5', mode: 0o700 },
        { name: 'z/f', content: '1' },
        { name: 'z/', type: '5', mode: 0o711 },
      ),
    );
    expect(readFileSync(`${dir}/x/f`, 'utf8')).toBe('22');
    expect(readFileSync(`${dir}/y`, 'utf8')).toBe('file');
    expect([lstatSync(`${dir}/z`).mode & 0o777, readdirSync(`${dir}/z`)]).toEqual([0o711, ['f']]);
  });

  const evil: readonly (readonly [string, readonly Entry[]])[] = [
    ['..', [{ name: '../evil', content: 'x' }]],
    ['.. in the middle', [{ name: 'a/../../evil', content: 'x' }]],
    ['an absolute name', [{ name: '/tmp/evil', content: 'x' }]],
    [
      'an absolute symlink as a directory',
      [
        { name: 'l', type: '2', link: '@OUT@' },
        { name: 'l/evil', content: 'x' },
      ],
    ],
    [
      'a relative symlink as a directory',
      [
        { name: 'l', type: '2', link: '../out' },
        { name: 'l/evil', content: 'x' },
      ],
    ],
    [
      'symlinks one after the other',
      [
        { name: 'a', type: '2', link: '.' },
        { name: 'a/b', type: '2', link: '..' },
        { name: 'b/out/evil', content: 'x' },
      ],
    ],
    [
      'a directory below a symlink',
      [
        { name: 'l', type: '2', link: '../out' },
        { name: 'l/evil/', type: '5' },
      ],
    ],
    ['a hard link out by name', [{ name: 'evil', type: '1', link: '../out/secret' }]],
    ['a hard link out by an absolute name', [{ name: 'evil', type: '1', link: '@OUT@/secret' }]],
    [
      'a hard link through a symlink',
      [
        { name: 'l', type: '2', link: '../out' },
        { name: 'h', type: '1', link: 'l/secret' },
      ],
    ],
    ['a whiteout of the parent', [{ name: '.wh...' }]],
    ['a whiteout of itself', [{ name: 'd/.wh..' }]],
    ['a whiteout below a symlink', [{ name: 'l', type: '2', link: '../out' }, { name: 'l/.wh.secret' }]],
    [
      'an opaque mark below a symlink',
      [{ name: 'l', type: '2', link: '../out' }, { name: 'l/.wh..wh..opq' }],
    ],
    ['a name in a PAX header', [{ name: 'ok', content: 'x', pax: { path: '../evil' } }]],
    [
      'a device below a symlink',
      [
        { name: 'l', type: '2', link: '../out' },
        { name: 'l/evil', type: '3', major: 1, minor: 3 },
      ],
    ],
    ['a file as the root', [{ name: './', content: 'x', type: '7', raw: { 0: '..', 2: Buffer.alloc(8) } }]],
  ];
  it.each(evil)('refuses %s and writes nothing outside', async (_, entries) => {
    await using world = new World();
    const out = world.path('out');
    mkdirSync(out);
    writeFileSync(`${out}/secret`, 'secret');
    const archive = tar(
      ...entries.map((entry) => ({
        ...entry,
        ...(entry.link ? { link: entry.link.replace('@OUT@', out) } : {}),
      })),
    );
    await expect(unpack(world, archive)).rejects.toThrow(expect.objectContaining({ code: 'system' }));
    expect(readdirSync(out)).toEqual(['secret']);
    expect([readFileSync(`${out}/secret`, 'utf8'), lstatSync(`${out}/secret`).nlink]).toEqual(['secret', 1]);
    expect(readdirSync(world.dir).sort()).toEqual(['layer', 'out']);
  });

  it('follows a symlink that stays inside, as archives of merged directories have', async () => {
    await using world = new World();
    const dir = await unpack(
      world,
      tar(
        { name: 'usr/lib/', type: '5' },
        { name: 'lib', type: '2', link: 'usr/lib' },
        { name: 'lib/f', content: '1' },
      ),
    );
    expect(readdirSync(`${dir}/usr/lib`)).toEqual(['f']);
  });

  it('does not write through a symlink that is the last part of a name', async () => {
    await using world = new World();
    const target = world.path('target');
    writeFileSync(target, 'untouched');
    const dir = world.path('layer');
    mkdirSync(dir);
    symlinkSync(target, `${dir}/f`);
    await unpack(world, tar({ name: 'f', content: 'new' }));
    expect(readFileSync(target, 'utf8')).toBe('untouched');
    expect(readFileSync(`${dir}/f`, 'utf8')).toBe('new');
  });

  it.each([
    ['cut in a header', (archive: Buffer) => archive.subarray(0, 300)],
    ['cut in the data', (archive: Buffer) => archive.subarray(0, 700)],
    ['a wrong checksum', (archive: Buffer) => Buffer.concat([Buffer.from('z'), archive.subarray(1)])],
    ['noise', () => Buffer.alloc(2048, 0xa5)],
    ['an unknown type', () => tar({ name: 'a', type: '!' })],
    ['an id that no kernel has', () => tar({ name: 'a', pax: { uid: '4294967295' } })],
    ['a PAX record without end', () => tar({ name: 'p', type: 'x', content: '99 path=a\n' }, { name: 'a' })],
    [
      'a sparse map outside the file',
      () => tar({ name: 'a', content: 'xx', pax: { 'GNU.sparse.size': '10', 'GNU.sparse.map': '9,2' } }),
    ],
    [
      'a PAX header and nothing after it',
      () => tar({ name: 'p', type: 'x', content: '10 path=a\n' }).subarray(0, 1024),
    ],
  ] as const)('refuses an archive with %s', async (_, damage) => {
    await using world = new World();
    await expect(unpack(world, damage(tar({ name: 'a', content: 'x'.repeat(600) })))).rejects.toThrow();
  });

  it('stops at the limit, for data and for mere entries', async () => {
    await using world = new World();
    const large = tar({ name: 'a', content: 'x'.repeat(10_000) });
    await expect(unpack(world, large, { limit: 5000 })).rejects.toThrow();
    const many = tar(...Array.from({ length: 100 }, (_, n) => ({ name: `f${n}` })));
    await expect(unpack(world, many, { limit: 5000 })).rejects.toThrow();
    await expect(unpack(world, large, { limit: 20_000 })).resolves.toBeDefined();
    const path = 'd/'.repeat(50);
    const implied = tar({ name: 'f', pax: { path: `${path}f` } }, { name: 'g', pax: { path: `e/${path}g` } });
    await expect(unpack(world, implied, { limit: 40_000 })).rejects.toThrow();
    await expect(unpack(world, implied, { limit: 60_000 })).resolves.toBeDefined();
  });

  it('goes as deep as a path can, and removes what is as deep', async () => {
    await using world = new World();
    const deep = 'd/'.repeat(1900);
    const dir = await unpack(
      world,
      tar(
        { name: 'f', content: '1', pax: { path: `${deep}f` } },
        { name: 'e' },
        { name: 'd', content: 'flat' },
      ),
    );
    expect(readFileSync(`${dir}/d`, 'utf8')).toBe('flat');
    const beyond = tar({ name: 'f', pax: { path: `${'d/'.repeat(2100)}f` } });
    await expect(unpack(world, beyond)).rejects.toThrow(expect.objectContaining({ code: 'system' }));
  });
});
