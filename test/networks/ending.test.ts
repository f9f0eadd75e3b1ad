// What the end of a container takes with it: its interfaces also when a connection was never answered, and tracked connections.
import { createSocket } from 'node:dgram';
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { openCore } from '../../core/index.ts';
import { hostInterface } from '../../src/networks/endpoint.ts';
import { removeLink } from '../../src/networks/links.ts';
import { listNetworks } from '../../src/networks/record.ts';
import type { Context } from '../../src/state/context.ts';
import { isImpossible, serviceOf, titled } from '../attributes/inside.ts';
import { ask, neighbours, server, translates } from '../attributes/network/neighbours.ts';
import { eventually } from '../support/eventually.ts';
import { freePort } from '../support/machine.ts';
import type { Stack } from '../support/stack.ts';

const context = ({ stateDir }: Stack): Context => {
  return { core: openCore(), layout: { stateDir, runDir: `${stateDir}/run` } };
};

async function hostEnd(stack: Stack, service: string): Promise<string> {
  const [container] = await stack.ps(service);
  const [network] = listNetworks(context(stack));
  return hostInterface(container?.ID ?? '', network?.id ?? '');
}

describe.skipIf(isImpossible)(titled('the end of a container'), () => {
  it('takes its interfaces along while the kernel still waits for an answer', async () => {
    const talk = 'init: true\nnetworks: [default]\ndepends_on: { listener: { condition: service_healthy } }';
    await using stack = await neighbours([
      server('listener', 'networks: [default]'),
      serviceOf(
        talk,
        'mkfifo /tmp/words; sleep 600 > /tmp/words & exec nc listener 80 < /tmp/words',
        'talker',
      ),
    ]);
    const connected = 'grep -c " 01 " /proc/net/tcp || true';
    await eventually(async () => expect(await ask(stack, 'talker', connected)).toEqual(['1']));
    const talker = await hostEnd(stack, 'talker');
    removeLink(context(stack), await hostEnd(stack, 'listener'));
    await ask(stack, 'talker', 'echo unheard > /tmp/words');
    expect(existsSync(`/sys/class/net/${talker}`)).toBe(true);
    await stack.ok('kill', 'talker');
    await eventually(() => expect(existsSync(`/sys/class/net/${talker}`)).toBe(false));
  });

  it('lets nobody talk on to a published port that is gone', async ({ skip }) => {
    const port = await freePort();
    const program = `const s = require('dgram').createSocket('udp4'); s.on('message', (m, from) => s.send('answer', from.port, from.address)); s.bind(53)`;
    await using stack = await neighbours([
      serviceOf(
        `image: host\ninit: true\nnetworks: [default]\nports: ["${port}:53/udp"]\ncommand: ${JSON.stringify([process.execPath, '-e', program])}`,
        '',
        'web',
      ),
    ]);
    skip(!translates(stack), 'the kernel has no address translation');
    const [gateway = ''] = await ask(stack, 'web', "ip route show default | cut -d' ' -f3");
    const socket = createSocket('udp4');
    const answers: string[] = [];
    socket.on('message', (bytes) => answers.push(String(bytes)));
    socket.on('error', () => undefined);
    await eventually(() => {
      socket.send('question', port, gateway);
      expect(answers).toContain('answer');
    });
    const tracked = () =>
      readFileSync('/proc/net/nf_conntrack', 'utf8')
        .split('\n')
        .filter((line) => line.includes(`dport=${port} `));
    expect(tracked().length).toBeGreaterThan(0);
    await stack.ok('kill', 'web');
    await eventually(() => expect(tracked()).toEqual([]));
    socket.close();
  });
});
