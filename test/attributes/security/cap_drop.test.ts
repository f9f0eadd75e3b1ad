// cap_drop
import { describe, expect, test } from 'vitest';
import { inside, isImpossible, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('cap_drop'), () => {
  test('ALL leaves what is added', async () => {
    const { lines } = await inside(
      `cap_drop: [ALL]
cap_add: [CHOWN]`,
      "grep -E '^Cap(Bnd|Eff)' /proc/self/status | cut -f2",
    );
    expect(lines).toEqual(['0000000000000001', '0000000000000001']);
  });
  test('takes single ones away', async () => {
    const { lines } = await inside(
      'cap_drop: [CHOWN, NET_RAW]',
      "grep -E '^Cap(Bnd|Eff)' /proc/self/status | cut -f2",
    );
    expect(lines).toEqual(['00000000a80405fa', '00000000a80405fa']);
  });
  test('without CHOWN a file cannot be given away', async () => {
    const { lines } = await inside(
      'cap_drop: [CHOWN]',
      'touch /tmp/f; chown 33 /tmp/f 2>/dev/null && echo given || echo refused',
    );
    expect(lines).toEqual(['refused']);
  });
});
