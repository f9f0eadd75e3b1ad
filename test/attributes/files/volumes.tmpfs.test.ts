// volumes.tmpfs
import { describe, expect, test } from 'vitest';
import { inside, isImpossible, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('volumes.tmpfs'), () => {
  test('size and mode', async () => {
    const { lines } = await inside(
      'volumes: [{type: tmpfs, target: /t, tmpfs: {size: 4m, mode: 0o1770}}]',
      "df -k /t | tail -1 | tr -s ' ' | cut -d' ' -f2; stat -c %a /t",
    );
    expect(lines).toEqual(['4096', '1770']);
  });
});
