// use_api_socket
import { describe, expect, test } from 'vitest';
import { inside, isImpossible, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('use_api_socket'), () => {
  test('gives one warning with its place', async () => {
    const { lines, warnings } = await inside('use_api_socket: true', 'echo ran');
    expect(lines).toEqual(['ran']);
    expect(warnings).toEqual([expect.stringMatching(/use_api_socket.*compose\.yaml:\d+/)]);
  });
});
