// Every example does what its comment promises.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { freePort, isRoot, needing, nodeForContainers } from '../support/machine.ts';
import { ROOT, Stack } from '../support/stack.ts';

const EXAMPLES = join(ROOT, 'examples');

function example(name: string, env: Readonly<Record<string, string>> = {}): Stack {
  return new Stack({ from: join(EXAMPLES, name), env: { ...nodeForContainers(), ...env } });
}

async function get(port: number): Promise<string> {
  const answer = await fetch(`http://127.0.0.1:${port}/`);
  expect(answer.status).toBe(200);
  return (await answer.text()).trim();
}

/** What each example promises, by its directory. */
const PROMISES: Readonly<Record<string, () => Promise<void>>> = {
  async 'app-db-lb'() {
    const port = await freePort();
    await using stack = example('app-db-lb', { PORT: String(port) });
    await stack.ok('up', '-d', '--wait');
    expect((await stack.ps()).map(({ Service, State, Health }) => [Service, State, Health])).toEqual([
      ['app', 'running', 'healthy'],
      ['db', 'running', 'healthy'],
      ['lb', 'running', 'healthy'],
    ]);
    expect(await get(port)).toMatch(/^visit 1 answered by [0-9a-f]{12}$/);

    await stack.ok('scale', 'app=3');
    await stack.ok('start', '--wait');
    const answered = new Set<string>();
    for (let request = 0; request < 6; request++) answered.add((await get(port)).replace(/.* by /, ''));
    expect(answered.size).toBe(3);

    await stack.ok('down', '-t', '2');
    await stack.ok('up', '-d', '--wait');
    expect(await get(port)).toMatch(/^visit 8 /);
  },

  async volumes() {
    await using stack = example('volumes');
    expect(await stack.ok('up')).toMatch(/^reader-1 {2}\| 1$/m);
    await stack.ok('down');
    expect(await stack.ok('volumes', '-q')).toBe(`${stack.project}_notes\n`);
    expect(await stack.ok('up')).toMatch(/^reader-1 {2}\| 2$/m);
    await stack.ok('down', '-v');
    expect(await stack.ok('volumes', '-q')).toBe('');
    expect(await stack.ok('up')).toMatch(/^reader-1 {2}\| 1$/m);
  },

  async networks() {
    await using stack = example('networks');
    const ask = (service: string, name: string) =>
      stack.run(
        'exec',
        '-T',
        service,
        stack.env.NODE ?? 'node',
        '/srv/example/ask.mjs',
        `http://${name}:3000`,
      );
    await stack.ok('up', '-d', '--wait');
    expect(await ask('web', 'api')).toMatchObject({ code: 0, stdout: 'the store says hello\n' });
    expect(await ask('api', 'warehouse')).toMatchObject({ code: 0, stdout: 'the store says hello\n' });
    const refused = await ask('web', 'store');
    expect(refused.code).toBe(1);
    expect(refused.stderr).toMatch(/ENOTFOUND|EAI_AGAIN/);
  },

  async 'one-shot'() {
    await using stack = example('one-shot');
    await stack.ok('up', '-d');
    await eventually(async () =>
      expect(await stack.ok('logs', '--no-log-prefix', 'serve')).toBe('version 7\n'),
    );
    expect((await stack.ps()).map(({ Service, State }) => [Service, State])).toEqual([
      ['migrate', 'exited'],
      ['serve', 'running'],
    ]);
  },

  async 'self-healing'() {
    await using stack = example('self-healing');
    await stack.ok('up', '-d', '--wait');
    expect(await stack.ok('logs', '--no-log-prefix', 'flaky')).toBe('attempt 1\nattempt 2\nattempt 3\n');
    expect((await stack.ps()).map(({ Service, State, Health }) => [Service, State, Health])).toEqual([
      ['after', 'running', ''],
      ['flaky', 'running', 'healthy'],
    ]);
  },
};

/** Those that are made of real images: images.test.ts. */
const OF_IMAGES = ['web-stack'];

describe('the examples', () => {
  it('are all here', () => {
    const directories = readdirSync(EXAMPLES, { withFileTypes: true }).filter((entry) => entry.isDirectory());
    const tested = [...Object.keys(PROMISES), ...OF_IMAGES];
    expect(tested.sort()).toEqual(directories.map(({ name }) => name).sort());
  });
});

describe.skipIf(!isRoot)(needing('the example', { root: isRoot }), () => {
  it.each(Object.keys(PROMISES))('%s', async (name) => PROMISES[name]?.());

  it('one-shot: a job that fails keeps what needs it from starting', async () => {
    await using stack = example('one-shot', { FAIL: '1' });
    const { code, stderr } = await stack.run('up', '-d');
    expect(code).toBe(1);
    expect(stderr).toMatch(/migrate/);
    expect((await stack.ps('serve')).map(({ State }) => State)).toEqual(['created']);
  });
});
