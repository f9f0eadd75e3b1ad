// `--filter` of lists and prunes of images.
import { describe, expect, it } from 'vitest';
import { type FilterKey, imageFilter } from '../../src/cli/commands/image/filter.ts';
import type { ImageSummary } from '../../src/images/image.ts';

const NOW = Date.parse('2026-06-01T00:00:00Z');

function image(name: string | undefined, created: string, labels: Record<string, string> = {}): ImageSummary {
  const id = `sha256:${(name ?? 'none').length.toString(16).padStart(64, '0')}`;
  return {
    ...(name === undefined ? {} : { name }),
    manifest: { mediaType: '', digest: id, size: 1 },
    platform: { os: 'linux', architecture: 'amd64' },
    id,
    target: id,
    time: created,
    repoDigests: [],
    created,
    labels,
    size: 1,
  };
}

const IMAGES = [
  image('docker.io/library/busybox:latest', '2026-05-31T23:00:00Z', { a: '1' }),
  image('docker.io/team/app:v1', '2026-05-01T00:00:00Z', { a: '2', b: '' }),
  image('r.test:5000/team/app:v2', '2026-04-01T00:00:00+02:00'),
  image(undefined, '2026-01-01T00:00:00Z'),
];
const ALL: readonly FilterKey[] = ['dangling', 'reference', 'label', 'label!', 'before', 'since', 'until'];

describe('filters of images', () => {
  const chosen = (...filters: string[]) => {
    const passes = imageFilter({ filters, allowed: ALL, images: IMAGES, now: NOW });
    return IMAGES.flatMap((each, index) => (passes(each) ? [index] : []));
  };

  it.each([
    [[], [0, 1, 2, 3]],
    [['dangling=true'], [3]],
    [['dangling=false'], [0, 1, 2]],
    [['reference=busybox'], [0]],
    [['reference=*:latest'], [0]],
    [['reference=team/app'], [1, 2]],
    [['reference=*/app:v?'], [1, 2]],
    [['reference=r.test:5000/*/*'], [2]],
    [['reference=app'], []],
    [
      ['reference=busybox', 'reference=team/app:v1'],
      [0, 1],
    ],
    [['label=a'], [0, 1]],
    [['label=a', 'label=b'], [1]],
    [['label=a=1'], [0]],
    [['label!=a'], [2, 3]],
    [['before=team/app:v1'], [2, 3]],
    [['since=r.test:5000/team/app:v2'], [0, 1]],
    [['until=24h'], [1, 2, 3]],
    [['until=2026-04-01T00:00:00Z', 'dangling=false'], [2]],
  ])('%j', (filters, expected) => {
    expect(chosen(...filters)).toEqual(expected);
  });

  it('that are not known are refused', () => {
    for (const filter of ['colour=red', 'dangling', 'dangling=maybe', 'until=never'])
      expect(() => chosen(filter)).toThrow(expect.objectContaining({ code: 'usage' }));
    expect(() => chosen('before=nothing')).toThrow(expect.objectContaining({ code: 'image-not-found' }));
  });
});
