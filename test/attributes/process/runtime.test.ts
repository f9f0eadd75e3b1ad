// runtime
import { describe, expect, test } from 'vitest';
import { inside, isImpossible, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('runtime'), () => {
  test('the own name is fine, another one is refused with its place', async () => {
    expect((await inside('runtime: tscompose', 'echo ran')).lines).toEqual(['ran']);
    const { code, stderr } = await inside('runtime: kata', 'echo ran', { mayFail: true });
    expect(code).not.toBe(0);
    expect(stderr).toMatch(/runtime/);
    expect(stderr).toMatch(/compose\.yaml:\d+/);
  });
});
