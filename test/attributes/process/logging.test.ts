// logging
import { describe, expect, test } from 'vitest';
import { inside, isImpossible, scene, serviceOf, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('logging'), () => {
  test('max-size and max-file rotate the log', async () => {
    const options = 'logging:\n  driver: json-file\n  options:\n    max-size: 2k\n    max-file: "3"';
    const { lines } = await inside(options, 'i=0; while [ $i -lt 200 ]; do echo line $i; i=$((i+1)); done');
    expect(lines.at(-1)).toBe('line 199');
    expect(lines.length).toBeLessThan(150);
  });

  test('local keeps its log too', async () => {
    expect((await inside('logging: {driver: local}', 'echo kept')).lines).toEqual(['kept']);
  });

  test('none keeps nothing', async () => {
    await using stack = scene(`services:\n${serviceOf('logging: {driver: none}', 'echo gone')}`);
    await stack.ok('up', '-d');
    await stack.ok('wait', 'app');
    expect((await stack.run('logs')).stdout).not.toContain('gone');
  });

  test('a driver that is not here gives one warning with its place', async () => {
    const { lines, warnings } = await inside('logging:\n  driver: splunk', 'echo kept');
    expect(lines).toEqual(['kept']);
    expect(warnings).toEqual([expect.stringMatching(/logging\.driver.*splunk.*compose\.yaml:\d+/)]);
  });
});
