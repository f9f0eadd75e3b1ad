// labels
import { describe, expect, test } from 'vitest';
import { isImpossible, scene, serviceOf, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('labels'), () => {
  test('are kept with the container, in inspect and in ps', async () => {
    await using stack = scene(`services:\n${serviceOf('labels:\n  org.example.key: some value', 'true')}`);
    await stack.ok('create');
    expect((await stack.ps())[0]?.Labels.split(',')).toContain('org.example.key=some value');
    const [config] = JSON.parse(await stack.ok('inspect', 'app'));
    expect(JSON.stringify(config)).toContain('"org.example.key":"some value"');
  });
});
