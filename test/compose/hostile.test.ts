// Input made to hurt: it ends with a clear error, not with a crash, a hang or a machine without memory.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { graphDot, graphJson, graphMermaid, graphTree, nodeText } from '../../src/cli/graph/formats.ts';
import { type EnvEntry, parseEnvFile } from '../../src/compose/dotenv.ts';
import { lintProject } from '../../src/compose/lint.ts';
import { type LoadOptions, loadModel, loadProject } from '../../src/compose/load.ts';
import { printProject, projectDocument } from '../../src/compose/print.ts';
import type { Project } from '../../src/compose/project.ts';
import { explainValue } from '../../src/compose/provenance.ts';
import { selectServices } from '../../src/compose/select.ts';
import { substitute, TemplateError } from '../../src/compose/template.ts';
import { ComposeError } from '../../src/errors.ts';
import { buildGraph } from '../../src/plan/graph.ts';
import { graphSvg } from '../../src/plan/graph-svg.ts';
import { networkHash, serviceHash, volumeHash } from '../../src/plan/hash.ts';
import { directory, failure, load, serviceFile } from './fixture.ts';
import { corpus, mutate, mutateFiles, mutateTree, random } from './mutations.ts';

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

const env = { HOME: '/home/user', A: 'a' };

/** Everything that is made of a project that loads. */
function useProject(project: Project, next: (bound: number) => number): void {
  expect(printProject(project, 'yaml').length).toBeGreaterThan(0);
  expect(printProject(project, 'json').length).toBeGreaterThan(0);
  lintProject(project, { readSource: () => '', exists: () => next(2) === 0, selinux: true });
  const services = Object.values({ ...project.services, ...project.disabledServices });
  for (const service of services) expect(serviceHash(service)).toHaveLength(64);
  for (const network of Object.values(project.networks)) networkHash(network);
  for (const volume of Object.values(project.volumes)) volumeHash(volume);
  for (const path of pathsOf(projectDocument(project, 'json')).slice(0, 50)) explainValue(project, path);
  selectServices(project, Object.keys(project.services).slice(0, 1), { includeDependencies: true });
  const graph = buildGraph(project.services, project.positionOf);
  for (const draw of [graphTree, graphMermaid, graphDot, graphJson]) draw(project, graph);
  graphSvg(graph, project.name, (name) => nodeText(project, name));
}

function pathsOf(value: unknown, path = ''): string[] {
  if (typeof value !== 'object' || value === null) return [path];
  const step = (key: string): string => (Array.isArray(value) ? `${path}[${key}]` : `${path}.${key}`);
  return Object.entries(value).flatMap(([key, item]) => pathsOf(item, step(key).replace(/^\./, '')));
}

/** Loads what is given, in some of the ways there are; whatever is wrong with it has to be an expected failure. */
function survive(
  options: Partial<LoadOptions> & { readonly cwd: string },
  next: (bound: number) => number,
): void {
  const ways: Partial<LoadOptions> = {
    interpolate: next(8) !== 0,
    normalize: next(8) !== 0,
    consistency: next(3) !== 0,
    resolvePaths: next(8) !== 0,
    resolveEnv: next(8) !== 0,
    allResources: next(2) !== 0,
    legacy: next(20) === 0,
    profiles: next(2) === 0 ? ['*'] : [],
  };
  expected(() => {
    if (ways.interpolate === false) loadModel({ env, ...ways, ...options });
    else {
      const { project } = loadProject({ env, ...ways, ...options });
      if (ways.consistency !== false) useProject(project, next);
      else printProject(project, 'yaml');
    }
  });
}

/** What a round does may fail, but only as something that a user is told. */
function expected(round: () => void): void {
  try {
    round();
  } catch (error) {
    if (!(error instanceof ComposeError)) throw error;
  }
}

describe('never ends in a crash', () => {
  const seed = Number(process.env.TSCOMPOSE_FUZZ_SEED ?? 4711);
  const seconds = Number(process.env.TSCOMPOSE_FUZZ_SECONDS ?? 2);
  const timeout = seconds * 1000 + 60_000;

  /** Some rounds on any machine, and as many more as there is time for; a failure says how to see it again. */
  function forAWhile<T>(
    make: (next: (bound: number) => number) => T,
    run: (input: T, next: (bound: number) => number) => void,
  ): void {
    const next = random(seed);
    const end = performance.now() + seconds * 1000;
    for (let count = 0; count < 100 || performance.now() < end; count++) {
      const input = make(next);
      try {
        run(input, next);
      } catch (cause) {
        const reason = cause instanceof Error ? cause.stack : String(cause);
        throw new Error(`TSCOMPOSE_FUZZ_SEED=${seed}, round ${count}: ${reason}\n${JSON.stringify(input)}`, {
          cause,
        });
      }
    }
  }

  it('with mutated compose files', { timeout }, () => {
    const cwd = directory({});
    const texts = corpus();
    forAWhile(
      (next) => mutate(texts[next(texts.length)] ?? '', next),
      (text, next) => survive({ cwd, files: ['-'], readStdin: () => text }, next),
    );
  });

  it('with mutated structures', { timeout }, () => {
    const cwd = directory({ 'base.yaml': serviceFile('') });
    const texts = corpus();
    forAWhile(
      (next) => mutateTree(texts, next),
      (text, next) => survive({ cwd, files: ['-'], readStdin: () => text }, next),
    );
  });

  it('with mutated files that override, extend and include each other', { timeout }, () => {
    const cwd = directory({});
    const texts = corpus();
    forAWhile(
      (next) => mutateFiles(texts, next),
      (files, next) => {
        for (const [name, text] of Object.entries(files)) writeFileSync(join(cwd, name), text);
        survive({ cwd }, next);
      },
    );
  });

  it('with mutated env files', { timeout }, () => {
    const text = 'A=1\nexport B="x\\n${A:-y}" # c\nC=\'l\nm\'\nD: ${B?e}\nE\nF=$$x ${G:+h}\n';
    forAWhile(
      (next) => mutate(text, next),
      (mutant) =>
        expected(() =>
          parseEnvFile('.env', mutant, new Map<string, EnvEntry>(), {
            lookup: () => undefined,
            onUnset: () => undefined,
          }),
        ),
    );
  });

  it('with mutated templates', { timeout }, () => {
    const text = '$A ${B} ${C:-d${E}} ${F-g} ${H:?i} ${J?k} ${L:+m} ${N+o} $$P {q} ${';
    const lookup = (name: string): string | undefined => (name < 'F' ? name : undefined);
    forAWhile(
      (next) => mutate(text, next),
      (mutant) => {
        try {
          substitute(mutant, lookup, () => undefined);
        } catch (error) {
          if (!(error instanceof TemplateError)) throw error;
        }
      },
    );
  });
});
