// annotations
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { isImpossible, scene, serviceOf, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('annotations'), () => {
  test('are those of the OCI specification of the container', async () => {
    await using stack = scene(`services:\n${serviceOf('annotations:\n  org.example.note: hello', 'true')}`);
    await stack.ok('create');
    const id = (await stack.ps())[0]?.ID ?? '';
    const spec = JSON.parse(readFileSync(join(stack.stateDir, 'containers', id, 'config.json'), 'utf8'));
    expect(spec.annotations).toMatchObject({ 'org.example.note': 'hello' });
  });
});
