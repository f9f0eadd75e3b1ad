// Input made to hurt: it ends with a clear error, not with a crash, a hang or a machine without memory.
import { describe, expect, it } from 'vitest';
import { type EnvEntry, parseEnvFile } from '../../src/compose/dotenv.ts';
import { loadProject } from '../../src/compose/load.ts';
import { printProject } from '../../src/compose/print.ts';
import { substitute, TemplateError } from '../../src/compose/template.ts';
import { ComposeError } from '../../src/errors.ts';
import { directory, failure, load, serviceFile } from './fixture.ts';
import { corpus, mutate, random } from './mutations.ts';

const service = 'services: { a: { image: b } }\n';
const lines = (count: number, line: (index: number) => string): string =>
  Array.from({ length: count }, (_, i) => line(i)).join('');

describe('is refused', () => {
  it.each<[string, () => string, string]>([
    [
      'an alias bomb of lists',
      () =>
        `x-0: &a0 [a]\n${lines(9, (i) => `x-${i + 1}: &a${i + 1} [${Array(9).fill(`*a${i}`).join()}]\n`)}${service}`,
      'input-limit',
    ],
    [
      'an alias bomb of mappings',
      () =>
        `x-0: &a0 {a: 1}\n${lines(30, (i) => `x-${i + 1}: &a${i + 1} {a: *a${i}, b: *a${i}}\n`)}${service}`,
      'input-limit',
    ],
    ['an alias of itself', () => `x-a: &a { b: *a }\n${service}`, 'yaml-syntax'],
    ['deep flow lists', () => `x-a: ${'['.repeat(100_000)}`, 'input-limit'],
    ['deep flow mappings', () => `x-a: ${'{a: '.repeat(100_000)}`, 'input-limit'],
    ['deep block lists', () => `x-a:\n  ${'- '.repeat(100_000)}x\n`, 'input-limit'],
    ['deep lists that only the package reads', () => `x-a:\r\n  ${'- '.repeat(100_000)}x\r\n`, 'input-limit'],
    ['deep keys', () => `${'? '.repeat(100_000)}x\n`, 'input-limit'],
    [
      'a long chain of extends',
      () => `services:\n${lines(5000, (i) => `  s${i}: { extends: s${i + 1} }\n`)}  s5000: { image: x }\n`,
      'input-limit',
    ],
    [
      'many variables in one value',
      () => serviceFile(`hostname: "${'${A:-x}'.repeat(200_000)}"`),
      'input-limit',
    ],
    ['open variables', () => serviceFile(`hostname: "${'${A:-'.repeat(200_000)}"`), 'interpolation'],
    [
      'more entries than any project has',
      () => serviceFile(`environment:\n${lines(100_001, (i) => `  K${i}: v\n`)}`),
      'input-limit',
    ],
    [
      'more values than any project has',
      () => lines(2500, (i) => `x-${i}: [${'a,'.repeat(200)}a]\n`) + service,
      'input-limit',
    ],
    ['a very long key', () => `${'k'.repeat(2000)}: v\n${service}`, 'input-limit'],
    ['ranges of all ports', () => serviceFile('ports: ["1-65535:1-65535", "1-65535/udp"]'), 'input-limit'],
    ['much YAML that is unusual', () => `${service}x-a: [${'x,\n'.repeat(600_000)}`, 'input-limit'],
    [
      'a large service that many extend',
      () =>
        `services:\n  s0: { image: x, command: [${'a,'.repeat(2000)}a] }\n${lines(300, (i) => `  s${i + 1}: { extends: s0 }\n`)}`,
      'input-limit',
    ],
    ['an include of itself', () => `include: [compose.yaml]\n${service}`, 'include'],
  ])('%s', (_name, text, code) => {
    expect(failure(text()).codes[0]).toBe(code);
  });

  it('files that include each other twice, and twice again', () => {
    const level = (i: number) => [`i${i}.yaml`, `include: [i${i + 1}.yaml, i${i + 1}.yaml]`] as const;
    const files = Object.fromEntries(Array.from({ length: 30 }, (_, i) => level(i)));
    const all = { ...files, 'compose.yaml': 'include: [i0.yaml]', 'i30.yaml': service };
    expect(failure(all).codes).toEqual(['input-limit']);
  });

  it('a file that never ends', () => {
    expect(failure(service, { files: ['/dev/zero'] }).codes).toEqual(['input-limit']);
  });

  it('a file of variables that no program could be started with', () => {
    const env = { 'compose.yaml': serviceFile('env_file: a.env') };
    expect(failure({ ...env, 'a.env': `A=${'x'.repeat(5_000_000)}` }).codes).toEqual(['input-limit']);
    expect(failure({ ...env, 'a.env': lines(100_001, (i) => `K${i}=v\n`) }).codes).toEqual(['env-file']);
  });

  it('a file with thousands of mistakes, of which a thousand are told', () => {
    const { codes } = failure(`services:\n${lines(3000, (i) => `  s${i}: { imge: x }\n`)}`);
    expect(codes).toHaveLength(1001);
    expect(codes.at(-1)).toBe('input-limit');
  });

  it('a ring of includes', () => {
    const files = {
      'compose.yaml': 'include: [a.yaml]',
      'a.yaml': 'include: [b.yaml]',
      'b.yaml': 'include: [a.yaml]',
    };
    expect(failure(files).codes).toEqual(['include']);
  });
});

