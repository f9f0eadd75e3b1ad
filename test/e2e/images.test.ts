// Real servers from a real registry: the example of them, and what the command does with images on its way.
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { type ImageSet, imageSetNeeds, openImageSet } from '../support/image-set.ts';
import { freePort, needing } from '../support/machine.ts';
import { ROOT, Stack } from '../support/stack.ts';

const MAKING_MS = 900_000;

describe.skipIf(Object.values(imageSetNeeds).includes(false))(needing('real images', imageSetNeeds), () => {
  let images: ImageSet;
  beforeAll(async () => {
    images = await openImageSet();
  }, MAKING_MS);
  afterAll(() => images?.stop());

  it('the example web-stack: nginx, Node, PostgreSQL and Redis, frozen, and again offline', async () => {
    const port = await freePort();
    await using stack = new Stack({
      from: join(ROOT, 'examples/web-stack'),
      env: { REGISTRY: `${images.host}/`, PORT: String(port) },
    });
    const notes = async (body?: string): Promise<{ notes: string[]; from: string; by: string }> => {
      const init = body === undefined ? {} : { method: 'POST', body };
      const answer = await fetch(`http://127.0.0.1:${port}/notes`, init);
      if (answer.status !== 200) throw new Error(await answer.text());
      return JSON.parse(await answer.text());
    };
    await stack.ok('lock', 'update');
    await stack.ok('up', '-d', '--wait', '--frozen');
    const healthy = (await stack.ps()).map(({ Service, Health }) => [Service, Health]);
    expect(healthy.sort()).toEqual([
      ['app', 'healthy'],
      ['app', 'healthy'],
      ['cache', 'healthy'],
      ['db', 'healthy'],
      ['proxy', ''],
    ]);
    // The proxy runs, and is about to listen.
    const stored = { notes: ['buy milk'], from: 'database' };
    await eventually(async () => expect(await notes('buy milk')).toMatchObject(stored));
    const answers = [await notes(), await notes(), await notes(), await notes()];
    expect(new Set(answers.map(({ from }) => from))).toEqual(new Set(['cache']));
    expect(new Set(answers.map(({ by }) => by)).size).toBe(2);

    expect((await stack.run('up', '-d', '--frozen')).stderr).not.toMatch(/Recreate|Creat|Pull/);
    await stack.ok('down', '-t', '5');
    images.stop();
    await stack.ok('--offline', 'up', '-d', '--wait', '--frozen');
    await eventually(async () => expect(await notes()).toMatchObject(stored));
  }, 120_000);
});

describe('the example web-stack', () => {
  it('names every image with a prefix that can be set', () => {
    const dir = join(ROOT, 'examples/web-stack');
    expect(existsSync(join(dir, 'app/server.mjs'))).toBe(true);
    const images = readFileSync(join(dir, 'compose.yaml'), 'utf8').match(/^ {4}image: .*$/gm) ?? [];
    expect(images.map((line) => line.trim().startsWith('image: ${REGISTRY:-}'))).toEqual(
      images.map(() => true),
    );
    expect(images).toHaveLength(4);
  });
});
