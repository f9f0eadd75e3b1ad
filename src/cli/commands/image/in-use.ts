// Which images the containers of this machine use.
import { existsSync, readdirSync } from 'node:fs';
import { decodeContainerRecord } from '../../../containers/record.ts';
import type { Context } from '../../../state/context.ts';
import { containerFiles, containersDir } from '../../../state/layout.ts';
import { readRecord } from '../../../state/record.ts';

/** Ids of images that any container, running or not, was made from. */
export async function imagesInUse({ layout }: Context): Promise<ReadonlySet<string>> {
  const dir = containersDir(layout);
  const ids = existsSync(dir) ? readdirSync(dir) : [];
  const records = ids.map((id) => readRecord(containerFiles(layout, id).record, decodeContainerRecord));
  return new Set(records.flatMap((record) => record?.image.id ?? []));
}
