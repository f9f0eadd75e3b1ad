// shm_size
import { describe, expect, test } from 'vitest';
import { inside, isImpossible, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('shm_size'), () => {
  test('is the size of /dev/shm', async () => {
    const { lines } = await inside('shm_size: 8m', "df -k /dev/shm | tail -1 | tr -s ' ' | cut -d' ' -f2");
    expect(lines).toEqual(['8192']);
  });
  test('is 64 MiB otherwise', async () => {
    const { lines } = await inside('', "df -k /dev/shm | tail -1 | tr -s ' ' | cut -d' ' -f2");
    expect(lines).toEqual(['65536']);
  });
});
