// `--filter` of lists and prunes of images.
import { timeKey } from '../../../containers/logs.ts';
import { ComposeError } from '../../../errors.ts';
import { findImage, type ImageSummary } from '../../../images/image.ts';
import { familiarName } from './names.ts';

export type FilterKey = 'dangling' | 'reference' | 'label' | 'label!' | 'before' | 'since' | 'until';

/** Those of the prunes. */
export const PRUNE_FILTERS = ['until', 'label', 'label!'] as const;

export interface FilterOptions {
  readonly filters: readonly string[];
  readonly allowed: readonly FilterKey[];
  /** All images, for filters that name one. */
  readonly images: readonly ImageSummary[];
  /** Milliseconds since 1970. */
  readonly now: number;
}

type Test = (image: ImageSummary) => boolean;

/** Whether an image passes: of filters with one key any, of all keys each. ComposeError `usage`, `image-not-found`. */
export function imageFilter({ filters, allowed, images, now }: FilterOptions): Test {
  const byKey = new Map<string, Test[]>();
  for (const filter of filters) {
    const [, key = '', value = ''] = /^([^=]*?)=(.*)$/s.exec(filter) ?? [];
    const known = allowed.find((each) => each === key);
    if (known === undefined)
      throw new ComposeError('usage', `--filter ${filter} is not known`, {
        hint: `KEY=VALUE, KEY is one of ${allowed.join(', ')}`,
      });
    byKey.set(key, [...(byKey.get(key) ?? []), testOf(known, value, { images, now })]);
  }
  // every label has to be there; of names one is enough
  const all = (key: string, tests: readonly Test[]): Test =>
    key.startsWith('label')
      ? (image) => tests.every((test) => test(image))
      : (image) => tests.some((test) => test(image));
  const groups = [...byKey].map(([key, tests]) => all(key, tests));
  return (image) => groups.every((test) => test(image));
}

function testOf(key: FilterKey, value: string, { images, now }: Pick<FilterOptions, 'images' | 'now'>): Test {
  switch (key) {
    case 'dangling':
      return ({ name }) => (name === undefined) === truth(value);
    case 'reference': {
      const pattern = globOf(value);
      return ({ name, id }) =>
        name !== undefined && namesOf(familiarName({ name, id })).some((each) => pattern.test(each));
    }
    case 'label':
    case 'label!': {
      const [, label = value, wanted] = /^([^=]*)=(.*)$/s.exec(value) ?? [];
      const has: Test = ({ labels }) =>
        wanted === undefined ? Object.hasOwn(labels, label) : labels[label] === wanted;
      return key === 'label' ? has : (image) => !has(image);
    }
    case 'before':
    case 'since': {
      const found = findImage(images, value);
      const other = images.find((image) => image === found);
      if (other === undefined) throw new ComposeError('image-not-found', `no image ${value}`);
      return (image) =>
        key === 'before' ? createdMs(image) < createdMs(other) : createdMs(image) > createdMs(other);
    }
    case 'until': {
      const until = Date.parse(timeKey(value, now));
      return (image) => createdMs(image) < until;
    }
  }
}

function createdMs({ created }: ImageSummary): number {
  return created === undefined ? 0 : Date.parse(created);
}

function truth(text: string): boolean {
  if (/^(1|t|true)$/i.test(text)) return true;
  if (/^(0|f|false)$/i.test(text)) return false;
  throw new ComposeError('usage', `--filter dangling=${text} is neither true nor false`);
}

/** A name as it is matched: with its tag and without, with its registry and without. */
function namesOf(name: string): string[] {
  const bare = name.replace(/(?:@.*|:[^:/]*)$/, '');
  const local = [name, bare].map((each) => each.replace(/^(?:[^/]*[.:][^/]*|localhost)\//, ''));
  return [name, bare, ...local];
}

/** `*` and `?` stop at a slash. */
function globOf(glob: string): RegExp {
  const escaped = glob.replace(/[.+^${}()|[\]\\]/g, '\\$&');
  return new RegExp(`^${escaped.replaceAll('*', '[^/]*').replaceAll('?', '[^/]')}$`);
}
