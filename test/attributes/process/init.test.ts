// init
import { describe, expect, test } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { inside, isImpossible, scene, serviceOf, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('init'), () => {
  test('is process 1, and reaps what loses its parent', async () => {
    const { lines } = await inside(
      'init: true',
      "echo $$; tr '\\0' ' ' </proc/1/cmdline | cut -c1-1; sh -c '(sleep 0; exit 0) & :'; sleep 0.2; grep -l '^State:.*Z' /proc/[0-9]*/status | wc -l",
    );
    expect(lines).toEqual([expect.not.stringMatching(/^1$/), expect.any(String), '0']);
  });

  test('hands signals on and ends with the code of the command', async () => {
    const app = serviceOf('init: true', 'trap "exit 9" TERM; echo ready; while :; do sleep 0.05; done');
    await using stack = scene(`services:\n${app}`);
    await stack.ok('up', '-d');
    await eventually(async () => expect(await stack.ok('logs', '--no-log-prefix')).toContain('ready'));
    await stack.ok('stop');
    expect((await stack.ps())[0]?.ExitCode).toBe(9);
  });
});
