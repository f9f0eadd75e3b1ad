// cpuset
import { describe, expect, test } from 'vitest';
import { inside, isImpossible, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('cpuset'), () => {
  test('is where the processes may run', async () => {
    const { lines, warnings } = await inside(
      'cpuset: "0"',
      "sed -n 's/^Cpus_allowed_list:\\t//p' /proc/self/status",
    );
    if (warnings.length === 0) expect(lines).toEqual(['0']);
    else
      expect(warnings).toEqual([
        expect.stringMatching(/cpuset: the cpuset controller is not available.*compose\.yaml:\d+/),
      ]);
  });
});
