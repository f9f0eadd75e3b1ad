// configs
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { inside, isImpossible, look, scene, serviceOf, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('configs'), () => {
  const KINDS =
    'configs:\n  from_file: {file: ./text}\n  from_env: {environment: TEXT}\n  inline: {content: inline}\n';
  const options = { top: KINDS, files: { text: 'file\n' }, env: { TEXT: 'env' } };
  const listed = 'configs: [from_file, from_env, inline]';
  const script =
    'for f in from_file from_env inline; do cat /$f; echo; done; touch /inline 2>/dev/null && echo writable || echo refused';

  test.each([listed, `read_only: true\n${listed}`])('%s: files with the content', async (text) => {
    const { lines } = await inside(text, script, options);
    expect(lines).toEqual(['file', '', 'env', 'inline', 'refused']);
  });

  test.each(['from_file', 'from_env', 'inline'])('%s: target, uid, gid and mode', async (source) => {
    const mount = `configs: [{source: ${source}, target: /etc/deep/target, uid: "33", gid: "44", mode: 0o440}]`;
    const { lines } = await inside(
      `read_only: true\n${mount}`,
      "stat -c '%u %g %a' /etc/deep/target",
      options,
    );
    expect(lines).toEqual(['33 44 440']);
  });

  test('external: from the store of the state directory; a missing one says where it looked', async () => {
    const compose = `services:\n${serviceOf('configs: [outer]', 'cat /outer')}configs:\n  outer: {external: true, name: the-outer}\n`;
    await using stack = scene(compose);
    const missing = await stack.run('up');
    expect(missing.code).not.toBe(0);
    expect(missing.stderr).toMatch(/the-outer[\s\S]*compose\.yaml:\d+/);
    mkdirSync(join(stack.stateDir, 'configs'), { recursive: true });
    writeFileSync(join(stack.stateDir, 'configs/the-outer'), 'from the store\n');
    expect((await look(stack)).lines).toEqual(['from the store']);
  });

  test('a file that is missing is an error with its place', async () => {
    const { code, stderr } = await inside('configs: [gone]', 'true', {
      top: 'configs:\n  gone: {file: ./gone}\n',
      mayFail: true,
    });
    expect(code).not.toBe(0);
    expect(stderr).toMatch(/gone does not exist[\s\S]*compose\.yaml:\d+/);
  });
});
