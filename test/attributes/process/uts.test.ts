// uts
import { readlinkSync } from 'node:fs';
import { hostname } from 'node:os';
import { describe, expect, test } from 'vitest';
import { inside, isImpossible, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('uts'), () => {
  test('host shares the name of the machine', async () => {
    const { lines } = await inside('uts: host', 'hostname; readlink /proc/self/ns/uts');
    expect(lines).toEqual([hostname(), readlinkSync('/proc/self/ns/uts')]);
  });

  test('is a namespace of its own otherwise', async () => {
    const { lines } = await inside('', 'readlink /proc/self/ns/uts');
    expect(lines[0]).not.toBe(readlinkSync('/proc/self/ns/uts'));
  });
});
