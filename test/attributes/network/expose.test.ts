// expose
import { describe, expect, test } from 'vitest';
import { isImpossible, titled } from '../inside.ts';
import { neighbours, server } from './neighbours.ts';

describe.skipIf(isImpossible)(titled('expose'), () => {
  test('is told, and publishes nothing', async () => {
    await using stack = await neighbours([
      server('web', 'networks: [default]\nexpose: ["8080", 9000-9001/udp]'),
    ]);
    const [row] = await stack.ps();
    expect(row?.Publishers.filter(({ PublishedPort }) => PublishedPort !== 0)).toEqual([]);
    const inspected = await stack.ok('ps', '--format', 'json');
    expect(inspected).toContain('8080/tcp');
  });
});
