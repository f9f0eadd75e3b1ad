// restart
import { describe, expect, test } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { inside, isImpossible, linesOf, scene, serviceOf, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('restart'), () => {
  test('on-failure starts again as often as it says', async () => {
    const { lines } = await inside('restart: on-failure:2\nvolumes: [runs:/runs]', 'echo run; exit 3', {
      top: 'volumes:\n  runs: {}\n',
      mayFail: true,
    });
    expect(lines).toEqual(['run', 'run', 'run']);
  });

  test('on-failure leaves a success alone', async () => {
    const { lines } = await inside('restart: on-failure', 'echo run');
    expect(lines).toEqual(['run']);
  });

  test.each(['always', 'unless-stopped'])('%s starts again until it is stopped', async (policy) => {
    await using stack = scene(`services:\n${serviceOf(`restart: ${policy}`, 'echo run')}`);
    await stack.ok('up', '-d');
    const runs = async () => linesOf(await stack.ok('logs', '--no-log-prefix')).length;
    await eventually(async () => expect(await runs()).toBeGreaterThan(2));
    await stack.ok('stop');
    expect((await stack.ps())[0]?.State).toBe('exited');
  });
});
