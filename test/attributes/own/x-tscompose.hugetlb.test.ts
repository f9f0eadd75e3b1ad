// x-tscompose.hugetlb
import { describe, expect, test } from 'vitest';
import { groupFile } from '../groups.ts';
import { inside, isImpossible, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('x-tscompose.hugetlb'), () => {
  test('is the limit of the group, or one warning with its place', async () => {
    const file = groupFile('hugetlb/hugetlb.2MB.limit_in_bytes', 'hugetlb.2MB.max');
    const { lines, warnings } = await inside(
      'x-tscompose: {hugetlb: {2MB: 64m}}',
      `cat ${file} 2>/dev/null; echo ran`,
    );
    if (warnings.length === 0) expect(lines).toEqual(['67108864', 'ran']);
    else expect(warnings).toEqual([expect.stringMatching(/x-tscompose\.hugetlb: .*compose\.yaml:\d+/)]);
  });
});
