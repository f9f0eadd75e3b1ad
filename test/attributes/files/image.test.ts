// image
import { describe, expect, test } from 'vitest';
import { inside, isImpossible, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('image'), () => {
  test('a directory is a root file system, and stays as it is', async () => {
    const { lines } = await inside(
      'image: rootfs:./root',
      'echo changed >/etc/passwd; cat /etc/passwd; ls /',
    );
    expect(lines).toEqual(['changed', 'bin', 'dev', 'etc', 'home', 'proc', 'sys', 'tmp']);
  });
  test("host is the machine's own", async () => {
    const { lines } = await inside(
      'image: host',
      'test -e /etc/passwd && echo here; touch /etc/new && echo written; ls -A /root',
    );
    expect(lines).toEqual(['here', 'written']);
  });
});
