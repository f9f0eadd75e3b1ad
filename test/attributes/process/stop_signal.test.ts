// stop_signal
import { describe, expect, test } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { isImpossible, scene, serviceOf, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('stop_signal'), () => {
  test('asks the container to end', async () => {
    const app = serviceOf(
      'stop_signal: SIGUSR1',
      'trap "exit 5" USR1; echo ready; while :; do sleep 0.05; done',
    );
    await using stack = scene(`services:\n${app}`);
    await stack.ok('up', '-d');
    await eventually(async () => expect(await stack.ok('logs', '--no-log-prefix')).toContain('ready'));
    await stack.ok('stop');
    expect((await stack.ps())[0]).toMatchObject({ State: 'exited', ExitCode: 5 });
  });
});
