// Which images the containers of this machine use.
import { existsSync, readdirSync } from 'node:fs';
import { type ContainerRecord, decodeContainerRecord } from '../containers/record.ts';
import type { Context } from '../state/context.ts';
import { containerFiles, containersDir } from '../state/layout.ts';
import { readRecord } from '../state/record.ts';

/** Ids of images that any container, running or not, was made from or has mounted. */
export function imagesInUse({ layout }: Context): ReadonlySet<string> {
  const dir = containersDir(layout);
  const ids = existsSync(dir) ? readdirSync(dir) : [];
  const records = ids.flatMap(
    (id) => readRecord(containerFiles(layout, id).record, decodeContainerRecord) ?? [],
  );
  return new Set(records.flatMap(imagesOf));
}

/** Ids of the images of one container: its own and those that are mounted in it. */
function imagesOf({ image, mounts }: ContainerRecord): string[] {
  return [image.id, ...mounts.flatMap((mount) => mount.image ?? [])];
}
