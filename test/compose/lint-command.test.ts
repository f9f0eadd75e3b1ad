// The commands lint, explain and graph, run in this process over files of their own.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseArguments } from '../../src/cli/arguments.ts';
import type { CliContext, CommandSpec, GlobalFlags } from '../../src/cli/command.ts';
import { command as explainCommand } from '../../src/cli/commands/explain.ts';
import { command as graphCommand } from '../../src/cli/commands/graph.ts';
import { command as lintCommand } from '../../src/cli/commands/lint.ts';
import { loadFromFiles } from '../../src/cli/load.ts';
import { InternalError } from '../../src/errors.ts';

const directory = mkdtempSync(join(tmpdir(), 'tscompose-commands-'));
const file = (name: string): string => join(directory, name);

beforeAll(() => {
  writeFileSync(
    file('doubtful.yaml'),
    'services:\n  web: { image: nginx, depends_on: [db] }\n  db: { image: "postgres:17" }\n',
  );
  writeFileSync(file('sound.yaml'), 'services:\n  web: { image: "nginx:1.27" }\n');
  writeFileSync(file('broken.yaml'), 'services:\n  web: { imge: nginx, user: 5 }\n');
});
afterAll(() => rmSync(directory, { recursive: true }));

async function run(command: CommandSpec, argv: readonly string[], name = 'doubtful.yaml') {
  let out = '';
  const global: GlobalFlags = {
    files: [file(name)],
    profiles: [],
    envFiles: [],
    parallel: -1,
    progress: 'auto',
    ansi: 'never',
    dryRun: false,
    compatibility: false,
    allResources: false,
    verbose: false,
    offline: false,
    legacy: false,
  };
  const unused = (): never => {
    throw new InternalError('these commands need no engine');
  };
  const context: CliContext = {
    global,
    signal: new AbortController().signal,
    insistence: new AbortController().signal,
    out: (text) => {
      out += text;
    },
    err: unused,
    isTerminal: () => false,
    colours: () => false,
    loadProject: async (options = {}) => (await loadFromFiles(global, options)).project,
    state: unused,
    engine: unused,
    beforeReplacing: unused,
  };
  const { args } = parseArguments(argv, { owner: `tscompose ${command.name}`, options: command.options });
  const code = await command.run?.(context, args);
  return { code, out };
}

describe('lint', () => {
  it('tells what is doubtful, and only fails when it shall be strict', async () => {
    const { code, out } = await run(lintCommand, []);
    expect(code).toBe(0);
    expect(out).toMatch(/^warning\[untagged-image\]: .*\n +--> .*doubtful\.yaml:2:17\n/);
    expect(out).toMatch(/\n1 warning; .*\n$/);
    expect((await run(lintCommand, ['--strict'])).code).toBe(1);
  });

  it('says so when all is well', async () => {
    expect(await run(lintCommand, ['--strict'], 'sound.yaml')).toEqual({
      code: 0,
      out: 'nothing to complain about\n',
    });
    expect(await run(lintCommand, ['--format', 'json'], 'sound.yaml')).toEqual({ code: 0, out: '[]\n' });
    expect(await run(lintCommand, ['--format', 'github'], 'sound.yaml')).toEqual({ code: 0, out: '' });
  });

  it('reports an invalid file as findings in the format that was asked for', async () => {
    const { code, out } = await run(lintCommand, ['--format', 'json'], 'broken.yaml');
    expect(code).toBe(2);
    const found: { code: string; line: number }[] = JSON.parse(out);
    expect(found.map((finding) => finding.code)).toEqual(['unknown-key', 'wrong-type']);
    expect(found.map((finding) => finding.line)).toEqual([2, 2]);
    const sarif = JSON.parse((await run(lintCommand, ['--format=sarif'], 'broken.yaml')).out);
    expect(sarif.runs[0].results).toHaveLength(2);
  });

  it('reports a file that is not there', async () => {
    const { code, out } = await run(lintCommand, ['--format', 'github'], 'missing.yaml');
    expect(code).toBe(2);
    expect(out).toMatch(/^::error .*title=file-not-found::/);
  });
});

describe('explain', () => {
  it('tells about a code, also in the form in which it is printed', async () => {
    const { code, out } = await run(explainCommand, ['unknown-key']);
    expect(code).toBe(0);
    expect(out).toMatch(/^unknown-key: /);
    expect((await run(explainCommand, ['error[unknown-key]'])).out).toBe(out);
  });

  it('lists all codes', async () => {
    expect((await run(explainCommand, [])).out.split('\n').length).toBeGreaterThan(60);
  });

  it('knows what was probably meant', async () => {
    await expect(run(explainCommand, ['unknwn-key'])).rejects.toMatchObject({
      code: 'usage',
      hint: 'did you mean unknown-key?',
    });
  });
});

describe('graph', () => {
  it.each([
    ['text', /^web {2}nginx\n└─ db/],
    ['mermaid', /^flowchart LR\n/],
    ['dot', /^digraph /],
    ['json', /^\{\n/],
    ['svg', /^<svg /],
  ])('as %s', async (format, start) => {
    const { code, out } = await run(graphCommand, ['--format', format]);
    expect(code).toBe(0);
    expect(out).toMatch(start);
  });

  it('of some services', async () => {
    expect((await run(graphCommand, ['db'])).out).toBe('db  postgres:17\n');
    await expect(run(graphCommand, ['nope'])).rejects.toMatchObject({ code: 'unknown-service' });
  });

  it('into a file', async () => {
    const target = file('graph.svg');
    expect(await run(graphCommand, ['--format', 'svg', '-o', target])).toEqual({ code: 0, out: '' });
    expect(readFileSync(target, 'utf8')).toMatch(/<\/svg>\n$/);
    await expect(run(graphCommand, ['-o', file('no/such/directory')])).rejects.toMatchObject({
      code: 'system',
    });
  });
});
