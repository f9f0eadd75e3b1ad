// deploy.resources.reservations.generic_resources
import { describe, expect, test } from 'vitest';
import { inside, isImpossible, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('generic_resources'), () => {
  test('of a cluster: one warning with its place', async () => {
    const text =
      'deploy:\n  resources:\n    reservations:\n      generic_resources:\n        - discrete_resource_spec: {kind: ssd, value: 2}';
    const { lines, warnings } = await inside(text, 'echo ran');
    expect(lines).toEqual(['ran']);
    expect(warnings).toEqual([expect.stringMatching(/generic_resources: .*compose\.yaml:\d+/)]);
  });
});
