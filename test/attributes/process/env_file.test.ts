// env_file
import { describe, expect, test } from 'vitest';
import { inside, isImpossible, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('env_file'), () => {
  test('fills the environment, which wins', async () => {
    const { lines } = await inside(
      `env_file:
  - a.env
  - path: missing.env
    required: false
environment:
  B: own`,
      'echo $A $B',
      { files: { 'a.env': 'A=one\nB=file\n' } },
    );
    expect(lines).toEqual(['one own']);
  });
  test('format raw takes values as they are', async () => {
    const { lines } = await inside(
      `env_file:
  - path: a.env
    format: raw`,
      'echo "$A"',
      { files: { 'a.env': 'A="quoted" $HOME\n' } },
    );
    expect(lines).toEqual([`"quoted" $HOME`]);
  });
});
