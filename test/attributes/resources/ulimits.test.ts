// ulimits
import { describe, expect, test } from 'vitest';
import { inside, isImpossible, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('ulimits'), () => {
  test('are the limits of the process', async () => {
    const { lines } = await inside(
      `ulimits:
  nofile: {soft: 512, hard: 1024}
  nproc: 99
  core: 0`,
      'ulimit -Sn; ulimit -Hn; ulimit -Su; ulimit -c',
    );
    expect(lines).toEqual(['512', '1024', '99', '0']);
  });
  test('nofile has a soft limit of 1024 by default', async () => {
    const { lines } = await inside('', 'ulimit -Sn');
    expect(lines).toEqual(['1024']);
  });
});
