// The file system of one container, whether it runs or not.
import { isAlive } from '../containers/status.ts';
import { ComposeError } from '../errors.ts';
import { type Image, resolveImage } from '../images/image.ts';
import { snapshotOf } from '../images/snapshot.ts';
import { openRoot, type TreeRoot } from '../images/trees.ts';
import type { Context } from '../state/context.ts';
import { containerFiles } from '../state/layout.ts';
import type { Sighting } from './rows.ts';

/** Opens it; a container that runs is reached through its first process, with all that is mounted in it. */
export async function openContainer(
  state: Context,
  { record, status }: Sighting,
  writable: boolean,
): Promise<TreeRoot> {
  const files = containerFiles(state.layout, record.id);
  const pid = isAlive(status) && status.pid > 0 ? status.pid : undefined;
  const lower = pid === undefined ? snapshotOf(state, await imageOf(state, { record, status })).lower : [];
  return openRoot(state, { pid, lower, upper: files.upper, work: files.work, writable });
}

/** The image that a container was made from. ComposeError `image-not-found`. */
export async function imageOf(state: Context, { record }: Sighting): Promise<Image> {
  const image =
    (await resolveImage(state, record.image.id)) ?? (await resolveImage(state, record.image.name));
  if (image !== undefined) return image;
  throw new ComposeError('image-not-found', `the image ${record.image.name} of ${record.name} is gone`);
}

/** Where a path of a container that does not run is on this machine: in a mount of it, or in its own file system. */
export async function locate(
  state: Context,
  sighting: Sighting,
  { path, writable }: { readonly path: string; readonly writable: boolean },
): Promise<{ readonly root: TreeRoot; readonly path: string }> {
  const inMount = isAlive(sighting.status) ? undefined : mountOf(sighting, path);
  if (inMount === undefined) return { root: await openContainer(state, sighting, writable), path };
  return { root: { path: inMount.source, close: () => undefined }, path: inMount.rest };
}

function mountOf(
  { record }: Sighting,
  path: string,
): { readonly source: string; readonly rest: string } | undefined {
  const below = (target: string): boolean => path === target || path.startsWith(`${target}/`);
  const mounts = record.mounts.filter(({ source, target }) => source.startsWith('/') && below(target));
  const deepest = [...mounts].sort((a, b) => b.target.length - a.target.length)[0];
  if (deepest === undefined) return undefined;
  return { source: deepest.source, rest: path.slice(deepest.target.length) || '/' };
}
