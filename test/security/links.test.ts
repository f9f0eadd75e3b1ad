// Symbolic links that the image or another container put where a mount, a file or a copy goes to.
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { isImpossible, serviceOf, titled } from '../attributes/inside.ts';
import { FOREVER, logged, place, saying } from './place.ts';
import { EXCHANGE } from './programs.ts';

const ROUNDS = 12;
/** A name that nothing on this machine has. */
const MARK = `tscompose-escape-${process.pid}`;

describe.skipIf(isImpossible)(titled('links'), () => {
  test('of the image lead nowhere but into it', async () => {
    await using stack = place(
      'volumes: ["data:/link/volume", "./file:/link/file", "/link/anonymous"]\ntmpfs: [/link/tmpfs]\nworking_dir: /link/work',
      `ls ${'$'}PWD/..; ls /link/; echo x > /etc/hosts`,
      {
        top: 'volumes:\n  data: {}\n',
      },
    );
    const outside = join(stack.root, 'outside');
    mkdirSync(outside);
    stack.write('file', 'x');
    symlinkSync(outside, join(stack.dir, 'root/link'));
    symlinkSync(outside, join(stack.dir, 'root/run'));
    rmSync(join(stack.dir, 'root/etc'), { recursive: true });
    symlinkSync(outside, join(stack.dir, 'root/etc'));
    await stack.ok('up');
    const lines = await logged(stack);
    expect(lines.filter((line) => line === 'volume')).toHaveLength(2);
    expect(readdirSync(outside)).toEqual([]);
  });

  test.each(['proc', 'dev', 'sys'])('in the place of /%s do not take its mount out', async (name) => {
    await using stack = place('', 'echo ran');
    const outside = join(stack.root, 'outside');
    mkdirSync(outside);
    symlinkSync(outside, join(stack.dir, 'root', name));
    await stack.run('up');
    expect(readdirSync(outside)).toEqual([]);
    expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain(outside);
  });

  test('in the place of /dev/null do not become the mask of a path (CVE-2025-31133)', async () => {
    await using stack = place('volumes: ["./dev:/dev"]', 'echo ran; echo h > /proc/kcore');
    mkdirSync(join(stack.dir, 'dev'));
    symlinkSync('/proc/sysrq-trigger', join(stack.dir, 'dev/null'));
    const { code, stderr } = await stack.run('up', '-d');
    expect(code).toBe(1);
    expect(stderr).toMatch(/MASK|mask/);
  });

  test('swapped in a shared volume while a mount goes there (CVE-2021-30465)', async () => {
    const services = ['attacker', 'victim'];
    await using stack = place('', 'true', {
      programs: { exchange: EXCHANGE },
      top: '',
    });
    const attacker = serviceOf(
      'volumes: ["shared:/shared"]',
      `mkdir -p /shared/a/${MARK}; ln -s / /shared/b; echo up; exec exchange /shared/a /shared/b`,
      services[0],
    );
    const victim = serviceOf(
      `volumes: ["shared:/shared", "inner:/shared/a/${MARK}/inner"]`,
      FOREVER,
      services[1],
    );
    stack.write('compose.yaml', `services:\n${attacker}${victim}volumes:\n  shared: {}\n  inner: {}\n`);
    await stack.ok('up', '-d', 'attacker');
    await saying(stack, 'up');
    let started = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const { code } = await stack.run('up', '-d', '--force-recreate', '-t', '0', 'victim');
      if (code === 0) started++;
      expect(existsSync(`/${MARK}`)).toBe(false);
      expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain(MARK);
    }
    expect(started).toBeGreaterThan(0);
  });

  test('in a volume: subpath stays in it', async () => {
    await using stack = place('', 'true');
    const make = serviceOf(
      'volumes: ["data:/data"]',
      'cd /data; ln -s / root; ln -s ../../../../../../.. up; mkdir etc; echo mine > etc/hostname; ln -s /etc abs',
      'make',
    );
    const look = (name: string, subpath: string) =>
      serviceOf(
        `volumes: [{ type: volume, source: data, target: /in, volume: { subpath: ${subpath} } }]`,
        'cat /in/hostname',
        name,
      );
    stack.write(
      'compose.yaml',
      `services:\n${make}${look('one', 'root/etc')}${look('two', 'up/etc')}${look('three', 'abs')}${look('four', '../../../../../../etc')}volumes:\n  data: {}\n`,
    );
    await stack.ok('up', 'make');
    for (const name of ['one', 'two', 'three']) {
      await stack.ok('up', name);
      expect(await stack.ok('logs', '--no-log-prefix', '--no-color', name)).toBe('mine\n');
    }
    const { code, stdout } = await stack.run('up', 'four');
    expect({ code, stdout }).not.toMatchObject({
      code: 0,
      stdout: expect.stringContaining(readFileSync('/etc/hostname', 'utf8')),
    });
  });

  test('do not lead cp out of the container, in either direction', async () => {
    await using stack = place(
      '',
      `mkdir -p /w/etc; ln -s / /root-link; ln -s ../../../../../../.. /w/up; ln -s /etc/passwd /name; echo mine > /etc/passwd; echo up; ${FOREVER}`,
    );
    await stack.ok('up', '-d');
    await saying(stack, 'up');
    stack.write('in', 'from outside\n');
    await stack.ok('cp', 'in', `app:/root-link/${MARK}`);
    await stack.ok('cp', 'in', `app:/w/up/${MARK}-2`);
    expect(existsSync(`/${MARK}`) || existsSync(`/${MARK}-2`)).toBe(false);
    expect(await stack.ok('exec', '-T', 'app', 'sh', '-c', `cat /${MARK} /${MARK}-2`)).toBe(
      'from outside\nfrom outside\n',
    );
    await stack.ok('cp', '-L', 'app:/name', 'out');
    expect(readFileSync(join(stack.dir, 'out'), 'utf8')).toBe('mine\n');
  });

  test('swapped while cp goes there', async () => {
    await using stack = place('', `mkdir -p /w/a; ln -s / /w/b; echo up; exec exchange /w/a /w/b`, {
      programs: { exchange: EXCHANGE },
    });
    await stack.ok('up', '-d');
    await saying(stack, 'up');
    writeFileSync(join(stack.dir, 'in'), 'x');
    let copied = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const { code } = await stack.run('cp', 'in', `app:/w/a/${MARK}`);
      if (code === 0) copied++;
      const { stdout } = await stack.run('cp', `app:/w/a/etc/hostname`, '-');
      expect(stdout).not.toContain(`${readFileSync('/etc/hostname', 'utf8').trim()}\n`);
      expect(existsSync(`/${MARK}`)).toBe(false);
    }
    expect(copied).toBeGreaterThan(0);
  });
});
