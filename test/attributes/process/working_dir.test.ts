// working_dir
import { describe, expect, test } from 'vitest';
import { inside, isImpossible, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('working_dir'), () => {
  test('is made when it is missing', async () => {
    const { lines } = await inside('working_dir: /made/up', 'pwd');
    expect(lines).toEqual(['/made/up']);
  });
});
