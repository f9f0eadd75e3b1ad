// dns_opt
import { describe, expect, test } from 'vitest';
import { inside, isImpossible, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('dns_opt'), () => {
  test('are options of resolv.conf', async () => {
    const { lines } = await inside(
      'networks: [default]\ndns_opt: [use-vc, "ndots:3"]',
      'grep ^options /etc/resolv.conf',
    );
    expect(lines).toEqual(['options use-vc ndots:3']);
  });
});
