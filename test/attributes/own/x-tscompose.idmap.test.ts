// x-tscompose.idmap
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { inside, isImpossible, look, scene, serviceOf, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('x-tscompose.idmap'), () => {
  test('files of a mount have other owners in the container, and keep theirs on the machine', async () => {
    const text = 'user: "33:33"\nvolumes: ["./dir:/d"]\nx-tscompose:\n  idmap: {/d: "0:33:1"}';
    await using stack = scene(
      `services:\n${serviceOf(text, "stat -c '%u %g' /d /d/file; touch /d/own; stat -c '%u' /d/own")}`,
      { files: { 'dir/file': '' } },
    );
    expect((await look(stack)).lines).toEqual(['33 33', '33 33', '33']);
    expect(statSync(join(stack.dir, 'dir/own'))).toMatchObject({ uid: 0, gid: 0 });
  });

  test('what is no range is refused', async () => {
    const { code, stderr } = await inside('x-tscompose: {idmap: {/d: all}}', 'true', { mayFail: true });
    expect([code > 0, /idmap/.test(stderr)]).toEqual([true, true]);
  });
});
