// volumes.volume
import { describe, expect, test } from 'vitest';
import { inside, isImpossible, linesOf, look, scene, serviceOf, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('volumes.volume'), () => {
  const top = 'volumes:\n  data: {}\n';

  test('takes the content of the image, with owners, once', async () => {
    const { lines } = await inside(
      'volumes: [data:/etc]',
      'ls /etc | grep -c passwd; ls -ldn /home/www | cut -c1',
      { top },
    );
    expect(lines[0]).toBe('1');
  });

  test('nocopy starts empty', async () => {
    const { lines } = await inside(
      'volumes: [{type: volume, source: data, target: /home, volume: {nocopy: true}}]',
      'ls /home | wc -l',
      { top },
    );
    expect(lines).toEqual(['0']);
  });

  test('subpath is a directory of it, and leads nowhere else', async () => {
    const first = serviceOf(
      'volumes: [data:/d]',
      'mkdir -p /d/sub; echo inside >/d/sub/file; ln -s /etc /d/away',
      'first',
    );
    const app = serviceOf(
      'depends_on: {first: {condition: service_completed_successfully}}\nvolumes: [{type: volume, source: data, target: /s, volume: {subpath: sub}}]',
      'cat /s/file',
    );
    const bad = serviceOf(
      'profiles: [bad]\nvolumes: [{type: volume, source: data, target: /s, volume: {subpath: away}}]',
      'cat /s/passwd',
      'bad',
    );
    await using stack = scene(`services:\n${first}${app}${bad}${top}`);
    await look(stack);
    expect(linesOf(await stack.ok('logs', '--no-log-prefix', 'app'))).toEqual(['inside']);
    expect((await stack.run('run', '--rm', 'bad')).code).not.toBe(0);
  });

  test('read-only', async () => {
    expect(
      (await inside('volumes: [data:/d:ro]', 'touch /d/x 2>/dev/null || echo refused', { top })).lines,
    ).toEqual(['refused']);
  });

  test('outlives its container', async () => {
    await using stack = scene(
      `services:\n${serviceOf('volumes: [data:/d]', 'cat /d/file 2>/dev/null || { echo first >/d/file; }')}${top}`,
    );
    await look(stack);
    await stack.ok('rm', '-f');
    expect((await look(stack)).lines).toEqual(['first']);
  });
});
