// userns_mode
import { readlinkSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { inside, isImpossible, look, scene, serviceOf, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('userns_mode'), () => {
  const here = readlinkSync('/proc/self/ns/user');

  test('host: the namespace of the machine', async () => {
    expect((await inside('userns_mode: host', 'readlink /proc/self/ns/user')).lines).toEqual([here]);
  });

  test('private: a namespace of its own', async () => {
    const { lines } = await inside('userns_mode: private', 'readlink /proc/self/ns/user; id -u');
    expect(lines[0]).not.toBe(here);
    expect(lines[1]).toBe('0');
  });

  test('auto: ids of its own on the machine, and files owned as the image has them', async () => {
    const script = `
      tr -s ' ' </proc/self/uid_map
      id -u
      ls -ldn / /bin/busybox /data /etc/hosts | tr -s ' ' | cut -d' ' -f3,4
      touch /file /data/file && chown 33:44 /file && ls -ln /file | tr -s ' ' | cut -d' ' -f3,4`;
    await using stack = scene(
      `services:\n${serviceOf('userns_mode: auto\nvolumes: [data:/data]', script)}volumes:\n  data: {}\n`,
    );
    const { lines, warnings } = await look(stack);
    const [map = '', ...rest] = lines;
    expect(Number(map.trim().split(' ')[1])).toBeGreaterThanOrEqual(65_536);
    expect(rest).toEqual(['0', '0 0', '0 0', '0 0', '0 0', '33 44']);
    expect(warnings).toEqual([]);
    const id = (await stack.ps())[0]?.ID ?? '';
    expect(statSync(join(stack.stateDir, 'containers', id, 'upper/file'))).toMatchObject({
      uid: 33,
      gid: 44,
    });
    expect(statSync(join(stack.stateDir, `volumes/${stack.project}_data/_data/file`))).toMatchObject({
      uid: 0,
    });
  });

  test('a mode that does not exist is refused', async () => {
    const { code, stderr } = await inside('userns_mode: whatever', 'true', { mayFail: true });
    expect([code > 0, /unknown userns_mode/.test(stderr)]).toEqual([true, true]);
  });
});
