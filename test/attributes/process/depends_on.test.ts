// depends_on
import { describe, expect, test } from 'vitest';
import { isImpossible, linesOf, scene, serviceOf, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('depends_on'), () => {
  test('conditions are waited for', async () => {
    const first = serviceOf('', 'sleep 0.3; echo done >/shared/first', 'first').replace(
      '    network_mode',
      '    volumes: [shared:/shared]\n    network_mode',
    );
    const healthy = serviceOf(
      'volumes: [shared:/shared]\nhealthcheck:\n  test: test -e /shared/healthy\n  interval: 50ms\n  retries: 1000',
      'sleep 0.3; touch /shared/healthy; exec sleep 60',
      'healthy',
    );
    const app = serviceOf(
      'volumes: [shared:/shared]\ndepends_on:\n  first:\n    condition: service_completed_successfully\n  healthy:\n    condition: service_healthy',
      'ls /shared',
    );
    await using stack = scene(`services:\n${first}${healthy}${app}volumes:\n  shared: {}\n`);
    await stack.ok('up', '-d');
    await stack.ok('wait', 'app');
    expect(linesOf(await stack.ok('logs', '--no-log-prefix', 'app'))).toEqual(['first', 'healthy']);
  });
});
