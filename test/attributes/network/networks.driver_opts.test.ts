// networks.driver_opts of a service
import { describe, expect, test } from 'vitest';
import { inside, isImpossible, titled } from '../inside.ts';

const sysctls = (list: string) =>
  `networks:\n  front:\n    driver_opts: { com.docker.network.endpoint.sysctls: "${list}" }`;
const top = 'networks: { front: }\n';

describe.skipIf(isImpossible)(titled('networks.driver_opts'), () => {
  test('endpoint.sysctls are settings of the interface, by whatever name it has', async () => {
    const { lines } = await inside(
      `${sysctls('net.ipv4.conf.IFNAME.log_martians=1,net.ipv4.neigh.IFNAME.gc_stale_time=77')}\n    interface_name: lan0`,
      'cat /proc/sys/net/ipv4/conf/lan0/log_martians /proc/sys/net/ipv4/neigh/lan0/gc_stale_time',
      { top },
    );
    expect(lines).toEqual(['1', '77']);
  });

  test('that are no settings of an interface are refused', async () => {
    const { code, stderr } = await inside(sysctls('kernel.hostname=x'), 'true', { top, mayFail: true });
    expect(code).not.toBe(0);
    expect(stderr).toContain('"kernel.hostname=x", which is no setting of an interface');
  });

  test('that nobody knows are warned about', async () => {
    const { warnings } = await inside('networks:\n  front:\n    driver_opts: { foo: bar }', 'true', { top });
    expect(warnings.filter((line) => line.includes('driver_opts'))).toEqual([
      expect.stringMatching(/networks\.front\.driver_opts\.foo: .*\(compose\.yaml:\d+\)$/),
    ]);
  });
});
