// ports
import { createSocket } from 'node:dgram';
import { connect, createServer } from 'node:net';
import { describe, expect, test } from 'vitest';
import { eventually } from '../../support/eventually.ts';
import { freePort } from '../../support/machine.ts';
import type { Stack } from '../../support/stack.ts';
import { inside, isImpossible, serviceOf, titled } from '../inside.ts';
import { ask, fetched, neighbours, server } from './neighbours.ts';

const web = (ports: string, more = '') => server('web', `networks: [default]\nports: ${ports}\n${more}`);

/** What an HTTP server of ours answers on a port of this machine. */
function get(port: number, host = '127.0.0.1'): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ host, port });
    let text = '';
    socket.on('data', (bytes) => {
      text += bytes;
    });
    socket.on('close', () => resolve(text.split('\r\n\r\n')[1]?.trim() ?? ''));
    socket.on('error', () => undefined);
    socket.write('GET / HTTP/1.0\r\n\r\n');
  });
}

async function published(stack: Stack): Promise<readonly string[]> {
  const rows = (await stack.ps()).flatMap(({ Publishers }) => Publishers);
  return rows.map((row) => `${row.URL}:${row.PublishedPort} ${row.TargetPort}/${row.Protocol}`);
}

describe.skipIf(isImpossible)(titled('ports'), () => {
  test('reach the container from loopback, from an address of the machine and from other networks', async () => {
    const port = await freePort();
    await using stack = await neighbours([web(`["${port}:80"]`), server('other', 'networks: [away]')], {
      top: 'networks: { away: }\n',
    });
    const [name = ''] = await ask(stack, 'web', 'hostname');
    const [gateway = ''] = await ask(stack, 'web', "ip route | awk '/^default/ {print $3}'");
    expect([await get(port), await get(port, '::1'), await get(port, gateway)]).toEqual([name, name, name]);
    const [away = ''] = await ask(stack, 'other', "ip route | awk '/^default/ {print $3}'");
    expect(await fetched(stack, 'other', `${away}:${port}`)).toBe(name);
    expect(await fetched(stack, 'web', `${gateway}:${port}`)).toBe(name);
  });

  test('without a published one are any free port', async () => {
    await using stack = await neighbours([web('["80"]')]);
    const [row = ''] = await published(stack);
    expect(await get(Number(/:(\d+) 80/.exec(row)?.[1]))).toBe((await ask(stack, 'web', 'hostname'))[0]);
  });

  test('of a range are shared out over the replicas', async () => {
    const port = await freePort();
    await using stack = await neighbours([web(`["${port}-${port + 5}:80"]`, 'deploy: { replicas: 3 }')]);
    const rows = await published(stack);
    const used = [...new Set(rows.map((row) => Number(/:(\d+) 80/.exec(row)?.[1])))];
    expect(used).toHaveLength(3);
    const answers = await Promise.all(used.map((one) => get(one)));
    expect(new Set(answers)).toEqual(new Set((await stack.ps()).map(({ ID }) => ID.slice(0, 12))));
  });

  test('with host_ip are there alone', async () => {
    const port = await freePort();
    await using stack = await neighbours([web(`["127.0.0.1:${port}:80"]`)]);
    const [gateway = ''] = await ask(stack, 'web', "ip route | awk '/^default/ {print $3}'");
    expect(await get(port)).not.toBe('');
    expect(await get(port, gateway)).toBe('');
  });

  test('in IPv6, in the long form', async () => {
    const port = await freePort();
    await using stack = await neighbours([
      web(
        `[{ target: 80, published: "${port}", host_ip: "::1", protocol: tcp, name: http, app_protocol: http, mode: host }]`,
      ),
    ]);
    expect([await get(port, '::1'), await get(port)]).toEqual([(await ask(stack, 'web', 'hostname'))[0], '']);
  });

  test('udp answers from where it was asked', async () => {
    const port = await freePort();
    const program = `const s = require('dgram').createSocket('udp4'); s.on('message', (m, from) => s.send('answer', from.port, from.address)); s.bind(5300)`;
    await using stack = await neighbours([
      serviceOf(
        `image: host\ninit: true\nnetworks: [default]\nports: ["${port}:5300/udp"]\ncommand: ${JSON.stringify([process.execPath, '-e', program])}`,
        '',
        'web',
      ),
    ]);
    const [gateway = ''] = await ask(stack, 'web', "ip route | awk '/^default/ {print $3}'");
    const socket = createSocket('udp4');
    const answers: string[] = [];
    // A connected socket takes answers from the address that was asked only.
    socket.on('message', (bytes) => answers.push(String(bytes)));
    socket.on('error', () => undefined);
    await new Promise<void>((done) => socket.connect(port, gateway, done));
    await eventually(() => {
      socket.send('question');
      expect(answers).toContain('answer');
    });
    socket.close();
  });

  test('that somebody has are a conflict before anything starts', async () => {
    const server = createServer();
    await new Promise<void>((done) => server.listen(0, done));
    const address = server.address();
    const port = typeof address === 'object' ? address?.port : 0;
    const { code, stderr } = await inside(`networks: [default]\nports: ["${port}:80"]`, 'true', {
      mayFail: true,
    });
    await new Promise((done) => server.close(done));
    expect(code).not.toBe(0);
    expect(stderr).toMatch(new RegExp(`port ${port}/tcp is in use by .* \\(pid ${process.pid}\\)`));
    expect(stderr).toMatch(/compose\.yaml:\d+/);
    expect(stderr).not.toContain('Starting');
  });

  test('sctp: published, or one clear error where the kernel has none', async () => {
    const port = await freePort();
    const seen = await inside(`networks: [default]\nports: ["${port}:80/sctp"]`, 'true', { mayFail: true });
    if (seen.code === 0) return;
    expect(seen.stderr).toMatch(/the kernel does not know sctp/);
    expect(seen.stderr).toMatch(/compose\.yaml:\d+/);
  });
});
