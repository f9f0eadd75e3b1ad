// volumes.bind
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { inside, isImpossible, linesOf, look, scene, serviceOf, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('volumes.bind'), () => {
  test('is the directory of the machine, writable or not', async () => {
    const { lines } = await inside(
      'volumes:\n  - ./dir:/rw\n  - ./dir:/ro:ro',
      'cat /rw/file; echo more >/rw/new; cat /ro/new; touch /ro/x 2>/dev/null || echo refused',
      { files: { 'dir/file': 'text\n' } },
    );
    expect(lines).toEqual(['text', 'more', 'refused']);
  });

  test('create_host_path', async () => {
    await using stack = scene(
      `services:\n${serviceOf('volumes: [{type: bind, source: ./made/up, target: /d, bind: {create_host_path: true}}]', 'touch /d/x')}`,
    );
    await look(stack);
    expect(existsSync(join(stack.dir, 'made/up/x'))).toBe(true);
    const { code, stderr } = await inside(
      'volumes: [{type: bind, source: ./missing, target: /d, bind: {create_host_path: false}}]',
      'true',
      { mayFail: true },
    );
    expect(code).not.toBe(0);
    expect(stderr).toMatch(/missing does not exist[\s\S]*compose\.yaml:\d+/);
  });

  test.each([
    ['', 'refused'],
    [', bind: {recursive: writable}', 'writable'],
    [', bind: {recursive: readonly, propagation: rprivate}', 'refused'],
  ])('read-only%s: mounts below are %s', async (text, expected) => {
    // A namespace of mounts of the test's own would be too little: the machine's are what is bound.
    await using stack = scene('');
    const source = join(stack.dir, 'outer');
    mkdirSync(join(source, 'inner'), { recursive: true });
    execFileSync('mount', ['-t', 'tmpfs', 'attr-test', join(source, 'inner')]);
    try {
      stack.write(
        'compose.yaml',
        `services:\n${serviceOf(`volumes: [{type: bind, source: ./outer, target: /d, read_only: true${text}}]`, 'touch /d/inner/x 2>/dev/null && echo writable || echo refused')}`,
      );
      expect((await look(stack)).lines).toEqual([expected]);
    } finally {
      execFileSync('umount', [join(source, 'inner')]);
    }
  });

  test('recursive: disabled leaves the mounts below out', async () => {
    await using stack = scene('');
    const source = join(stack.dir, 'outer');
    mkdirSync(join(source, 'inner'), { recursive: true });
    execFileSync('mount', ['-t', 'tmpfs', 'attr-test', join(source, 'inner')]);
    try {
      writeFileSync(join(source, 'inner/file'), '');
      stack.write(
        'compose.yaml',
        `services:\n${serviceOf('volumes: [{type: bind, source: ./outer, target: /d, bind: {recursive: disabled}}]', 'ls /d/inner | wc -l')}`,
      );
      expect((await look(stack)).lines).toEqual(['0']);
    } finally {
      execFileSync('umount', [join(source, 'inner')]);
    }
  });

  // What the container mounts comes out with rshared, what the machine mounts comes in with rslave too.
  test.each([
    ['rprivate', false, false],
    ['rslave', false, true],
    ['rshared', true, true],
  ])('propagation: %s', async (propagation, comesOut, comesIn) => {
    await using stack = scene('');
    const source = join(stack.dir, 'outer');
    for (const name of ['', 'in', 'out']) mkdirSync(join(source, name), { recursive: true });
    execFileSync('mount', ['-t', 'tmpfs', 'attr-test', source]);
    execFileSync('mount', ['--make-shared', source]);
    try {
      for (const name of ['in', 'out']) mkdirSync(join(source, name));
      const script =
        'mount -t tmpfs x /d/out && touch /d/out/mounted; touch /d/ready; while ! test -e /d/go; do sleep 0.05; done; grep -c " /d/in " /proc/mounts; umount /d/out';
      stack.write(
        'compose.yaml',
        `services:\n${serviceOf(`cap_add: [SYS_ADMIN]\nsecurity_opt: [seccomp=unconfined]\nvolumes: [{type: bind, source: ./outer, target: /d, bind: {propagation: ${propagation}}}]`, script)}`,
      );
      await stack.ok('up', '-d');
      await eventually(() => expect(existsSync(join(source, 'ready'))).toBe(true));
      expect(existsSync(join(source, 'out/mounted'))).toBe(comesOut);
      execFileSync('mount', ['-t', 'tmpfs', 'attr-test', join(source, 'in')]);
      writeFileSync(join(source, 'go'), '');
      await stack.run('wait', 'app');
      expect(linesOf(await stack.ok('logs', '--no-log-prefix'))).toEqual([comesIn ? '1' : '0']);
    } finally {
      execFileSync('umount', ['-R', source]);
    }
  });

  test.skipIf(existsSync('/sys/fs/selinux/enforce'))(
    'selinux: nothing to do where the kernel has no labels',
    async () => {
      const { lines, warnings } = await inside(
        'volumes: [{type: bind, source: ., target: /d, bind: {selinux: z}}]',
        'echo ran',
      );
      expect([lines, warnings]).toEqual([['ran'], []]);
    },
  );
});
