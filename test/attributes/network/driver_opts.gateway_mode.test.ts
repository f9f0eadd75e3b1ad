// driver_opts: com.docker.network.bridge.gateway_mode_ipv4 and _ipv6, inhibit_ipv4
import { describe, expect, test } from 'vitest';
import { isImpossible, scene, titled } from '../inside.ts';
import { ask, fetched, neighbours, server, translates } from './neighbours.ts';

const BRIDGE = 'com.docker.network.bridge';
const ADDRESS = "ip -4 addr show eth0 | awk '/inet/ {print $2}' | cut -d/ -f1";

/** Two services on two networks; what of `b` the service `a` reaches by its address: the port that is published, and another. */
async function reached(mode: string): Promise<readonly string[] | undefined> {
  const two = `{ driver_opts: { ${BRIDGE}.gateway_mode_ipv4: ${mode} } }`;
  await using stack = await neighbours(
    [
      server('a', 'networks: [one]'),
      server('b', 'networks: [two]\nports: ["80"]').replace('exec httpd', 'httpd -p 81 -h /tmp; exec httpd'),
    ],
    { top: `networks: { one: , two: ${two} }\n` },
  );
  if (!translates(stack)) return undefined;
  const [address = ''] = await ask(stack, 'b', ADDRESS);
  const own = (await ask(stack, 'b', 'hostname'))[0];
  const seen = [await fetched(stack, 'a', address), await fetched(stack, 'a', `${address}:81`)];
  return seen.map((text) => (text === own ? 'reached' : text));
}

describe.skipIf(isImpossible)(titled('driver_opts.gateway_mode_ipv4'), () => {
  test.each([
    ['nat', ['', '']],
    ['nat-unprotected', ['reached', 'reached']],
    ['routed', ['reached', '']],
  ])('%s: published and other ports of another network are %j', async (mode, expected) => {
    expect([expected, undefined]).toContainEqual(await reached(mode));
  });

  test('isolated: an internal network without this machine; not for one that leads out', async () => {
    const options = `driver_opts: { ${BRIDGE}.gateway_mode_ipv4: isolated }`;
    const top = `networks: { default: { internal: true, ipam: { config: [{ subnet: 10.219.77.0/24 }] }, ${options} } }\n`;
    await using stack = await neighbours([server('a', 'networks: [default]')], { top });
    expect(
      await ask(stack, 'a', 'ping -c 1 -W 1 10.219.77.1 >/dev/null 2>&1 && echo there || echo not'),
    ).toEqual(['not']);
    await using open = scene(
      `services:\n${server('a', 'networks: [default]')}networks: { default: { ${options} } }\n`,
    );
    const { code, stderr } = await open.run('up', '-d');
    expect([code > 0, /only an internal network can be isolated/.test(stderr)]).toEqual([true, true]);
    expect(stderr).toMatch(/compose\.yaml:\d+:\d+/);
  });
});
