// cgroup_parent
import { existsSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { ofVersion } from '../groups.ts';
import { inside, isImpossible, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('cgroup_parent'), () => {
  test('is the group that the container is made in, and goes away with it', async () => {
    const parent = `/tscompose-parent-${process.pid}`;
    const { lines } = await inside(`cgroup: host\ncgroup_parent: ${parent}`, 'cut -d: -f3 /proc/self/cgroup');
    expect(lines.filter((line) => line.startsWith(`${parent}/`)).length).toBeGreaterThan(0);
    expect(existsSync(`${ofVersion('/sys/fs/cgroup/memory', '/sys/fs/cgroup')}${parent}`)).toBe(false);
  });

  test('a relative one is below the root', async () => {
    const { lines } = await inside(
      `cgroup: host\ncgroup_parent: tscompose-rel-${process.pid}`,
      'cut -d: -f3 /proc/self/cgroup',
    );
    expect(lines.some((line) => line.startsWith(`/tscompose-rel-${process.pid}/`))).toBe(true);
  });
});
