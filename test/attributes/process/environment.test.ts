// environment
import { describe, expect, test } from 'vitest';
import { inside, isImpossible, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('environment'), () => {
  test('holds in the first process; a name alone is taken from the shell', async () => {
    const { lines } = await inside(
      `environment:
  A: b c
  EMPTY: ""
  FROM_SHELL:`,
      'echo "$A|$EMPTY|$FROM_SHELL"; env | grep -c ^EMPTY=',
      { env: { FROM_SHELL: 'taken' } },
    );
    expect(lines).toEqual(['b c||taken', '1']);
  });
});
