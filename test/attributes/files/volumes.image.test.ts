// volumes.image
import { symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { inside, isImpossible, look, scene, serviceOf, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('volumes.image'), () => {
  test('is the file system of another image, read-only', async () => {
    const { lines } = await inside(
      'volumes: [{type: image, source: "rootfs:./other", target: /o}]',
      'cat /o/dir/file; touch /o/x 2>/dev/null || echo refused',
      { files: { 'other/dir/file': 'other\n' } },
    );
    expect(lines).toEqual(['other', 'refused']);
  });

  test('subpath is a directory of it', async () => {
    const { lines } = await inside(
      'volumes: [{type: image, source: "rootfs:./other", target: /o, image: {subpath: dir}}]',
      'cat /o/file',
      { files: { 'other/dir/file': 'other\n' } },
    );
    expect(lines).toEqual(['other']);
  });

  test('subpath leads nowhere else', async () => {
    await using stack = scene(
      `services:\n${serviceOf('volumes: [{type: image, source: "rootfs:./other", target: /o, image: {subpath: away}}]', 'ls /o')}`,
      { files: { 'other/file': '' } },
    );
    symlinkSync('/etc', join(stack.dir, 'other/away'));
    const { lines, code } = await look(stack);
    expect([lines.includes('hostname'), code === 0 && lines.length > 0]).toEqual([false, false]);
  });
});
