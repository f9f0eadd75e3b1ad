// `kill -9` of the command or of a shim, and several commands at once: the next command puts everything right.
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { freePort, isRoot, needing } from '../support/machine.ts';
import { type Running, Stack } from '../support/stack.ts';

const IDLE = `image: host, command: ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.1; done"]`;
const LONG_MS = 240_000;

function compose(port: number): string {
  return `services:
  db: { ${IDLE}, volumes: ["data:/data"] }
  web: { ${IDLE}, depends_on: [db], ports: ["127.0.0.1:${port}:80"] }
volumes: { data: {} }
`;
}

/** What they write of progress for this stack. */
const LINES_OF_UP = 12;
const LINES_OF_DOWN = 12;

/** Kills a command when it has written so many lines of progress; 0 when it ended before it could be killed. */
async function killedAfter(running: Running, lines: number): Promise<number> {
  await new Promise<void>((resolve) => {
    const look = () => {
      if (running.stderr().split('\n').length > lines) resolve();
    };
    running.process.stderr?.on('data', look);
    void running.ended.then(() => resolve());
  });
  running.signal('SIGKILL');
  return (await running.ended).code === 137 ? 1 : 0;
}

/** Processes, mounts and state of a stack. */
function leftOf({ stateDir }: Stack): readonly string[] {
  const read = (path: string) => {
    try {
      return readFileSync(path, 'utf8');
    } catch {
      return '';
    }
  };
  const processes = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => `process ${pid} ${read(`/proc/${pid}/cmdline`).replaceAll('\0', ' ')}`);
  const mounts = read('/proc/self/mountinfo').split('\n');
  const kept = ['containers', 'networks', 'volumes'].flatMap((kind) => {
    const dir = join(stateDir, kind);
    return existsSync(dir) ? readdirSync(dir).map((name) => join(dir, name)) : [];
  });
  return [...processes, ...mounts, ...kept].filter((line) => line.includes(stateDir));
}

/** A shim that was just begun finds its container gone and ends; sync(1) ends when the disk has it. */
const nothingIsLeft = (stack: Stack, when = '') => eventually(() => expect(leftOf(stack), when).toEqual([]));

const states = async (stack: Stack) => (await stack.ps()).map(({ Service, State }) => [Service, State]);
const GOOD = [
  ['db', 'running'],
  ['web', 'running'],
];

describe.skipIf(!isRoot)(needing('a command that is killed', { root: isRoot }), () => {
  it(
    'in the middle of `up`: the next `up` finishes it',
    async () => {
      await using stack = new Stack({ compose: compose(await freePort()) });
      let kills = 0;
      for (let at = 0; at < LINES_OF_UP; at += 3) {
        kills += await killedAfter(stack.start(['up', '-d']), at);
        await stack.ok('up', '-d');
        expect(await states(stack), `killed after ${at} lines`).toEqual(GOOD);
        await stack.ok('down', '-v', '-t', '5');
        await nothingIsLeft(stack, `killed after ${at} lines`);
      }
      expect(kills).toBeGreaterThan(0);
    },
    LONG_MS,
  );

  it(
    'in the middle of `up`: `down` removes what there is',
    async () => {
      await using stack = new Stack({ compose: compose(await freePort()) });
      let kills = 0;
      for (let at = 1; at < LINES_OF_UP; at += 4) {
        kills += await killedAfter(stack.start(['up', '-d']), at);
        await stack.ok('down', '-v', '-t', '5');
        await nothingIsLeft(stack, `killed after ${at} lines`);
      }
      expect(kills).toBeGreaterThan(0);
    },
    LONG_MS,
  );

  it(
    'in the middle of `down`: the next `down` finishes it, and so does `up` the other way',
    async () => {
      await using stack = new Stack({ compose: compose(await freePort()) });
      let kills = 0;
      for (let at = 0; at < LINES_OF_DOWN; at += 3) {
        await stack.ok('up', '-d');
        expect(await states(stack), `killed before ${at} lines`).toEqual(GOOD);
        kills += await killedAfter(stack.start(['down', '-v', '-t', '5']), at);
        if (at % 2 === 1) continue;
        await stack.ok('down', '-v', '-t', '5');
        await nothingIsLeft(stack, `killed after ${at} lines`);
      }
      expect(kills).toBeGreaterThan(0);
    },
    LONG_MS,
  );
});

