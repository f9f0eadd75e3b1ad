// x-tscompose.uid_map
import { describe, expect, test } from 'vitest';
import { inside, isImpossible, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('x-tscompose.uid_map'), () => {
  test('uid_map and gid_map are those of the user namespace', async () => {
    const text = 'x-tscompose:\n  uid_map: ["0:200000:1000"]\n  gid_map: ["0:300000:1000"]';
    const { lines } = await inside(
      text,
      "cat /proc/self/uid_map /proc/self/gid_map | tr -s ' '; stat -c '%u %g' /bin/busybox",
    );
    expect(lines).toEqual([' 0 200000 1000', ' 0 300000 1000', '0 0']);
  });
});
