// links
import { describe, expect, test } from 'vitest';
import { isImpossible, titled } from '../inside.ts';
import { ask, fetched, neighbours, server } from './neighbours.ts';

describe.skipIf(isImpossible)(titled('links'), () => {
  test('are further names of a service that only the linking one sees', async () => {
    await using stack = await neighbours([
      server('db', 'networks: [default]'),
      server('web', 'networks: [default]\nlinks: ["db:database", db]'),
      server('other', 'networks: [default]'),
    ]);
    const [name] = await ask(stack, 'db', 'hostname');
    expect([await fetched(stack, 'web', 'database'), await fetched(stack, 'web', 'db')]).toEqual([
      name,
      name,
    ]);
    expect(await ask(stack, 'web', 'nslookup -type=a database | grep -c "^Name:.*database"')).toEqual(['1']);
    expect([await fetched(stack, 'other', 'database'), await fetched(stack, 'other', 'db')]).toEqual([
      '',
      name,
    ]);
  });
});
