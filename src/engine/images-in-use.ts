// Which images the containers of this machine use.
import { listContainers } from '../containers/listing.ts';
import type { ContainerRecord } from '../containers/record.ts';
import type { Context } from '../state/context.ts';

/** Ids of images that any container, running or not, was made from or has mounted. */
export function imagesInUse(ctx: Context): ReadonlySet<string> {
  return new Set(listContainers(ctx).flatMap(imagesOf));
}

/** Ids of the images of one container: its own and those that are mounted in it. */
function imagesOf({ image, mounts }: ContainerRecord): string[] {
  return [image.id, ...mounts.flatMap((mount) => mount.image ?? [])];
}
