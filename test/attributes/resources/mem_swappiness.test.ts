// mem_swappiness
import { describe, expect, test } from 'vitest';
import { ofVersion } from '../groups.ts';
import { inside, isImpossible, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('mem_swappiness'), () => {
  test('holds on v1; on v2 there is one warning with its place', async () => {
    const { lines, warnings } = await inside(
      'mem_swappiness: 10',
      'head -n 1 /sys/fs/cgroup/memory/memory.swappiness 2>/dev/null; echo ran',
    );
    expect(lines).toEqual(ofVersion(['10', 'ran'], ['ran']));
    const refused = expect.stringMatching(/mem_swappiness: cgroup v2 has no such limit.*compose\.yaml:\d+/);
    expect(warnings).toEqual(ofVersion<unknown[]>([], [refused]));
  });
});
