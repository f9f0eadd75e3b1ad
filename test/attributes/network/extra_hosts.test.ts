// extra_hosts
import { describe, expect, test } from 'vitest';
import { inside, isImpossible, titled } from '../inside.ts';

describe.skipIf(isImpossible)(titled('extra_hosts'), () => {
  test('are lines of /etc/hosts, several addresses for a name too', async () => {
    const hosts = ['a=192.0.2.1', 'a=192.0.2.2', 'b:192.0.2.3', 'c=[2001:db8::1]', 'd=::1'];
    const { lines } = await inside(
      `networks: [default]\nextra_hosts: ${JSON.stringify(hosts)}`,
      "grep -E '\\s[abcd]$' /etc/hosts | tr '\\t' ' '",
    );
    expect(lines).toEqual(['192.0.2.1 a', '192.0.2.2 a', '192.0.2.3 b', '2001:db8::1 c', '::1 d']);
  });

  test('host-gateway is the machine, in both families', async () => {
    const { lines } = await inside(
      'networks: [default]\nextra_hosts: ["machine=host-gateway"]',
      "grep machine /etc/hosts | cut -f1; ip route | awk '/^default/ {print $3}'; ip -6 route | awk '/^default/ {print $3}'",
      { top: 'networks: { default: { enable_ipv6: true } }\n' },
    );
    expect(lines).toHaveLength(4);
    expect(lines.slice(0, 2)).toEqual(lines.slice(2));
  });

  test('host-gateway without a network that leads to the machine is refused', async () => {
    const { code, stderr } = await inside(
      'network_mode: none\nextra_hosts: ["machine=host-gateway"]',
      'true',
      { mayFail: true },
    );
    expect(code).not.toBe(0);
    expect(stderr).toContain('no network leads to the host');
  });
});
