// isolation
import { describe, expect, test } from 'vitest';
import { inside, isImpossible, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('isolation'), () => {
  test('of Windows: one warning with its place', async () => {
    const { lines, warnings } = await inside('isolation: hyperv', 'echo ran');
    expect(lines).toEqual(['ran']);
    expect(warnings).toEqual([expect.stringMatching(/isolation.*Windows.*compose\.yaml:\d+/)]);
  });
});
