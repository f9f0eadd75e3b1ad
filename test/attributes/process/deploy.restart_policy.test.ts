// deploy.restart_policy
import { describe, expect, test } from 'vitest';
import { inside, isImpossible, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('deploy.restart_policy'), () => {
  test('max_attempts and delay hold', async () => {
    const policy =
      'deploy:\n  restart_policy:\n    condition: on-failure\n    delay: 50ms\n    max_attempts: 2';
    const { lines } = await inside(policy, 'echo run; exit 3', { mayFail: true });
    expect(lines).toEqual(['run', 'run', 'run']);
  });

  test('condition any restarts a success, none does not restart a failure', async () => {
    const any = 'deploy:\n  restart_policy:\n    condition: any\n    delay: 10ms\n    max_attempts: 1';
    expect((await inside(any, 'echo run')).lines).toEqual(['run', 'run']);
    const none = 'restart: always\ndeploy:\n  restart_policy:\n    condition: none';
    expect((await inside(none, 'echo run; exit 3', { mayFail: true })).lines).toEqual(['run']);
  });
});
