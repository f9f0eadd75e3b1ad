// pid
import { readlinkSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { inside, isImpossible, linesOf, scene, serviceOf, titled } from '../inside.ts';

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
    stack.write('compose.yaml', `services:\n${lender}`);
    await stack.ok('up', '-d');
    await using other = scene(
      `services:\n${serviceOf(`pid: container:${name}`, "tr '\\0' ' ' </proc/1/cmdline; echo")}`,
      { env: { TSCOMPOSE_STATE_DIR: stack.stateDir } },
    );
    await other.ok('up', '-d');
    await other.ok('wait', 'app');
    expect(await other.ok('logs', '--no-log-prefix', 'app')).toMatch(/^sleep/);
  });

  test('container: one of the same project is there first, whatever is borrowed of it', async () => {
    await using stack = scene('');
    const name = `${stack.project}-lender`;
    const lender = serviceOf(
      `container_name: ${name}\nipc: shareable\nvolumes: [./root/etc:/lent]`,
      'exec sleep 60',
      'lender',
    );
    const namespaces = 'for n in net ipc pid; do readlink /proc/self/ns/$n; done';
    const borrow = ['network_mode', 'pid', 'ipc'].map((attribute) => `${attribute}: container:${name}`);
    const app = serviceOf(
      [...borrow, `volumes_from: ["container:${name}:ro"]`].join('\n'),
      `${namespaces}; wc -l </lent/group`,
    );
    stack.write('compose.yaml', `services:\n${app}${lender}`);
    await stack.ok('up', '-d');
    await stack.ok('wait', 'app');
    const lent = linesOf(await stack.ok('exec', '-T', 'lender', 'sh', '-c', namespaces));
    expect(linesOf(await stack.ok('logs', '--no-log-prefix', 'app'))).toEqual([...lent, '3']);
    // Nothing is made anew by a second one.
    expect((await stack.run('up', '-d')).stderr).not.toContain('Created');
  });
});
