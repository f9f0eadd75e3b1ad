// container_name
import { describe, expect, test } from 'vitest';
import { isImpossible, scene, serviceOf, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('container_name'), () => {
  test('is the name of the container', async () => {
    await using stack = scene('');
    const name = `${stack.project}-named`;
    stack.write('compose.yaml', `services:\n${serviceOf(`container_name: ${name}`, 'true')}`);
    await stack.ok('create');
    expect((await stack.ps()).map((row) => row.Name)).toEqual([name]);
  });
});
