// A command that is killed in the middle: the next one puts it right, and nothing is left at the end.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildSync } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Project } from '../../src/compose/project.ts';
import type { Goal } from '../../src/plan/goal.ts';
import { isRoot, needing } from '../support/machine.ts';
import { ROOT } from '../support/stack.ts';
import { Machine } from './machine.ts';

/** Every third event: all of them take a minute, and the next change of the code moves them anyway. */
const STEP = 3;

const LONG_MS = 240_000;

/** Reaches a goal and kills itself at its event number `last`: who would do so from outside may be late. */
const RUNNER = `
  import { openCore } from '${ROOT}/core/index.ts';
  import { openEngine } from '${ROOT}/src/engine/engine.ts';
  const { stateDir, project, goal, last } = JSON.parse(process.argv[2]);
  const engine = openEngine({ layout: { stateDir, runDir: stateDir + '/run' }, core: openCore() });
  let events = 0;
  const onEvent = () => {
    if (++events === last) process.kill(process.pid, 'SIGKILL');
  };
  await engine.apply({ ...project, positionOf: () => undefined }, goal, { onEvent, parallel: 1 });
`;

describe.skipIf(!isRoot)(needing('a command killed in the middle', { root: isRoot }), () => {
  const dir = mkdtempSync(join(tmpdir(), 'tscompose-killed-'));
  const runner = join(dir, 'runner.mjs');

  beforeAll(() => {
    const source = join(dir, 'runner.ts');
    writeFileSync(source, RUNNER);
    buildSync({
      entryPoints: [source],
      outfile: runner,
      bundle: true,
      platform: 'node',
      format: 'esm',
      banner: {
        js: "import { createRequire as requireFrom } from 'node:module'; const require = requireFrom(import.meta.url);",
      },
      nodePaths: [join(ROOT, 'node_modules')],
      external: ['koffi'],
      logLevel: 'error',
    });
  });
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  /** Runs a goal in a process of its own, which dies at its event number `last`; false when it ended before that. */
  function killedAt(
    machine: Machine,
    { project, goal, last }: { project: Project; goal: Goal; last: number },
  ): Promise<boolean> {
    const argument = JSON.stringify({ stateDir: machine.ctx.layout.stateDir, project, goal, last });
    const child = spawn(process.execPath, [runner, argument], {
      env: {
        ...process.env,
        TSCOMPOSE_CORE_DIR: join(ROOT, 'core/build'),
        NODE_PATH: join(ROOT, 'node_modules'),
      },
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    return new Promise((resolve) => child.once('close', (_code, signal) => resolve(signal === 'SIGKILL')));
  }

  const stack = (machine: Machine) =>
    machine.project(
      {
        db: { volumes: [{ type: 'volume', source: 'data', target: '/data' }] },
        web: { scale: 2, depends_on: { db: { condition: 'service_started', required: true } } },
      },
      { volumes: { data: { name: `${machine.name}_data` } } },
    );

  it(
    'up',
    async () => {
      for (let last = 1; ; last += STEP) {
        const machine = new Machine();
        const project = stack(machine);
        const killed = await killedAt(machine, { project, goal: { kind: 'up' }, last });
        await machine.reach(project, { kind: 'up' });
        expect(machine.states(), `killed at event ${last}`).toEqual([
          'db-1 running',
          'web-1 running',
          'web-2 running',
        ]);
        expect((await machine.engine.plan(project, { kind: 'up' })).actions).toEqual([]);
        await machine.close();
        if (killed) continue;
        expect(last).toBeGreaterThan(5 * STEP);
        return;
      }
    },
    LONG_MS,
  );

  it(
    'a replacement',
    async () => {
      for (let last = 1; ; last += STEP) {
        const machine = new Machine();
        const before = stack(machine);
        await machine.reach(before, { kind: 'up' });
        await machine.shell('db', 'echo kept > /data/f');
        const { db, web } = before.services;
        const services = { db: { ...db, labels: { v: '2' } }, web: { ...web, labels: { v: '2' } } };
        const project = machine.project(services, { volumes: before.volumes });
        const killed = await killedAt(machine, { project, goal: { kind: 'up' }, last });
        await machine.reach(project, { kind: 'up' });
        expect(machine.states(), `killed at event ${last}`).toEqual([
          'db-1 running',
          'web-1 running',
          'web-2 running',
        ]);
        expect(await machine.shell('db', 'cat /data/f')).toBe('kept');
        await machine.close();
        if (killed) continue;
        expect(last).toBeGreaterThan(5 * STEP);
        return;
      }
    },
    LONG_MS,
  );

  it(
    'down',
    async () => {
      for (let last = 1; ; last += STEP) {
        const machine = new Machine();
        const project = stack(machine);
        await machine.reach(project, { kind: 'up' });
        const goal: Goal = { kind: 'down', volumes: true };
        const killed = await killedAt(machine, { project, goal, last });
        await machine.reach(project, goal);
        expect(machine.leftovers(), `killed at event ${last}`).toEqual([]);
        await machine.close();
        if (killed) continue;
        expect(last).toBeGreaterThan(5 * STEP);
        return;
      }
    },
    LONG_MS,
  );
});
