// How images are called on the screen.
import { ComposeError } from '../../../errors.ts';
import { parseReference, familiarName as shortName } from '../../../images/reference.ts';
import type { StoredImage } from '../../../images/store.ts';

const NONE = '<none>';

/** `busybox:latest`, or the id of an image without a name. */
export function familiarName({ name, id }: Pick<StoredImage, 'name' | 'id'>): string {
  if (name === undefined) return id;
  const { repository, tag, digest } = splitName(name);
  return digest === undefined ? `${repository}:${tag}` : `${repository}@${digest}`;
}

/** The parts of a stored name, `<none>` for what is missing. */
export function splitName(name: string | undefined): { repository: string; tag: string; digest?: string } {
  if (name === undefined) return { repository: NONE, tag: NONE };
  try {
    const reference = parseReference(name);
    const { tag = NONE, digest } = reference;
    return { repository: shortName(reference), tag, ...(digest === undefined ? {} : { digest }) };
  } catch (error) {
    if (!(error instanceof ComposeError)) throw error;
    return { repository: name, tag: NONE };
  }
}

/** The twelve digits that people type. */
export function shortId(id: string): string {
  return id.replace(/^sha256:/, '').slice(0, 12);
}
