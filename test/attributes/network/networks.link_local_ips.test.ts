// networks.link_local_ips
import { describe, expect, test } from 'vitest';
import { inside, isImpossible, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('networks.link_local_ips'), () => {
  test('are further addresses of the interface', async () => {
    const { lines } = await inside(
      'networks:\n  front: { link_local_ips: [169.254.8.8, "fe80::88"] }',
      "ip addr show eth0 | awk '/inet/ {print $2}' | grep -E '^(169|fe80)'",
      { top: 'networks: { front: { enable_ipv6: true } }\n' },
    );
    expect(lines).toEqual(expect.arrayContaining(['169.254.8.8/16', 'fe80::88/64']));
  });
});
