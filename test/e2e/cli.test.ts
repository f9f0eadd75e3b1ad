// The command itself: what it says to mistakes, its help, its exit codes, and its code cache.
import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { COMMANDS, LATER } from '../../src/cli/commands.ts';
import { isRoot, needing } from '../support/machine.ts';
import { CLI, PREFIX, ROOT, Stack } from '../support/stack.ts';

function tscompose(
  args: readonly string[],
  options: { readonly cli?: string; readonly env?: NodeJS.ProcessEnv } = {},
) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [options.cli ?? CLI, ...args], {
    encoding: 'utf8',
    env: { ...process.env, TSCOMPOSE_STATE_DIR: '/nonexistent', ...options.env },
    cwd: tmpdir(),
  });
  return { code: status, stdout, stderr };
}

describe('help', () => {
  it('lists every command that is not hidden', () => {
    const { code, stdout } = tscompose(['--help']);
    expect(code).toBe(0);
    for (const name of ['up', 'down', 'ps', 'logs', 'exec', 'plan', 'config'])
      expect(stdout).toMatch(`\n  ${name} `);
  });

  it('is the same without arguments, and goes to standard output', () => {
    expect(tscompose([])).toEqual(tscompose(['--help']));
  });

  it.each(Object.keys(COMMANDS))('%s --help', (name) => {
    const { code, stdout, stderr } = tscompose([name, '--help']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(new RegExp(`^Usage: tscompose ${name}`));
    expect(tscompose(['help', name]).stdout).toBe(stdout);
  });
});

describe('mistakes', () => {
  it.each([
    [['pss'], 'did you mean `tscompose ps`?'],
    [['up', '--detatch'], 'did you mean --detach?'],
    [['ps', '-Z'], '`tscompose ps --help`'],
    [['up', '-d', '--abort-on-container-exit'], 'cannot be combined'],
    [['scale', 'web'], 'is not SERVICE=NUMBER'],
    [['port', 'web'], 'PORT'],
    [['version', 'extra'], 'does not take the argument "extra"'],
    [['--parallel', 'many', 'ps'], 'whole number'],
    [['--ansi', 'sometimes', 'ps'], 'auto, always, never'],
    [['-f', 'nowhere.yaml', 'config', '-q'], 'nowhere.yaml'],
  ])('%j', (args, said) => {
    const { code, stdout, stderr } = tscompose(args);
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
    expect(stderr).toContain(said);
    expect(stderr).not.toContain('internal error');
  });

  it.each([...LATER.keys()].map((name) => [name]))('%s is not there yet, and says so', (name) => {
    const { code, stderr } = tscompose([name]);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^error\[unsupported\]: .*not supported yet/);
  });

  it('up --watch is not there yet either', () => {
    expect(tscompose(['up', '--watch']).stderr).toMatch(/^error\[unsupported\]: .*not supported yet/);
  });

  it('of the environment are mistakes too', () => {
    expect(tscompose(['ps'], { env: { COMPOSE_PARALLEL_LIMIT: 'x' } })).toMatchObject({ code: 2 });
  });

  it('are shown in the file', async () => {
    await using stack = new Stack({ compose: 'services:\n  web:\n    image: host\n    prots: [80]\n' });
    const { code, stderr } = await stack.run('config', '-q');
    expect(code).toBe(2);
    expect(stderr).toMatch(/compose\.yaml:4:5/);
    expect(stderr).toMatch(/\^{5}/);
    expect(stderr).toMatch(/ports/);
  });
});

describe('version', () => {
  it('is that of the package', () => {
    const { stdout } = tscompose(['version', '--short']);
    expect(tscompose(['version', '--format', 'json']).stdout).toBe(`{"version":"${stdout.trim()}"}\n`);
    expect(tscompose(['--version']).stdout).toBe(`tscompose version ${stdout}`);
  });
});

describe('a reader that goes away', () => {
  it('ends the command without a word', () => {
    const { status, stderr } = spawnSync('sh', ['-c', `"${process.execPath}" "${CLI}" --help | true`], {
      encoding: 'utf8',
    });
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' });
  });
});

