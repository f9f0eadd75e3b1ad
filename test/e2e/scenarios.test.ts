// The behaviour scenarios that every Compose is held to, from the folder beside this repository.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { isRoot, needing } from '../support/machine.ts';
import { CLI, PREFIX, ROOT } from '../support/stack.ts';

const SHARED = join(ROOT, '../shared');
const RUNNER = join(SHARED, 'scenarios/run.mjs');
const MAKE_IMAGES = join(SHARED, 'images/make-images.sh');
const IMAGE_PREFIX = '127.0.0.1:5000/';
/** Small enough to be made for a test; scenarios that need others wait. */
const IMAGES = ['busybox', 'alpine'];

/** Scenarios that wait for something that is not there yet. */
const WAITING: Readonly<Record<string, string>> = {
  'build-basic': 'building images',
  'build-image-name': 'building images',
  'build-inline-and-ignore': 'building images',
  'build-multi-stage-copy': 'building images',
  'build-secrets': 'building images',
  'env-unset-passthrough': 'building images',
  'health-of-image': 'building images',
  'pull-policy': 'building images',
  'watch-rebuild': 'building images',
  'net-dns-options': 'the image node:20',
  'story-app-db-lb': 'the images nginx and node:20',
  'story-postgres': 'the image postgres:15',
  'image-by-digest': 'a registry',
};

const canRun = isRoot && existsSync(RUNNER) && existsSync('/etc/debian_version');
const needs = { root: isRoot, 'the scenarios beside this repository': existsSync(RUNNER), Debian: canRun };
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

  beforeAll(async () => {
    loadImages();
    const wanted = names().filter((name) => !(name in WAITING));
    const text = await run(process.execPath, [
      RUNNER,
      '--jobs',
      '2',
      '--image-prefix',
      IMAGE_PREFIX,
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
  }, 15 * MINUTES_MS);

  afterAll(() => rmSync(scratch, { recursive: true, force: true }));

  function loadImages(): void {
    const layouts = join(scratch, 'layouts');
    must('bash', [MAKE_IMAGES, layouts, '--only', IMAGES.join(',')]);
    for (const image of IMAGES) {
      must(process.execPath, [
        CLI,
        'image',
        'load',
        '--name',
        `${IMAGE_PREFIX}${image}:latest`,
        join(layouts, image),
      ]);
    }
  }

  function must(command: string, args: readonly string[]): void {
    const { status, stdout, stderr } = spawnSync(command, args, { env, encoding: 'utf8' });
    if (status !== 0) throw new Error(`${command} ${args.join(' ')} failed:\n${stdout}${stderr}`);
  }

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
