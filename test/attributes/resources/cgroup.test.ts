// cgroup
import { readlinkSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { inside, isImpossible, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('cgroup'), () => {
  test('host: the namespace of the machine', async () => {
    const { lines } = await inside(
      'cgroup: host',
      'readlink /proc/self/ns/cgroup; grep -c tscompose /proc/self/cgroup',
    );
    expect(lines[0]).toBe(readlinkSync('/proc/self/ns/cgroup'));
    expect(Number(lines[1])).toBeGreaterThan(0);
  });

  test.each(['cgroup: private', ''])('%s: its own group is the root', async (text) => {
    const { lines } = await inside(text, "grep -E '^0::|:memory:' /proc/self/cgroup | cut -d: -f3 | sort -u");
    expect(lines).toContain('/');
  });
});