describe('is read', () => {
  it.each<[string, () => string]>([
    ['a scalar of 10 MB', () => serviceFile(`hostname: ${'x'.repeat(10_000_000)}`)],
    ['a quoted scalar of 10 MB', () => serviceFile(`hostname: "${'x'.repeat(10_000_000)}"`)],
    ['a command of a million words', () => serviceFile(`command: ${'a '.repeat(1_000_000)}`)],
    ['a million empty lines', () => '\n'.repeat(1_000_000) + service],
    ['a million comments', () => service + '# x\n'.repeat(1_000_000)],
    ['a thousand documents', () => `---\n${service}`.repeat(1000)],
  ])('%s', (_name, text) => {
    expect(Object.keys(load(text()).project.services)).toHaveLength(1);
  });
});

/** Loads a text; whatever is wrong with it has to be an expected failure. */
function survive(text: string, cwd: string): void {
  const env = { HOME: '/home/user', A: 'a' };
  try {
    const { project } = loadProject({ cwd, env, files: ['-'], readStdin: () => text, allResources: true });
    const printed = printProject(project, 'yaml');
    expect(printed.length).toBeGreaterThan(0);
  } catch (error) {
    if (!(error instanceof ComposeError))
      throw new Error(`not an expected failure for ${JSON.stringify(text)}`, { cause: error });
  }
}

describe('never ends in a crash', () => {
  const seed = Number(process.env.TSCOMPOSE_FUZZ_SEED ?? 4711);
  const seconds = Number(process.env.TSCOMPOSE_FUZZ_SECONDS ?? 2);
  const timeout = seconds * 1000 + 60_000;

  /** Some rounds on any machine, and as many more as there is time for. */
  function forAWhile(round: () => void): void {
    const end = performance.now() + seconds * 1000;
    for (let count = 0; count < 100 || performance.now() < end; count++) round();
  }

  it('with mutated compose files', { timeout }, () => {
    const next = random(seed);
    const cwd = directory({});
    const texts = corpus();
    forAWhile(() => survive(mutate(texts[next(texts.length)] ?? '', next), cwd));
  });

  it('with mutated env files', { timeout }, () => {
    const next = random(seed + 1);
    const text = 'A=1\nexport B="x\\n${A:-y}" # c\nC=\'l\nm\'\nD: ${B?e}\nE\nF=$$x ${G:+h}\n';
    forAWhile(() => {
      const mutant = mutate(text, next);
      try {
        parseEnvFile('.env', mutant, new Map<string, EnvEntry>(), {
          lookup: () => undefined,
          onUnset: () => undefined,
        });
      } catch (error) {
        if (!(error instanceof ComposeError)) throw new Error(JSON.stringify(mutant), { cause: error });
      }
    });
  });

  it('with mutated templates', { timeout }, () => {
    const next = random(seed + 2);
    const text = '$A ${B} ${C:-d${E}} ${F-g} ${H:?i} ${J?k} ${L:+m} ${N+o} $$P {q} ${';
    forAWhile(() => {
      const mutant = mutate(text, next);
      try {
        substitute(
          mutant,
          (name) => (name < 'F' ? name : undefined),
          () => undefined,
        );
      } catch (error) {
        if (!(error instanceof TemplateError)) throw new Error(JSON.stringify(mutant), { cause: error });
      }
    });
  });
});
