// networks.priority
import { describe, expect, test } from 'vitest';
import { inside, isImpossible, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('networks.priority'), () => {
  test('is the order of the interfaces', async () => {
    const { lines } = await inside(
      'networks:\n  a: { priority: 10 }\n  b: { priority: 1000 }\n  c: {}',
      "for i in 0 1 2; do ip -4 addr show eth$i | awk '/inet/ {print $2}'; done",
      {
        top: [
          'networks:',
          '  a: { ipam: { config: [{ subnet: 10.211.10.0/24 }] } }',
          '  b: { ipam: { config: [{ subnet: 10.211.11.0/24 }] } }',
          '  c: { ipam: { config: [{ subnet: 10.211.12.0/24 }] } }',
          '',
        ].join('\n'),
      },
    );
    expect(lines).toEqual(['10.211.11.2/24', '10.211.10.2/24', '10.211.12.2/24']);
  });
});