describe.skipIf(!isRoot)(needing('a shim that is killed', { root: isRoot }), () => {
  it('its container is seen as lost, cleaned, and made again by the next `up`', async () => {
    await using stack = new Stack({ compose: compose(await freePort()) });
    await stack.ok('up', '-d');
    const before = await stack.ps('web');
    const [info] = JSON.parse(await stack.ok('inspect', 'web'));
    const shim = shimOf(stack, before[0]?.ID ?? '');
    const program: number = info.status.pid;
    process.kill(shim, 'SIGKILL');
    await eventually(() => expect(existsSync(`/proc/${program}`)).toBe(false));
    await eventually(async () => expect((await stack.ps('web'))[0]?.State).toMatch(/exited|dead/));
    await stack.ok('up', '-d');
    expect(await states(stack)).toEqual(GOOD);
    await stack.ok('down', '-v', '-t', '5');
    await nothingIsLeft(stack);
  });

  /** The process that supervises the container. */
  function shimOf({ stateDir }: Stack, id: string): number {
    const found = readdirSync('/proc').find((pid) => {
      if (!/^\d+$/.test(pid)) return false;
      try {
        const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
        return words.includes('tscompose-shim') && words.includes(stateDir) && words.includes(id);
      } catch {
        return false;
      }
    });
    if (found === undefined) throw new Error(`${id} has no shim`);
    return Number(found);
  }
});

describe.skipIf(!isRoot)(needing('a machine that lost its power', { root: isRoot }), () => {
  it('may have left empty records: the next command makes anew what they were for', async () => {
    await using stack = new Stack({ compose: compose(await freePort()) });
    await stack.ok('up', '-d');
    await stack.ok('kill');
    for (const [kind, file] of [
      ['containers', 'container.json'],
      ['volumes', 'volume.json'],
    ] as const) {
      const [first = ''] = readdirSync(join(stack.stateDir, kind));
      writeFileSync(join(stack.stateDir, kind, first, file), '');
    }
    rmSync(join(stack.stateDir, 'run/containers/index'), { force: true });
    await stack.ok('ps', '-a');
    await stack.ok('up', '-d');
    expect((await stack.ps()).map(({ State }) => State)).toEqual(['running', 'running']);
    await stack.ok('down', '-v');
    await nothingIsLeft(stack);
  });
});

describe.skipIf(!isRoot)(needing('commands at the same time', { root: isRoot }), () => {
  it('two `up` of one project end in one good stack', async () => {
    await using stack = new Stack({ compose: compose(await freePort()) });
    const outcomes = await Promise.all([stack.run('up', '-d'), stack.run('up', '-d'), stack.run('up', '-d')]);
    expect(outcomes.map(({ code, stderr }) => (code === 0 ? 0 : stderr))).toEqual([0, 0, 0]);
    expect(await states(stack)).toEqual(GOOD);
  });

  it('`up` and `down` of one project come one after the other', async () => {
    await using stack = new Stack({ compose: compose(await freePort()) });
    const outcomes = await Promise.all([stack.run('up', '-d'), stack.run('down', '-v', '-t', '5')]);
    expect(outcomes.map(({ code, stderr }) => (code === 0 ? 0 : stderr))).toEqual([0, 0]);
    const after = await states(stack);
    if (after.length > 0) expect(after).toEqual(GOOD);
    else await nothingIsLeft(stack);
  });

  it('two projects do not disturb each other', async () => {
    await using first = new Stack({ compose: compose(await freePort()) });
    const env = { TSCOMPOSE_STATE_DIR: first.stateDir };
    await using second = new Stack({ compose: compose(await freePort()), env });
    const stacks = [first, second];
    const up = await Promise.all(stacks.map((stack) => stack.run('up', '-d')));
    expect(up.map(({ code, stderr }) => (code === 0 ? 0 : stderr))).toEqual([0, 0]);
    for (const stack of stacks) expect(await states(stack)).toEqual(GOOD);
    await first.ok('down', '-v', '-t', '5');
    expect(await states(second)).toEqual(GOOD);
  });
});
