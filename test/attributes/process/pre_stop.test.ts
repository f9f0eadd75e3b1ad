// pre_stop
import { describe, expect, test } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { isImpossible, linesOf, scene, serviceOf, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('pre_stop'), () => {
  test('runs before the container is asked to end', async () => {
    const hook = 'pre_stop:\n  - command: [sh, -c, "echo hook >/proc/1/fd/1"]';
    const app = serviceOf(hook, 'trap "echo asked; exit" TERM; echo ready; while :; do sleep 0.05; done');
    await using stack = scene(`services:\n${app}`);
    await stack.ok('up', '-d');
    await eventually(async () => expect(await stack.ok('logs', '--no-log-prefix')).toContain('ready'));
    await stack.ok('stop');
    expect(linesOf(await stack.ok('logs', '--no-log-prefix'))).toEqual(['ready', 'hook', 'asked']);
  });

  test('that fails keeps it running', async () => {
    await using stack = scene(
      `services:\n${serviceOf('pre_stop:\n  - command: ["false"]', 'exec sleep 60')}`,
    );
    await stack.ok('up', '-d');
    const { code, stderr } = await stack.run('stop');
    expect([code > 0, /compose\.yaml:\d+/.test(stderr)]).toEqual([true, true]);
    expect((await stack.ps())[0]?.State).toBe('running');
    await stack.ok('kill');
  });
});
