// pause, unpause and kill: the group is frozen, thawed, and emptied
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { isImpossible, scene, serviceOf, titled } from '../inside.ts';

const FILES = ['freezer.state', 'cgroup.events'];

/** What the kernel says about the first group that can tell. */
function frozen(groups: readonly string[]): boolean {
  const paths = groups.flatMap((group) => FILES.map((name) => `${group}/${name}`)).filter(existsSync);
  return paths.some((path) => /FROZEN|frozen 1/.test(readFileSync(path, 'utf8')));
}

describe.skipIf(isImpossible)(titled('pause'), () => {
  test('freezes all processes until unpause, and kill ends frozen ones', async () => {
    await using stack = scene(`services:\n${serviceOf('', '(while :; do sleep 1; done) & exec sleep 60')}`);
    await stack.ok('up', '-d');
    const [{ cgroups }] = JSON.parse(await stack.ok('inspect', 'app'));
    await stack.ok('pause');
    expect([(await stack.ps())[0]?.State, frozen(cgroups)]).toEqual(['paused', true]);
    await stack.ok('unpause');
    expect([(await stack.ps())[0]?.State, frozen(cgroups)]).toEqual(['running', false]);
    await stack.ok('pause');
    await stack.ok('kill');
    await stack.run('wait', 'app');
    expect((await stack.ps())[0]).toMatchObject({ State: 'exited', ExitCode: 137 });
    expect(cgroups.filter((group: string) => existsSync(group))).toEqual([]);
  });
});
