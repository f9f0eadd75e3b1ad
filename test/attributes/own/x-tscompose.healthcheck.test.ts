// x-tscompose.healthcheck

import { describe, expect, test } from 'vitest';
import type { Stack } from '../../support/stack.ts';
import { inside, isImpossible, scene, serviceOf, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('x-tscompose.healthcheck'), () => {
  // The image has no shell that could be asked: the command is busybox itself.
  const checked = (check: string, command: string, more = '') =>
    `services:\n${serviceOf(`command: ${command}\nx-tscompose:\n  healthcheck: {${check}, interval: 50ms, retries: 100}${more}`, '')}`;
  const healthOf = async (stack: Stack) => (await stack.ps())[0]?.Health;

  test.each([
    ['http: "8080/index.html"', '[httpd, -f, -p, "8080", -h, /etc]', true],
    ['http: {url: "http://127.0.0.1:8080/passwd", status: 200}', '[httpd, -f, -p, "8080", -h, /etc]', true],
    ['http: "8080/missing"', '[httpd, -f, -p, "8080", -h, /etc]', false],
    ['tcp: 8080', '[httpd, -f, -p, "8080"]', true],
    ['tcp: "localhost:81"', '[httpd, -f, -p, "8080"]', false],
    ['file: /tmp/ready', '[sh, -c, "touch /tmp/ready; exec sleep 60"]', true],
    ['file: /tmp/never', '[sleep, "60"]', false],
    ['log: "^ready [0-9]+$"', '[sh, -c, "echo ready 12; exec sleep 60"]', true],
    ['log: "never"', '[sh, -c, "echo ready; exec sleep 60"]', false],
  ])('%s %s: %s', async (check, command, passes) => {
    const compose = checked(check, command).replace('retries: 100', passes ? 'retries: 100' : 'retries: 2');
    await using stack = scene(compose, { files: { 'root/etc/index.html': 'hello\n' } });
    const { code } = await stack.run('up', '-d', '--wait');
    expect([code, await healthOf(stack)]).toEqual(passes ? [0, 'healthy'] : [1, 'unhealthy']);
  });

  test('a line of output is noticed at once, not at the next tick', async () => {
    await using stack = scene(
      checked('log: ready', '[sh, -c, "sleep 0.2; echo ready; exec sleep 60"]').replace('50ms', '1h'),
    );
    expect((await stack.run('up', '-d', '--wait')).code).toBe(0);
  });

  test('what went wrong is kept', async () => {
    await using stack = scene(checked('tcp: 81', '[sleep, "60"]').replace('retries: 100', 'retries: 1'));
    await stack.run('up', '-d', '--wait');
    const [{ status }] = JSON.parse(await stack.ok('inspect', 'app'));
    expect(status.health.log[0]).toMatchObject({
      exitCode: 1,
      output: '127.0.0.1 port 81: Connection refused\n',
    });
  });

  test.each(['{http: 1, tcp: 2}', '{udp: 3}', '{tcp: somewhere}'])('%s is refused', async (check) => {
    const { code, stderr } = await inside(`x-tscompose: {healthcheck: ${check}}`, 'true', { mayFail: true });
    expect([code > 0, /healthcheck/.test(stderr)]).toEqual([true, true]);
  });
});
