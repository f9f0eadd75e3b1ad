// The behaviour scenarios that every Compose is held to, from the folder beside this repository.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ImageSet, imageSetNeeds, openImageSet } from '../support/image-set.ts';
import { needing } from '../support/machine.ts';
import { CLI, PREFIX, ROOT } from '../support/stack.ts';

const SHARED = join(ROOT, '../shared');
const RUNNER = join(SHARED, 'scenarios/run.mjs');

/** Scenarios that wait for commands that are not there yet. */
const WAITING: Readonly<Record<string, string>> = {
  'build-basic': '`build`',
  'build-image-name': '`up` that builds',
  'build-inline-and-ignore': '`build` with an inline Dockerfile',
  'build-multi-stage-copy': '`build` with stages',
  'build-secrets': '`build` with secrets',
  'env-unset-passthrough': '`build`, which makes its image with ENV',
  'health-of-image': '`up --build`, which makes its image with HEALTHCHECK',
  'watch-rebuild': '`watch` and `build`',
};

const needs = { ...imageSetNeeds, 'the scenarios beside this repository': existsSync(RUNNER) };
const canRun = Object.values(needs).every(Boolean);
const MINUTES_MS = 60_000;

function names(): readonly string[] {
  if (!existsSync(RUNNER)) return [];
  const entries = readdirSync(join(SHARED, 'scenarios'), { withFileTypes: true });
  return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
}

describe('the list of scenarios that wait', () => {
  it.skipIf(!existsSync(RUNNER))('names only those that there are', () => {
    expect(Object.keys(WAITING).filter((name) => !names().includes(name))).toEqual([]);
  });
});

describe.skipIf(!canRun)(needing('scenario', needs), () => {
  const scratch = canRun ? mkdtempSync(join(tmpdir(), PREFIX)) : '';
  const env = {
    ...process.env,
    TSCOMPOSE_STATE_DIR: join(scratch, 'state'),
    NODE_PATH: join(ROOT, 'node_modules'),
  };
  const reports = new Map<string, string>();
  let images: ImageSet | undefined;

  beforeAll(async () => {
    images = await openImageSet();
    await perform(names().filter((name) => !(name in WAITING)));
    const failed = [...reports].flatMap(([name, report]) => (report.startsWith('FAIL') ? [name] : []));
    // They ran at once, before vitest could have tried one of them again.
    if (process.env.CI === undefined || failed.length === 0) return;
    for (const name of failed) console.log(`tried again: ${reports.get(name)}`);
    await perform(failed);
  }, 20 * MINUTES_MS);

  async function perform(wanted: readonly string[]): Promise<void> {
    const text = await run(process.execPath, [
      RUNNER,
      '--jobs',
      '2',
      '--image-prefix',
      `${images?.host}/`,
      '--only',
      `^(${wanted.join('|')})$`,
      '--',
      process.execPath,
      CLI,
    ]);
    for (const report of text.split(/^(?=(?:ok {2}|FAIL) )/m)) {
      const name = /^(?:ok {2}|FAIL) (\S+)/.exec(report)?.[1];
      if (name !== undefined) reports.set(name, report);
    }
  }

  afterAll(() => {
    images?.stop();
    rmSync(scratch, { recursive: true, force: true });
  });

  function run(command: string, args: readonly string[]): Promise<string> {
    return new Promise((resolve, reject) => {
      const child = spawn(command, args, { env, stdio: ['ignore', 'pipe', 'inherit'] });
      let text = '';
      child.stdout.setEncoding('utf8').on('data', (part: string) => {
        text += part;
      });
      child.on('error', reject);
      child.on('close', () => resolve(text));
    });
  }

  for (const name of names()) {
    const reason = WAITING[name];
    if (reason !== undefined) it.skip(`${name} (waits for ${reason})`);
    else it(name, () => expect(reports.get(name) ?? 'did not run').toMatch(/^ok /));
  }
});
