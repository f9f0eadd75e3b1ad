// volumes.external
import { describe, expect, test } from 'vitest';
import { inside, isImpossible, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('volumes.external'), () => {
  test('is one that is there; a missing one is an error', async () => {
    const { code, stderr } = await inside('volumes: [data:/d]', 'true', {
      top: 'volumes:\n  data: {external: true, name: no-such-volume}\n',
      mayFail: true,
    });
    expect([code > 0, /no-such-volume/.test(stderr)]).toEqual([true, true]);
  });
});
