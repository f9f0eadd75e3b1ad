// A container's writable view of an image.
import { chmodSync, chownSync, mkdirSync, statSync } from 'node:fs';
import { LAYER_FLAGS } from '../../core/index.ts';
import type { Context } from '../state/context.ts';
import { containersDir } from '../state/layout.ts';
import { makePrivateDirectory } from '../state/record.ts';
import { emptiedLayer, HOST_IMAGE, hostMasks, hostMounts } from './host.ts';
import type { Image } from './image.ts';
import { mountPointLayer } from './mountpoints.ts';

export interface Snapshot {
  /** Directories of the layers, top first. */
  readonly lower: readonly string[];
  /** Paths in the container that must be hidden. */
  readonly masks: readonly string[];
  /** Directories of this machine to be bound to the same place, read-only. */
  readonly mounts: readonly string[];
  /** Options of the overlay mount beyond its directories. */
  readonly overlayOptions: readonly string[];
  /** Makes a container's new upper directory fit the image; once, before its first start. */
  prepare(upper: string): Promise<void>;
}

// A directory that the container could rename would show, at its next start, what was masked by its path.
const FIXED_NAMES = ['redirect_dir=off'];

/** What the overlay mount of a container is made of. */
export function snapshotOf(ctx: Context, image: Image): Snapshot {
  const isHost = image.id === HOST_IMAGE;
  return {
    lower: isHost ? image.layers : [...image.layers, mountPointLayer(ctx)],
    masks: isHost ? hostMasks(ctx) : [],
    mounts: isHost ? hostMounts(ctx) : [],
    overlayOptions: process.getuid?.() === 0 ? (isHost ? FIXED_NAMES : []) : ['userxattr'],
    prepare: (upper) => prepareUpper(ctx, image, upper),
  };
}

// The root directory of an overlay looks like that of its topmost layer.
async function prepareUpper(ctx: Context, image: Image, upper: string): Promise<void> {
  makePrivateDirectory(containersDir(ctx.layout));
  mkdirSync(upper, { recursive: true, mode: 0o755 });
  const root = statSync(image.layers[0] ?? '/');
  if (process.getuid?.() === 0) chownSync(upper, root.uid, root.gid);
  chmodSync(upper, root.mode & 0o7777);
  if (image.id === HOST_IMAGE) await emptyScratch(ctx, upper);
}

async function emptyScratch(ctx: Context, upper: string): Promise<void> {
  const { whiteouts, owners, userXattr } = LAYER_FLAGS;
  const flags = process.getuid?.() === 0 ? whiteouts + owners : whiteouts + userXattr;
  const layer = ctx.core.openLayer(upper, { flags, limit: 0 });
  try {
    await layer.write(emptiedLayer());
    await layer.finish(['/']);
  } finally {
    layer.free();
  }
}
