// What takes disk space, one row a kind.
import { listContainers } from '../../../containers/listing.ts';
import { isAlive, readStatus } from '../../../containers/status.ts';
import { imagesInUse } from '../../../engine/images-in-use.ts';
import { diskUsage, treeBytes } from '../../../images/check.ts';
import type { Context } from '../../../state/context.ts';
import { containerFiles, volumeFiles } from '../../../state/layout.ts';
import { listVolumes } from '../../../volumes/volume.ts';
import type { Row } from '../../listing.ts';
import { decimalSize } from '../../output.ts';

interface Part {
  readonly size: number;
  readonly active: boolean;
}

/** Rows of `system df`. */
export async function diskRows(state: Context): Promise<Row[]> {
  const containers = listContainers(state);
  const images = diskUsage(state, imagesInUse(state));
  const used = new Set(containers.flatMap(({ mounts }) => mounts.flatMap(({ name }) => name ?? [])));
  return [
    row('Images', images.images, images),
    sumOf(
      'Containers',
      containers.map(({ id }) => ({
        size: treeBytes(containerFiles(state.layout, id).dir),
        active: isAlive(readStatus(state, id)),
      })),
    ),
    sumOf(
      'Local Volumes',
      listVolumes(state).map(({ name }) => ({
        size: treeBytes(volumeFiles(state.layout, name).data),
        active: used.has(name),
      })),
    ),
  ];
}

function sumOf(type: string, parts: readonly Part[]): Row {
  const add = (some: readonly Part[]): number => some.reduce((sum, { size }) => sum + size, 0);
  const active = parts.filter((part) => part.active);
  const size = add(parts);
  return row(type, parts.length, { active: active.length, size, reclaimable: size - add(active) });
}

interface Totals {
  readonly active: number;
  readonly size: number;
  readonly reclaimable: number;
}

function row(type: string, total: number, { active, size, reclaimable }: Totals): Row {
  const share = size > 0 ? ` (${Math.round((reclaimable * 100) / size)}%)` : '';
  return {
    Type: type,
    TotalCount: String(total),
    Active: String(active),
    Size: decimalSize(size),
    Reclaimable: `${decimalSize(reclaimable)}${share}`,
  };
}
