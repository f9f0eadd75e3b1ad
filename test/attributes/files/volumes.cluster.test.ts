// volumes.cluster
import { describe, expect, test } from 'vitest';
import { inside, isImpossible, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('volumes.cluster'), () => {
  test('does not exist on Linux: refused with its place', async () => {
    const { code, stderr } = await inside('volumes: [{type: cluster, source: x, target: /x}]', 'true', {
      mayFail: true,
    });
    expect(code).not.toBe(0);
    expect(stderr).toMatch(/cluster[\s\S]*compose\.yaml:\d+/);
  });
});
