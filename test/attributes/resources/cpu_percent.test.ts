// cpu_percent
import { describe, expect, test } from 'vitest';
import { inside, isImpossible, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('cpu_percent'), () => {
  test('of Windows: one warning with its place', async () => {
    const { lines, warnings } = await inside('cpu_percent: 50', 'echo ran');
    expect(lines).toEqual(['ran']);
    expect(warnings).toEqual([expect.stringMatching(/cpu_percent.*Windows.*compose\.yaml:\d+/)]);
  });
});
