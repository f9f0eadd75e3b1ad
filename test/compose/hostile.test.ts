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
    ['an include of itself', () => `include: [compose.yaml]\n${service}`, 'include'],
  ])('%s', (_name, text, code) => {
    expect(failure(text()).codes[0]).toBe(code);
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
  const rounds = Number(process.env.TSCOMPOSE_FUZZ_ROUNDS ?? 1500);

  it('with mutated compose files', () => {
    const next = random(seed);
    const cwd = directory({});
    const texts = corpus();
    for (let round = 0; round < rounds; round++) survive(mutate(texts[next(texts.length)] ?? '', next), cwd);
  });

  it('with mutated env files', () => {
    const next = random(seed + 1);
    const text = 'A=1\nexport B="x\\n${A:-y}" # c\nC=\'l\nm\'\nD: ${B?e}\nE\nF=$$x ${G:+h}\n';
    for (let round = 0; round < rounds; round++) {
      const mutant = mutate(text, next);
      try {
        parseEnvFile('.env', mutant, new Map<string, EnvEntry>(), {
          lookup: () => undefined,
          onUnset: () => undefined,
        });
      } catch (error) {
        if (!(error instanceof ComposeError)) throw new Error(JSON.stringify(mutant), { cause: error });
      }
    }
  });

  it('with mutated templates', () => {
    const next = random(seed + 2);
    const text = '$A ${B} ${C:-d${E}} ${F-g} ${H:?i} ${J?k} ${L:+m} ${N+o} $$P {q} ${';
    for (let round = 0; round < rounds; round++) {
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
    }
  });
});
