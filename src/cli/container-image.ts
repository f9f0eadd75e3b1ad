// The image of one container as a row of `images`.
import type { ContainerRecord } from '../containers/record.ts';
import { type Image, resolveImage, unpackedSize } from '../images/image.ts';
import { formatPlatform } from '../images/platform.ts';
import { familiarName, tryParseReference } from '../images/reference.ts';
import type { Context } from '../state/context.ts';
import { decimalSize, humanDuration } from './output.ts';

export interface ContainerImage {
  readonly [field: string]: unknown;
  readonly ID: string;
}

/** What `images` shows of a container; an image that is gone keeps its name and id. */
export async function containerImage(
  state: Context,
  { name, image }: ContainerRecord,
): Promise<ContainerImage> {
  const found = (await resolveImage(state, image.id)) ?? (await resolveImage(state, image.name));
  const reference = isLocal(image.name) ? undefined : tryParseReference(image.name);
  const created = found?.created;
  return {
    ID: image.id,
    ContainerName: name,
    Repository: reference === undefined ? image.name : familiarName(reference),
    Tag: isLocal(image.name) ? '' : (reference?.tag ?? '<none>'),
    Platform: found === undefined ? '' : formatPlatform(found.platform),
    Size: sizeOf(found),
    Created: created ?? '',
    LastTagTime: found?.pulled ?? '',
    ShortID: image.id.replace(/^sha256:/, '').slice(0, 12),
    HumanSize: decimalSize(sizeOf(found)),
    CreatedSince: created === undefined ? 'N/A' : `${humanDuration(Date.now() - Date.parse(created))} ago`,
  };
}

function isLocal(name: string): boolean {
  return name === 'host' || name.startsWith('rootfs:');
}

function sizeOf(image: Image | undefined): number {
  return image === undefined ? 0 : unpackedSize(image.layers);
}
