// pid
import { readlinkSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { inside, isImpossible, scene, serviceOf, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('pid'), () => {
  test('private: sees its own processes only', async () => {
    const { lines } = await inside('', 'echo $$; ls -d /proc/[0-9]* | wc -l');
    expect(lines[0]).toBe('1');
    expect(Number(lines[1])).toBeLessThan(6);
  });

  test('host: those of the machine', async () => {
    const { lines } = await inside('pid: host', 'readlink /proc/self/ns/pid');
    expect(lines).toEqual([readlinkSync('/proc/self/ns/pid')]);
  });

  test('service: those of another service', async () => {
    const compose = `services:\n${serviceOf('', 'exec sleep 60', 'lender')}${serviceOf('pid: service:lender', "tr '\\0' ' ' </proc/1/cmdline; echo")}`;
    await using stack = scene(compose);
    await stack.ok('up', '-d');
    await stack.ok('wait', 'app');
    expect(await stack.ok('logs', '--no-log-prefix', 'app')).toMatch(/^sleep/);
  });

  test('container: those of a container, by name', async () => {
    await using stack = scene('');
    const name = `${stack.project}-lender`;
    const lender = serviceOf(`container_name: ${name}`, 'exec sleep 60', 'lender');
    const app = serviceOf(
      `pid: container:${name}\ndepends_on: [lender]`,
      "tr '\\0' ' ' </proc/1/cmdline; echo",
    );
    stack.write('compose.yaml', `services:\n${lender}${app}`);
    await stack.ok('up', '-d', 'lender');
    await stack.ok('up', '-d');
    await stack.ok('wait', 'app');
    expect(await stack.ok('logs', '--no-log-prefix', 'app')).toMatch(/^sleep/);
  });
});
