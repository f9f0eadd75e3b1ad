// storage_opt
import { describe, expect, test } from 'vitest';
import { inside, isImpossible, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('storage_opt'), () => {
  test('size: a limit of what the container writes, or one warning with its place', async () => {
    const { lines, warnings } = await inside(
      'storage_opt: {size: 16m}',
      'dd if=/dev/zero of=/big bs=1M count=64 2>/dev/null && echo unlimited || echo limited',
      { mayFail: true },
    );
    if (warnings.length === 0) expect(lines).toEqual(['limited']);
    else expect(warnings).toEqual([expect.stringMatching(/storage_opt\.size: .*quota.*compose\.yaml:\d+/)]);
  });
});
