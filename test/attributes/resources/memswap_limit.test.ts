// memswap_limit
import { describe, expect, test } from 'vitest';
import { groupFile, ofVersion } from '../groups.ts';
import { inside, isImpossible, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('memswap_limit'), () => {
  const file = groupFile('memory/memory.memsw.limit_in_bytes', 'memory.swap.max');
  // A kernel without swap accounting has no such file.
  const read = `test ! -e ${file} && echo none || cat ${file}`;
  test.each([
    ['counts memory and swap together', 'memswap_limit: 48m', '50331648', '16777216'],
    ['is twice the memory when it is not said', '', '67108864', '33554432'],
  ])('%s', async (_, text, v1, v2) => {
    const { lines, warnings } = await inside(`mem_limit: 32m\n${text}`, read);
    if (lines[0] === 'none')
      expect(warnings).toEqual([
        expect.stringMatching(/memswap_limit.*compose\.yaml:\d+|mem_limit.*compose\.yaml:\d+/),
      ]);
    else expect([lines, warnings]).toEqual([[ofVersion(v1, v2)], []]);
  });

  test('below mem_limit it is refused', async () => {
    const { code, stderr } = await inside('mem_limit: 32m\nmemswap_limit: 16m', 'true', { mayFail: true });
    expect([code > 0, /memswap_limit/.test(stderr)]).toEqual([true, true]);
  });
});
