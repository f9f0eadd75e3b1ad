// devices
import { describe, expect, test } from 'vitest';
import { inside, isImpossible, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('devices'), () => {
  test('are nodes that can be used, by their own or another name', async () => {
    const { lines } = await inside(
      `devices:
  - /dev/fuse:/dev/other:r`,
      'ls -l /dev/other | cut -c1; (exec 3</dev/other) && echo read; (exec 3>/dev/other) 2>/dev/null && echo write || echo refused',
    );
    expect(lines).toEqual(['c', 'read', 'refused']);
  });
  test('others cannot be used', async () => {
    const { lines } = await inside(
      '',
      'mknod /tmp/node c 10 229; (exec 3</tmp/node) 2>/dev/null && echo read || echo refused',
    );
    expect(lines).toEqual(['refused']);
  });

  test('that the machine does not have are refused', async () => {
    const { code, stderr } = await inside('devices: [/dev/no-such-device]', 'true', { mayFail: true });
    expect([code > 0, /no-such-device is no device/.test(stderr)]).toEqual([true, true]);
  });
});
