// entrypoint
import { describe, expect, test } from 'vitest';
import { inside, isImpossible, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('entrypoint'), () => {
  test('comes before the command', async () => {
    const { lines } = await inside(
      `entrypoint: [echo, first]
command: [second]`,
      '',
    );
    expect(lines).toEqual(['first second']);
  });
  test('a string is split', async () => {
    const { lines } = await inside('entrypoint: echo "a  b"', '');
    expect(lines).toEqual(['a  b']);
  });
});
