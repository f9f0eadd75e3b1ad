// kill -9 of a shim: what it leaves is seen as lost, and the next command cleans it up.
import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { isImpossible, titled } from '../attributes/inside.ts';
import { place, saying } from '../security/place.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/machine.ts';
import type { Stack } from '../support/stack.ts';

/** Changes its user, which makes it forget whose death it should follow, and leaves a child in a group of its own. */
const STRANGER = `
  #include <stdio.h>
  #include <unistd.h>
  int main(void) {
    if (setgid(44) < 0 || setuid(33) < 0) return 1;
    if (fork() == 0) { setsid(); for (;;) pause(); }
    puts("up");
    fflush(stdout);
    for (;;) pause();
  }`;

/** Processes of the stack's containers. */
function processes(id: string): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return (
          readFileSync(`/proc/${pid}/cgroup`, 'utf8').includes(id) &&
          !/^State:\tZ/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
        );
      } catch {
        return false;
      }
    });
}

async function killShim(stack: Stack): Promise<string> {
  const text = await stack.ok('inspect', 'app');
  const shim = Number(/"shim": (\d+)/.exec(text)?.[1]);
  process.kill(shim, 'SIGKILL');
  return (await stack.ps())[0]?.ID ?? '';
}

describe.skipIf(isImpossible)(titled('the death of a shim'), () => {
  test('takes every process of the container along', async () => {
    await using stack = place('', 'sleep 600 & echo up; sleep 600');
    await stack.ok('up', '-d');
    await saying(stack, 'up');
    const id = await killShim(stack);
    await eventually(() => expect(processes(id)).toEqual([]));
    expect(await stack.ps()).toMatchObject([{ State: 'dead', ExitCode: 255 }]);
    await stack.ok('up', '-d');
    expect(await stack.ps()).toMatchObject([{ State: 'running' }]);
  });

  test('is made good by the next up when they have become another user', async () => {
    await using stack = place('command: [stranger]', '', { programs: { stranger: STRANGER } });
    await stack.ok('up', '-d');
    await saying(stack, 'up');
    const id = await killShim(stack);
    const left = processes(id);
    expect(left.length).toBeGreaterThanOrEqual(2);
    expect((await stack.ps())[0]?.State).not.toBe('running');
    await stack.ok('up', '-d');
    expect(processes(id).filter((pid) => left.includes(pid))).toEqual([]);
    expect(await stack.ps()).toMatchObject([{ State: 'running' }]);
  });

  test.each(['stop', 'down', 'restart'])('is made good by %s', async (command) => {
    await using stack = place('command: [stranger]', '', { programs: { stranger: STRANGER } });
    await stack.ok('up', '-d');
    await saying(stack, 'up');
    const id = await killShim(stack);
    const left = processes(id);
    expect(left.length).toBeGreaterThanOrEqual(2);
    await stack.run(command);
    await eventually(() => expect(processes(id).filter((pid) => left.includes(pid))).toEqual([]));
  });

  test('of a paused container leaves nothing after down', async () => {
    await using stack = place('command: [stranger]', '', { programs: { stranger: STRANGER } });
    await stack.ok('up', '-d');
    await saying(stack, 'up');
    await stack.ok('pause');
    const id = await killShim(stack);
    expect(processes(id).length).toBeGreaterThanOrEqual(2);
    await stack.ok('down');
    await eventually(() => expect(processes(id)).toEqual([]));
  });

  test('of a container with control groups of its own leaves nothing after down', async () => {
    const script =
      'for d in /sys/fs/cgroup/*/; do mkdir -p $d/own && echo 0 > $d/own/cgroup.procs; done 2>/dev/null; exec stranger';
    await using stack = place('privileged: true', script, { programs: { stranger: STRANGER } });
    await stack.ok('up', '-d');
    await saying(stack, 'up');
    const id = await killShim(stack);
    expect(processes(id).length).toBeGreaterThanOrEqual(2);
    await stack.ok('down');
    await eventually(() => expect(processes(id)).toEqual([]));
  });

  test('gives its published port back', async () => {
    const port = await freePort();
    await using stack = place(`command: [stranger]\nports: ["127.0.0.1:${port}:80"]`, '', {
      programs: { stranger: STRANGER },
    });
    await stack.ok('up', '-d');
    await saying(stack, 'up');
    await killShim(stack);
    await stack.ok('up', '-d');
    expect(await stack.ps()).toMatchObject([{ State: 'running' }]);
  });
});
