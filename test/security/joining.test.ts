// Processes that enter a container (exec, health checks) and its own init, hunted from inside: CVE-2019-5736 and its kin.
import { createHash } from 'node:crypto';
import { chmodSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { isImpossible, titled } from '../attributes/inside.ts';
import { eventually } from '../support/eventually.ts';
import { ROOT, type Stack } from '../support/stack.ts';
import { logged, place, saying } from './place.ts';
import { HUNTER, RIGHTS_WATCHER } from './programs.ts';

const SHIM = join(ROOT, 'dist/core/tscompose-shim');
const EXECS = 12;

/** Many entries while the hunter runs: probes without pause, and some by hand. */
async function enterOften(stack: Stack, ...command: string[]): Promise<void> {
  await saying(stack, 'hunting');
  await Promise.all(
    Array.from({ length: EXECS }, () =>
      stack.run('exec', '-T', 'app', ...(command.length > 0 ? command : ['true'])),
    ),
  );
}

describe.skipIf(isImpossible)(titled('who enters a container'), () => {
  const digest = () => createHash('sha256').update(readFileSync(SHIM)).digest('hex');
  const programs = { hunter: HUNTER };
  const probes = 'healthcheck: { test: [CMD, "true"], interval: 5ms }\ncommand: [hunter]';

  test.each([
    ['by default', ''],
    ['without seccomp', 'security_opt: [seccomp=unconfined]\nenvironment: { TRACE: "1" }'],
    ['with the machine’s processes in sight', 'pid: host'],
    ['in a user namespace', 'userns_mode: private'],
  ])(
    'shows neither program, descriptors nor memory before it has become its own: %s',
    async (_, attributes) => {
      await using stack = place(`${probes}\n${attributes}`, '', { programs });
      await stack.ok('up', '-d');
      await enterOften(stack);
      await saying(stack, 'seen');
      const got = (await logged(stack)).filter((line) => !['hunting', 'seen'].includes(line));
      expect(got).toEqual([]);
    },
  );

  test('shows a program that nobody can write to when its own is asked for', async () => {
    const before = digest();
    await using stack = place(`${probes}\ncommand: [hunter]`.replace('command: [hunter]\n', ''), '', {
      programs,
    });
    stack.write('root/bin/mine', '#!/proc/self/exe\n');
    const mine = join(stack.dir, 'root/bin/mine');
    chmodSync(mine, 0o755);
    await stack.ok('up', '-d');
    await enterOften(stack, '/bin/mine');
    await eventually(() => enterOften(stack, '/bin/mine'));
    expect(await logged(stack)).not.toContain('program for writing');
    expect(digest()).toBe(before);
  });

  // Without a user namespace the kernel lets CAP_SYS_PTRACE trace what cannot be dumped, too.
  test.each([
    ['as root', []],
    ['as another user', ['-u', 'www']],
    ['detached', ['-d']],
  ])('has no more rights than a container that may trace it: %s', async (_, flags) => {
    await using stack = place(`${probes}\ncap_add: [SYS_PTRACE]`.replace('[hunter]', '[watcher]'), '', {
      programs: { watcher: RIGHTS_WATCHER },
      env: { SECRET_OF_THE_CALLER: 'x' },
    });
    await stack.ok('up', '-d');
    await saying(stack, 'hunting');
    await Promise.all(Array.from({ length: EXECS }, () => stack.run('exec', '-T', ...flags, 'app', 'true')));
    await saying(stack, 'seen');
    expect((await logged(stack)).filter((line) => !['hunting', 'seen'].includes(line))).toEqual([]);
  });

  test('cannot be traced by a container in a user namespace that may trace its own', async () => {
    await using stack = place(
      `${probes}\nuserns_mode: private\nenvironment: { TRACE: "1" }\ncap_drop: [ALL]\ncap_add: [SYS_PTRACE]`,
      '',
      { programs },
    );
    await stack.ok('up', '-d');
    await enterOften(stack);
    await saying(stack, 'seen');
    expect(await logged(stack)).not.toContain('traced');
  });
});

describe.skipIf(isImpossible)(titled('the program of the shim'), () => {
  test('as init of the container it is on a read-only mount', async () => {
    await using stack = place(
      'init: true',
      'exec 2>&1; cat /proc/1/exe | wc -c; echo x >> /proc/1/exe; echo $?',
    );
    const before = readFileSync(SHIM);
    await stack.run('up');
    const lines = await logged(stack);
    expect(lines.join('\n')).toMatch(/Read-only file system|Text file busy|Permission denied/);
    expect(readFileSync(SHIM).equals(before)).toBe(true);
  });
});
