// Every error code has an explanation, and the examples in it are true.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { codeList, explanationText } from '../../src/cli/explanation.ts';
import { findingsOf } from '../../src/compose/diagnostics.ts';
import { explain, explainedCodes } from '../../src/compose/explain.ts';
import { lintProject } from '../../src/compose/lint.ts';
import { loadProject } from '../../src/compose/load.ts';
import { ComposeError } from '../../src/errors.ts';

const cwd = mkdtempSync(join(tmpdir(), 'tscompose-explain-'));
afterAll(() => rmSync(cwd, { recursive: true }));

it('covers every code of errors.ts and no other', () => {
  const source = readFileSync(new URL('../../src/errors.ts', import.meta.url), 'utf8');
  const union = source.slice(
    source.indexOf('export type ErrorCode'),
    source.indexOf('export interface ComposeErrorOptions'),
  );
  const codes = [...union.matchAll(/\| '([\w-]+)'/g)].map(([, code]) => code);
  expect(codes.length).toBeGreaterThan(60);
  expect(explainedCodes()).toEqual([...new Set(codes)].sort());
});

it('has no explanation for what is no code', () => {
  expect(explain('nonsense')).toBeUndefined();
  expect(explain('constructor')).toBeUndefined();
});

it('fits into a terminal', () => {
  for (const code of explainedCodes()) {
    const explanation = explain(code);
    if (explanation === undefined) continue;
    expect(explanation.summary).toMatch(/^[A-Z].*\.$/);
    const { wrong, right, ...words } = explanation;
    const lines = explanationText(code, words, false).split('\n').slice(1);
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(80);
  }
  const list = codeList(
    [
      { code: 'usage', summary: 'A.' },
      { code: 'long-code', summary: 'B.' },
    ],
    false,
  );
  expect(list).toBe('usage      A.\nlong-code  B.\n');
});

/** All codes that a file raises, from the loader or from lint. */
function codesOf(yaml: string): readonly string[] {
  const file = join(cwd, 'compose.yaml');
  writeFileSync(file, yaml);
  try {
    const { project, warnings } = loadProject({ cwd, env: {}, allResources: true });
    const readSource = (name: string): string => readFileSync(name, 'utf8');
    return [...warnings, ...lintProject(project, { readSource })].map(({ code }) => code);
  } catch (error) {
    if (!(error instanceof ComposeError)) throw error;
    return findingsOf(error).map(({ code }) => code);
  }
}

/** Parts of a service are put into one. */
function wholeFile(example: string): string | undefined {
  if (/^(services|volumes: \{|networks:)/m.test(example) && example.includes('services:')) return example;
  if (/^(environment|ports|volumes|healthcheck|command|secrets):/.test(example)) {
    const more = example.includes('db_password') ? 'secrets: { db_password: { environment: P } }\n' : '';
    return `services:\n  web:\n    image: app:1\n${example.replace(/^/gm, '    ')}\n${more}`;
  }
  return undefined;
}

describe('the examples', () => {
  /** Raised by the engine, or by files that the example does not have. */
  const elsewhere = new Set([
    'port-in-use',
    'name-conflict',
    'bind-source-missing',
    'image-not-found',
    'secrets',
    'env-file',
    'extends',
    'include',
    'required-variable',
    'merge-conflict',
    'unhealthy',
    'command-not-found',
    'network-not-found',
    'volume-not-found',
  ]);
  const shown = explainedCodes().filter((code) => {
    const { wrong } = explain(code) ?? {};
    return wrong !== undefined && !elsewhere.has(code) && wholeFile(wrong) !== undefined;
  });

  it('can be tried for most codes of the loader and of lint', () => {
    expect(shown.length).toBeGreaterThan(20);
  });

  it.each(shown)('of %s raise it when wrong and do not when right', (code) => {
    const { wrong = '', right = '' } = explain(code) ?? {};
    expect(codesOf(wholeFile(wrong) ?? '')).toContain(code);
    const cured = wholeFile(right);
    if (cured !== undefined) expect(codesOf(cured)).not.toContain(code);
  });
});
