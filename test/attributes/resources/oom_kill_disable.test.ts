// oom_kill_disable
import { describe, expect, test } from 'vitest';
import { ofVersion } from '../groups.ts';
import { inside, isImpossible, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('oom_kill_disable'), () => {
  test('holds on v1; on v2 there is one warning with its place', async () => {
    const { lines, warnings } = await inside(
      `oom_kill_disable: true
mem_limit: 64m`,
      'head -n 1 /sys/fs/cgroup/memory/memory.oom_control 2>/dev/null; echo ran',
    );
    expect(lines).toEqual(ofVersion(['oom_kill_disable 1', 'ran'], ['ran']));
    const refused = expect.stringMatching(/oom_kill_disable: cgroup v2 has no such limit.*compose\.yaml:\d+/);
    expect(warnings).toEqual(ofVersion<unknown[]>([], [refused]));
  });
});
