// post_start
import { describe, expect, test } from 'vitest';
import { isImpossible, linesOf, scene, serviceOf, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('post_start'), () => {
  test('runs in the running container, with its own user, directory and environment', async () => {
    const hook =
      'post_start:\n  - command: [sh, -c, "echo $$(id -u) $$(pwd) $$A >>/tmp/seen"]\n    user: root\n    working_dir: /bin\n    environment: [A=b]';
    const app = serviceOf(
      `user: "33"\ntmpfs: ["/tmp:mode=1777"]\n${hook}`,
      'while ! test -s /tmp/seen; do sleep 0.05; done; id -u; cat /tmp/seen',
    );
    await using stack = scene(`services:\n${app}`);
    await stack.ok('up', '-d');
    await stack.ok('wait', 'app');
    expect(linesOf(await stack.ok('logs', '--no-log-prefix'))).toEqual(['33', '0 /bin b']);
  });

  test('privileged has all capabilities', async () => {
    const hook =
      'post_start:\n  - command: [sh, -c, "grep CapEff /proc/self/status >/tmp/seen"]\n    privileged: true';
    const app = serviceOf(
      hook,
      'while ! test -s /tmp/seen; do sleep 0.05; done; grep CapEff /proc/self/status; cat /tmp/seen',
    );
    await using stack = scene(`services:\n${app}`);
    await stack.ok('up', '-d');
    await stack.ok('wait', 'app');
    const masks = linesOf(await stack.ok('logs', '--no-log-prefix')).map((line) =>
      BigInt(`0x${line.split('\t')[1]}`),
    );
    expect(masks[1]).toBeGreaterThan(masks[0] ?? 0n);
  });
});
