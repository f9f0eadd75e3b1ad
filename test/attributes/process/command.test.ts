// command
import { describe, expect, test } from 'vitest';
import { inside, isImpossible, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('command'), () => {
  test('a list is the argument vector', async () => {
    const { lines } = await inside('command: [printf, "%s|", "a b", "$$HOME"]', '');
    expect(lines).toEqual(['a b|$HOME|']);
  });
  test('a string is split like a shell does, and no shell runs', async () => {
    const { lines } = await inside(`command: echo "a  b" '$$HOME'`, '');
    expect(lines).toEqual(['a  b $HOME']);
  });
});
