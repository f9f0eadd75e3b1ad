// scale
import { describe, expect, test } from 'vitest';
import { isImpossible, look, scene, serviceOf, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('scale'), () => {
  test('is the number of containers', async () => {
    await using stack = scene(`services:\n${serviceOf('scale: 3', 'hostname')}`);
    const { lines } = await look(stack);
    const ids = (await stack.ps()).map((row) => row.ID.slice(0, 12));
    expect(ids).toHaveLength(3);
    expect([...lines].sort()).toEqual(ids.sort());
  });
});
