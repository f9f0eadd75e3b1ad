// networks.aliases
import { describe, expect, test } from 'vitest';
import { isImpossible, titled } from '../inside.ts';
import { ask, fetched, neighbours, server } from './neighbours.ts';

describe.skipIf(isImpossible)(titled('networks.aliases'), () => {
  test('are names on that network only, shared by services that have them', async () => {
    await using stack = await neighbours(
      [
        server('one', 'networks:\n  front: { aliases: [both, solo] }'),
        server('two', 'networks:\n  front: { aliases: [both] }'),
        server('asker', 'networks: [front]'),
        server('elsewhere', 'networks: [back]'),
      ],
      { top: 'networks: { front: , back: }\n' },
    );
    expect(await fetched(stack, 'asker', 'solo')).toBe((await ask(stack, 'one', 'hostname'))[0]);
    const both = await ask(stack, 'asker', 'nslookup -type=a both | grep -A1 ^Name | grep Address');
    expect(both).toHaveLength(2);
    expect(await fetched(stack, 'elsewhere', 'solo')).toBe('');
  });
});
