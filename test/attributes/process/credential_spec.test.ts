// credential_spec
import { describe, expect, test } from 'vitest';
import { inside, isImpossible, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('credential_spec'), () => {
  test('of Windows: one warning with its place', async () => {
    const { lines, warnings } = await inside(
      `credential_spec:
  file: spec.json`,
      'echo ran',
    );
    expect(lines).toEqual(['ran']);
    expect(warnings).toEqual([expect.stringMatching(/credential_spec.*Windows.*compose\.yaml:\d+/)]);
  });
});
