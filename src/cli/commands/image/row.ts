// One image as a row of a list.
import type { ImageSummary } from '../../../images/image.ts';
import { parseReference } from '../../../images/reference.ts';
import { decimalSize, humanDuration } from '../../output.ts';
import { shortId, splitName } from './names.ts';

export interface ImageRow {
  readonly [field: string]: unknown;
  readonly ID: string;
}

/** The fields that templates and JSON of `image ls` have. */
export function imageRow(
  image: ImageSummary,
  { full, now }: { readonly full: boolean; readonly now: number },
): ImageRow {
  const { repository, tag } = splitName(image.name);
  const created = image.created === undefined ? undefined : Date.parse(image.created);
  return {
    Repository: repository,
    Tag: tag,
    ID: full ? image.id : shortId(image.id),
    Digest: image.target,
    CreatedAt: image.created ?? '',
    CreatedSince: created === undefined || created <= 0 ? 'N/A' : `${humanDuration(now - created)} ago`,
    Size: decimalSize(image.size),
    Platform: [image.platform.os, image.platform.architecture, image.platform.variant]
      .filter(Boolean)
      .join('/'),
  };
}

/** Whether an image has a name that was asked for, with or without its tag. */
export function matchesName(image: ImageSummary, wanted: string): boolean {
  const want = parseReference(wanted);
  const have = image.name === undefined ? undefined : parseReference(image.name);
  if (have?.registry !== want.registry || have.repository !== want.repository) return false;
  return have.tag === want.tag || !wanted.split('/').at(-1)?.includes(':');
}
