// Which images the containers of this machine use.
import { existsSync, readdirSync } from 'node:fs';
import { decodeContainerRecord } from '../../../containers/record.ts';
import { findImage } from '../../../images/image.ts';
import { readImages } from '../../../images/store.ts';
import type { Context } from '../../../state/context.ts';
import { containerFiles, containersDir } from '../../../state/layout.ts';
import { readRecord } from '../../../state/record.ts';

/** Ids of images that any container, running or not, was made from or has mounted. */
export function imagesInUse({ layout }: Context): ReadonlySet<string> {
  const dir = containersDir(layout);
  const ids = existsSync(dir) ? readdirSync(dir) : [];
  const records = ids.flatMap(
    (id) => readRecord(containerFiles(layout, id).record, decodeContainerRecord) ?? [],
  );
  const mounted = records.flatMap(({ mounts }) => mounts.filter(({ type }) => type === 'image'));
  const images = mounted.length > 0 ? readImages(layout) : [];
  return new Set([
    ...records.map(({ image }) => image.id),
    ...mounted.flatMap(({ source }) => findImage(images, source)?.id ?? []),
  ]);
}
