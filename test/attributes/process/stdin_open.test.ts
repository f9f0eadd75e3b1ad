// stdin_open
import { describe, expect, test } from 'vitest';
import { inside, isImpossible, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('stdin_open'), () => {
  test('keeps standard input open, without anybody attached', async () => {
    const { lines } = await inside(
      'stdin_open: true',
      'readlink /proc/self/fd/0 | cut -c1-5; exec 3<&0; (cat <&3; echo ended) & sleep 0.5; echo open',
    );
    expect(lines).toEqual(['pipe:', 'open']);
  });
  test('is empty otherwise', async () => {
    const { lines } = await inside('', 'cat; echo $?');
    expect(lines).toEqual(['0']);
  });
});
