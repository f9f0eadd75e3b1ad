// attach
import { describe, expect, test } from 'vitest';
import { isImpossible, scene, serviceOf, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('attach'), () => {
  test('false leaves the output out of an attached up', async () => {
    const compose = `services:\n${serviceOf('attach: false', 'echo quiet-one', 'quiet')}${serviceOf('', 'echo loud-one', 'loud')}`;
    await using stack = scene(compose);
    const text = await stack.ok('up');
    expect(text).toContain('loud-one');
    expect(text).not.toContain('quiet-one');
    expect(await stack.ok('logs', 'quiet')).toContain('quiet-one');
  });
});
