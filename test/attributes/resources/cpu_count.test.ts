// cpu_count
import { describe, expect, test } from 'vitest';
import { inside, isImpossible, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('cpu_count'), () => {
  test('of Windows: one warning with its place', async () => {
    const { lines, warnings } = await inside('cpu_count: 2', 'echo ran');
    expect(lines).toEqual(['ran']);
    expect(warnings).toEqual([expect.stringMatching(/cpu_count.*Windows.*compose\.yaml:\d+/)]);
  });
});
