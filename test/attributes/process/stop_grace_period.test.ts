// stop_grace_period
import { describe, expect, test } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { isImpossible, scene, serviceOf, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('stop_grace_period'), () => {
  test('is how long before a container that does not end is killed', async () => {
    const app = serviceOf(
      'stop_grace_period: 200ms',
      'trap "" TERM; echo ready; while :; do sleep 0.05; done',
    );
    await using stack = scene(`services:\n${app}`);
    await stack.ok('up', '-d');
    await eventually(async () => expect(await stack.ok('logs', '--no-log-prefix')).toContain('ready'));
    await stack.ok('stop');
    expect((await stack.ps())[0]).toMatchObject({ State: 'exited', ExitCode: 137 });
  });
});
