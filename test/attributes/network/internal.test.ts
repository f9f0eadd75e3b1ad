// internal
import { describe, expect, test } from 'vitest';
import { isImpossible, titled } from '../inside.ts';
import { ask, fetched, isolates, neighbours, server } from './neighbours.ts';

describe.skipIf(isImpossible)(titled('internal'), () => {
  test('has no way out, and neighbours', async () => {
    await using stack = await neighbours(
      [server('a', 'networks: [default]'), server('b', 'networks: [default]')],
      {
        top: 'networks: { default: { internal: true } }\n',
      },
    );
    expect(await ask(stack, 'a', 'ip route | grep -c ^default || true')).toEqual(['0']);
    expect(await fetched(stack, 'a', 'b')).toBe((await ask(stack, 'b', 'hostname'))[0]);
  });

  test('networks are isolated from each other, internal or not', async (context) => {
    await using stack = await neighbours(
      [
        server('a', 'networks: [one]'),
        server('b', 'networks: [two]'),
        server('both', 'networks: [one, two]'),
      ],
      { top: 'networks: { one: , two: }\n' },
    );
    if (!isolates(stack)) context.skip('the kernel has no packet filter for both families');
    const [address = ''] = await ask(
      stack,
      'b',
      "ip -4 addr show eth0 | awk '/inet/ {print $2}' | cut -d/ -f1",
    );
    expect([await fetched(stack, 'a', 'b'), await fetched(stack, 'a', address)]).toEqual(['', '']);
    expect(await fetched(stack, 'both', address)).toBe((await ask(stack, 'b', 'hostname'))[0]);
  });
});
