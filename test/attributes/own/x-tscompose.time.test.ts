// x-tscompose.time
import { uptime } from 'node:os';
import { describe, expect, test } from 'vitest';
import { inside, isImpossible, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('x-tscompose.time'), () => {
  test('the clocks of the container are ahead of those of the machine', async () => {
    const { lines } = await inside(
      'x-tscompose: {time: {boottime: 240h, monotonic: 1h}}',
      "cut -d. -f1 /proc/uptime; tr -s ' ' </proc/self/timens_offsets",
    );
    expect(Number(lines[0])).toBeGreaterThanOrEqual(864_000 + Math.floor(uptime()) - 60);
    expect(lines.slice(1)).toEqual(['monotonic 3600 0', 'boottime 864000 0']);
  });
});
