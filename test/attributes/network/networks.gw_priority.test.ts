// networks.gw_priority
import { describe, expect, test } from 'vitest';
import { inside, isImpossible, titled } from '../inside.ts';

const top = [
  'networks:',
  '  a: { ipam: { config: [{ subnet: 10.211.13.0/24 }] } }',
  '  b: { ipam: { config: [{ subnet: 10.211.14.0/24 }] } }',
  '  c: { internal: true, ipam: { config: [{ subnet: 10.211.15.0/24 }] } }',
  '',
].join('\n');

describe.skipIf(isImpossible)(titled('networks.gw_priority'), () => {
  test('is where the default route goes, but never to an internal network', async () => {
    const { lines } = await inside(
      'networks:\n  a: {}\n  b: { gw_priority: 1 }\n  c: { gw_priority: 9 }',
      "ip route | awk '/^default/ {print $3}'",
      { top },
    );
    expect(lines).toEqual(['10.211.14.1']);
  });

  test('is decided by name among equals', async () => {
    const { lines } = await inside('networks: [b, a]', "ip route | awk '/^default/ {print $3}'", { top });
    expect(lines).toEqual(['10.211.13.1']);
  });
});