describe('the code cache', () => {
  /** A copy of the package of its own, without a cache. */
  function copy(): { readonly cli: string; readonly dir: string; [Symbol.dispose](): void } {
    const dir = mkdtempSync(join(tmpdir(), PREFIX));
    cpSync(join(ROOT, 'dist'), join(dir, 'dist'), {
      recursive: true,
      filter: (source) => !source.endsWith('.cache') && !source.includes('/types'),
    });
    return {
      dir: join(dir, 'dist'),
      cli: join(dir, 'dist/tscompose.cjs'),
      [Symbol.dispose]: () => rmSync(dir, { recursive: true }),
    };
  }

  it('is written by the first command, and used and left alone by the next', () => {
    using it = copy();
    expect(tscompose(['version'], it).code).toBe(0);
    const [file = ''] = readdirSync(join(it.dir, '.cache'));
    const path = join(it.dir, '.cache', file);
    const before = statSync(path).mtimeMs;
    expect(tscompose(['version'], it)).toMatchObject({ code: 0, stderr: '' });
    expect(statSync(path).mtimeMs).toBe(before);
    expect(statSync(path).mode & 0o022).toBe(0);
  });

  it('is made anew when it is broken', () => {
    using it = copy();
    tscompose(['version'], it);
    const [file = ''] = readdirSync(join(it.dir, '.cache'));
    const path = join(it.dir, '.cache', file);
    writeFileSync(path, 'no cache at all');
    expect(tscompose(['version'], it)).toMatchObject({ code: 0, stderr: '' });
    expect(statSync(path).size).toBeGreaterThan(1000);
  });

  it('of somebody else is not believed', () => {
    using it = copy();
    tscompose(['version'], it);
    const [file = ''] = readdirSync(join(it.dir, '.cache'));
    const path = join(it.dir, '.cache', file);
    chmodSync(path, 0o666);
    tscompose(['version'], it);
    expect(statSync(path).mode & 0o022).toBe(0);
  });

  it('is written by many at once without harm', async () => {
    using it = copy();
    const outcomes = await Promise.all(Array.from({ length: 6 }, async () => tscompose(['version'], it)));
    expect(outcomes.map(({ code }) => code)).toEqual([0, 0, 0, 0, 0, 0]);
    expect(readdirSync(join(it.dir, '.cache'))).toHaveLength(1);
  });

  it.skipIf(isRoot)(needing('is done without where nothing can be written', { 'no root': !isRoot }), () => {
    using it = copy();
    chmodSync(it.dir, 0o555);
    const env = { HOME: '/nonexistent', XDG_CACHE_HOME: '/nonexistent' };
    expect(tscompose(['version'], { ...it, env })).toMatchObject({ code: 0, stderr: '' });
    chmodSync(it.dir, 0o755);
  });
});

describe('what the shell gives', () => {
  const shell = (script: string) => {
    const { status, stdout, stderr } = spawnSync('sh', ['-c', script, 'sh', process.execPath, CLI], {
      encoding: 'utf8',
      env: { ...process.env, TSCOMPOSE_STATE_DIR: '/nonexistent' },
      cwd: tmpdir(),
      timeout: 20_000,
    });
    return { code: status, stdout, stderr };
  };

  it('a full disk behind standard error keeps no error from ending the command', () => {
    expect(shell('"$@" nosuch 2>/dev/full')).toMatchObject({ code: 2 });
    expect(shell('"$@" -f /nosuch.yaml ps 2>/dev/full')).toMatchObject({ code: 2 });
  });

  it('a full disk behind standard output is an error', () => {
    const { code, stderr } = shell('"$@" --help >/dev/full');
    expect(code).toBe(1);
    expect(stderr).toMatch(/^error\[disk-full\]: /);
  });

  it('a current directory that was removed is said, where it matters', () => {
    const removed = 'd=$(mktemp -d) && cd "$d" && rmdir "$d" && ';
    const { code, stderr } = shell(`${removed} "$@" config`);
    expect(code).toBe(1);
    expect(stderr).toMatch(/^error\[system\]: the current directory does not exist any more\n/);
    expect(shell(`${removed} "$@" version --short`)).toMatchObject({ code: 0, stderr: '' });
  });
});
