// tty
import { describe, expect, test } from 'vitest';
import { inside, isImpossible, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('tty'), () => {
  test("is a terminal of the container's own devpts", async () => {
    const { lines } = await inside(
      'tty: true',
      'tty; test -t 0 && test -t 1 && echo terminal; echo $TERM; ls -l /dev/console | cut -c1',
    );
    expect(lines).toEqual([
      expect.stringMatching(/^\/dev\/(pts\/0|console)\r?$/),
      expect.stringMatching(/^terminal/),
      expect.stringMatching(/^xterm/),
      expect.stringMatching(/^c/),
    ]);
  });
  test('belongs to the user', async () => {
    const { lines } = await inside(
      `tty: true
user: www`,
      'stat -c %u $(tty); echo again >/dev/tty',
    );
    expect(lines).toEqual([expect.stringMatching(/^33/), expect.stringMatching(/^again/)]);
  });
});
