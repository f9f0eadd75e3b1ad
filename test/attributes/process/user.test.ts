// user
import { describe, expect, test } from 'vitest';
import { inside, isImpossible, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('user'), () => {
  test('by name, with its groups and home', async () => {
    const { lines } = await inside('user: www', 'id -u; id -g; id -G; echo $HOME');
    expect(lines).toEqual(['33', '44', expect.stringMatching(/^(44 1234|1234 44)$/), '/home/www']);
  });
  test('by number, known or not', async () => {
    const { lines } = await inside('user: "1234:5678"', 'id -u; id -g; id -G; echo $HOME');
    expect(lines).toEqual(['1234', '5678', '5678', '/']);
  });
  test('has no capabilities', async () => {
    const { lines } = await inside('user: www', 'grep CapEff /proc/self/status | cut -f2');
    expect(lines).toEqual(['0000000000000000']);
  });
});
