// group_add
import { describe, expect, test } from 'vitest';
import { inside, isImpossible, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('group_add'), () => {
  test('adds groups by name and number', async () => {
    const { lines } = await inside(
      `user: "33:44"
group_add: [extra, "777"]`,
      'id -G',
    );
    expect(lines).toEqual([expect.stringMatching(/^44 (1234 777|777 1234)$/)]);
  });
});
