// pre_start
import { describe, expect, test } from 'vitest';
import { inside, isImpossible, linesOf, scene, serviceOf, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('pre_start'), () => {
  const hook = (more = '') =>
    `pre_start:\n  - command: [sh, -c, "echo $$HOSTNAME >>/shared/log"]${more}\nvolumes: [shared:/shared]`;
  const volumes = 'volumes:\n  shared: {}\n';
  const seen = async (attributes: string, scale: number) => {
    await using stack = scene(
      `services:\n${serviceOf(`${attributes}\nscale: ${scale}`, 'wc -l </shared/log')}${volumes}`,
    );
    await stack.ok('up', '-d');
    await stack.ok('wait', 'app');
    return Math.max(...linesOf(await stack.ok('logs', '--no-log-prefix')).map(Number));
  };

  test('runs to its end before the service starts, once for all replicas', async () => {
    expect(await seen(hook(), 2)).toBe(1);
  });

  test('per_replica: once for each', async () => {
    expect(await seen(hook('\n    per_replica: true'), 2)).toBe(2);
  });

  test('image: in a container of another image', async () => {
    const { lines } = await inside(
      'pre_start:\n  - command: [sh, -c, "test -e /usr/bin/env && echo host >/shared/log"]\n    image: host\nvolumes: [shared:/shared]',
      'cat /shared/log',
      {
        top: volumes,
      },
    );
    expect(lines).toEqual(['host']);
  });

  test('that fails keeps the service from starting', async () => {
    const { code, stderr, lines } = await inside('pre_start:\n  - command: [sh, -c, exit 4]', 'echo never', {
      mayFail: true,
    });
    expect([code, lines]).toEqual([1, []]);
    expect(stderr).toMatch(/pre_start hook of .* exited with code 4/);
  });
});
