// dns_search
import { describe, expect, test } from 'vitest';
import { inside, isImpossible, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('dns_search'), () => {
  test('are the search domains, a dot means none', async () => {
    const search = async (value: string) =>
      (await inside(`networks: [default]\ndns_search: ${value}`, 'grep ^search /etc/resolv.conf || true'))
        .lines;
    expect(await search('[dc1.example.com, dc2.example.com]')).toEqual([
      'search dc1.example.com dc2.example.com',
    ]);
    expect(await search('.')).toEqual([]);
  });
});
