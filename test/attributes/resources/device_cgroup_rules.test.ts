// device_cgroup_rules
import { describe, expect, test } from 'vitest';
import { inside, isImpossible, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('device_cgroup_rules'), () => {
  test('allow what the container makes itself', async () => {
    const { lines } = await inside(
      'device_cgroup_rules: ["c 10:229 r"]',
      'mknod /tmp/node c 10 229; (exec 3</tmp/node) && echo read; (exec 3>/tmp/node) 2>/dev/null && echo write || echo refused',
    );
    expect(lines).toEqual(['read', 'refused']);
  });
});
