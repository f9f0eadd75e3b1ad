// The layer below every image: empty places for what each container has mounted, which images rarely bring along.
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { umask } from 'node:process';
import type { Context } from '../state/context.ts';
import { imagesDir } from '../state/layout.ts';
import { makePrivateDirectory } from '../state/record.ts';

const DIRECTORIES = ['dev', 'etc', 'proc', 'sys'];
const FILES = ['etc/hosts', 'etc/hostname', 'etc/resolv.conf'];

/**
 * The directory of that layer, made when it is not there. Without it each container would make the same four entries in
 * a layer of its own, at its first start; what the image has, or hides, at these paths, wins.
 */
export function mountPointLayer(ctx: Context): string {
  const images = imagesDir(ctx.layout);
  const path = join(images, 'mountpoints');
  if (existsSync(path)) return path;
  makePrivateDirectory(images);
  const temporary = mkdtempSync(`${path}.`);
  const before = umask(0o022);
  try {
    const tree = join(temporary, 'tree');
    for (const name of ['', ...DIRECTORIES]) mkdirSync(join(tree, name), { mode: 0o755 });
    for (const name of FILES) writeFileSync(join(tree, name), '', { mode: 0o644 });
    // Another command may have made it meanwhile: one is as good as the other.
    if (!existsSync(path)) renameSync(tree, path);
  } catch (error) {
    if (!existsSync(path)) throw error;
  } finally {
    umask(before);
    rmSync(temporary, { recursive: true, force: true });
  }
  return path;
}
