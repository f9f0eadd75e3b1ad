// enable_ipv6 and enable_ipv4
import { describe, expect, test } from 'vitest';
import { inside, isImpossible, titled } from '../inside.ts';

const ADDRESSES = "ip addr show eth0 | awk '/inet/ {print $2}' | grep -v ^fe80";
const network = (settings: string) => ({ top: `networks:\n  default: { ${settings} }\n` });

describe.skipIf(isImpossible)(titled('enable_ipv6'), () => {
  test('without a subnet gives a unique local one', async () => {
    const { lines } = await inside('networks: [default]', ADDRESSES, network('enable_ipv6: true'));
    expect(lines).toEqual([
      expect.stringMatching(/^10\..*\/2\d$/),
      expect.stringMatching(/^fd[0-9a-f]{2}:.*\/64$/),
    ]);
  });

  test('is off unless it is asked for', async () => {
    const { lines } = await inside('networks: [default]', 'ip -6 addr show eth0 | grep -c inet6', {
      mayFail: true,
    });
    expect(lines).toEqual(['0']);
  });
});

describe.skipIf(isImpossible)(titled('enable_ipv4'), () => {
  test('false leaves IPv6 alone', async () => {
    const { lines } = await inside(
      'networks: [default]',
      `${ADDRESSES}; ip -6 route | grep -c ^default`,
      network('enable_ipv4: false, enable_ipv6: true'),
    );
    expect(lines).toEqual([expect.stringMatching(/^fd[0-9a-f]{2}:/), '1']);
  });
});
