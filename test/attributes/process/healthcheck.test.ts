// healthcheck

import { describe, expect, test } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import type { Stack } from '../../support/stack.ts';
import { isImpossible, scene, serviceOf, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('healthcheck'), () => {
  const running = (healthcheck: string) =>
    `services:\n${serviceOf(`healthcheck:\n${healthcheck.replace(/^/gm, '  ')}`, 'echo begun; exec sleep 60')}`;
  const healthOf = async (stack: Stack) => (await stack.ps())[0]?.Health;
  const logOf = async (stack: Stack): Promise<readonly { exitCode: number; output: string }[]> =>
    JSON.parse(await stack.ok('inspect', 'app'))[0].status.health.log;

  test('CMD-SHELL: healthy at the first success, the output is kept', async () => {
    await using stack = scene(running('test: echo fine; test -e /bin/sh\ninterval: 50ms'));
    await stack.ok('up', '-d', '--wait');
    expect(await healthOf(stack)).toBe('healthy');
    expect((await logOf(stack))[0]).toMatchObject({ exitCode: 0, output: 'fine\n' });
  });

  test('CMD: retries failures make it unhealthy', async () => {
    await using stack = scene(running('test: [CMD, "false"]\ninterval: 50ms\nretries: 2'));
    expect((await stack.run('up', '-d', '--wait')).code).toBe(1);
    await eventually(async () => expect(await healthOf(stack)).toBe('unhealthy'));
    expect((await logOf(stack)).length).toBeGreaterThanOrEqual(2);
  });

  test('timeout ends a probe that hangs', async () => {
    await using stack = scene(running('test: sleep 60\ninterval: 50ms\ntimeout: 100ms\nretries: 1'));
    await stack.run('up', '-d', '--wait');
    await eventually(async () => expect(await healthOf(stack)).toBe('unhealthy'));
    expect((await logOf(stack))[0]).toMatchObject({ exitCode: -1 });
  });

  test('failures within start_period do not count, probed each start_interval', async () => {
    const settings = 'interval: 1h\nretries: 1\nstart_period: 1h\nstart_interval: 50ms';
    await using stack = scene(
      running(`test: test $$(cat /n | wc -l) -ge 3 || { echo x >>/n; false; }\n${settings}`),
    );
    await stack.ok('up', '-d', '--wait');
    const log = await logOf(stack);
    expect(log.filter(({ exitCode }) => exitCode !== 0)).toHaveLength(3);
    expect(await healthOf(stack)).toBe('healthy');
  });

  test.each(['test: [NONE]', 'disable: true'])('%s means no check', async (text) => {
    await using stack = scene(running(text));
    await stack.ok('up', '-d');
    expect(await healthOf(stack)).toBe('');
  });
});
