// ipc
import { readlinkSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { inside, isImpossible, linesOf, scene, serviceOf, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('ipc'), () => {
  test('private by default, host shares the machine', async () => {
    const here = readlinkSync('/proc/self/ns/ipc');
    expect((await inside('', 'readlink /proc/self/ns/ipc')).lines).not.toEqual([here]);
    expect((await inside('ipc: private', 'readlink /proc/self/ns/ipc')).lines).not.toEqual([here]);
    expect((await inside('ipc: host', 'readlink /proc/self/ns/ipc')).lines).toEqual([here]);
  });

  test('service: namespace and /dev/shm of a shareable one', async () => {
    const lender = serviceOf(
      'ipc: shareable',
      'echo lent >/dev/shm/file; readlink /proc/self/ns/ipc; exec sleep 60',
      'lender',
    );
    const app = serviceOf(
      'ipc: service:lender',
      'while ! test -s /dev/shm/file; do sleep 0.05; done; cat /dev/shm/file; readlink /proc/self/ns/ipc',
    );
    await using stack = scene(`services:\n${lender}${app}`);
    await stack.ok('up', '-d');
    await stack.ok('wait', 'app');
    const lines = linesOf(await stack.ok('logs', '--no-log-prefix', 'app'));
    expect(lines).toEqual(['lent', linesOf(await stack.ok('logs', '--no-log-prefix', 'lender'))[0]]);
  });
});
