// mem_limit
import { describe, expect, test } from 'vitest';
import { groupFile } from '../groups.ts';
import { inside, isImpossible, scene, serviceOf, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('mem_limit'), () => {
  test.each([['mem_limit: 64m'], ['deploy: {resources: {limits: {memory: 64m}}}']])(
    '%s is the limit of the group',
    async (text) => {
      const { lines } = await inside(text, `cat ${groupFile('memory/memory.limit_in_bytes', 'memory.max')}`);
      expect(lines).toEqual(['67108864']);
    },
  );

  test('a program that takes more is killed: OOMKilled, 137', async () => {
    const grow = 'x=x; while :; do x=$x$x; done';
    await using stack = scene(
      `services:\n${serviceOf('mem_limit: 16m\nmemswap_limit: 16m', `exec sh -c '${grow}'`)}`,
    );
    await stack.ok('up', '-d');
    expect((await stack.run('wait', 'app')).code).toBe(137);
    expect((await stack.ps())[0]).toMatchObject({ State: 'exited', ExitCode: 137 });
    expect(await stack.ok('ps', '-a')).toMatch(/137/);
    const [{ status }] = JSON.parse(await stack.ok('inspect', 'app'));
    expect(status).toMatchObject({ exitCode: 137, oomKilled: true });
  });
});
