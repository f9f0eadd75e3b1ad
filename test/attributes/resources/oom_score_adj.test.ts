// oom_score_adj
import { describe, expect, test } from 'vitest';
import { inside, isImpossible, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('oom_score_adj'), () => {
  test('is that of the process', async () => {
    const { lines } = await inside('oom_score_adj: 500', 'cat /proc/self/oom_score_adj');
    expect(lines).toEqual(['500']);
  });
});
