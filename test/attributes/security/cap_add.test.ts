// cap_add
import { describe, expect, test } from 'vitest';
import { inside, isImpossible, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('cap_add'), () => {
  test('adds to the default set', async () => {
    const { lines } = await inside(
      'cap_add: [SYS_PTRACE, CAP_NET_ADMIN]',
      "grep -E '^Cap(Bnd|Eff)' /proc/self/status | cut -f2",
    );
    expect(lines).toEqual(['00000000a80c35fb', '00000000a80c35fb']);
  });
  test('the default set is that of Docker', async () => {
    const { lines } = await inside('', "grep -E '^Cap(Bnd|Eff)' /proc/self/status | cut -f2");
    expect(lines).toEqual(['00000000a80425fb', '00000000a80425fb']);
  });
});
