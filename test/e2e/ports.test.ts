// Published ports: every way to write one, reached from every place there is.
import { spawnSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { createConnection } from 'node:net';
import { networkInterfaces } from 'node:os';
import { describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { freePort, isRoot, needing, nodeForContainers } from '../support/machine.ts';
import { Stack } from '../support/stack.ts';

/** Answers `NAME` to whatever comes on port 80, by TCP and UDP. */
const SERVER = `
const answer = Buffer.from(process.env.NAME);
require('net').createServer((socket) => socket.on('error', () => {}).end(answer)).listen(80);
const udp = require('dgram').createSocket('udp4');
udp.on('message', (_, from) => udp.send(answer, from.port, from.address)).bind(80);
`;

/** `ask(PROTOCOL, HOST, PORT)` prints what it was answered. */
const CLIENT = `
const [protocol, host, port] = process.argv.slice(1);
const timer = setTimeout(() => process.exit(1), 2000);
const say = (bytes) => { process.stdout.write(bytes); clearTimeout(timer); process.exit(0); };
if (protocol === 'tcp') require('net').connect(+port, host).on('data', say).on('error', () => process.exit(1));
else { const udp = require('dgram').createSocket('udp4'); udp.on('message', say).send('?', +port, host); }
`;

const LONG_MS = 180_000;
const node = nodeForContainers().NODE ?? process.execPath;
/** An address of this machine that is not loopback. */
const other = Object.values(networkInterfaces())
  .flat()
  .find((address) => address?.family === 'IPv4' && !address.internal)?.address;

const compose = (base: number) => `
x-server: &server
  image: host
  command: ["${node}", "-e", ${JSON.stringify(SERVER.replaceAll('$', '$$$$'))}]
  stop_grace_period: 0s
services:
  plain: { <<: *server, environment: { NAME: plain }, ports: ["${base}:80", "${base}:80/udp"] }
  bound: { <<: *server, environment: { NAME: bound }, ports: ["127.0.0.1:${base + 1}:80", "127.0.0.1:${base + 1}:80/udp"] }
  range: { <<: *server, environment: { NAME: range }, ports: ["${base + 2}-${base + 3}:80"], scale: 2 }
  any: { <<: *server, environment: { NAME: any }, ports: ["80", "80/udp"] }
  other: { image: host, init: true, command: ["sleep", "infinity"] }
`;

function overTcp(host: string, port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(port, host);
    socket.setTimeout(2_000, () => socket.destroy(new Error('no answer')));
    socket.on('error', reject).on('data', (bytes) => {
      socket.destroy();
      resolve(bytes.toString());
    });
  });
}

function overUdp(host: string, port: number): Promise<string> {
  const socket = createSocket('udp4');
  return new Promise<string>((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('no answer')), 2_000);
    socket.on('error', reject).on('message', (bytes) => {
      clearTimeout(timer);
      resolve(bytes.toString());
    });
    socket.send('?', port, host);
  }).finally(() => socket.close());
}

const ASK = { tcp: overTcp, udp: overUdp } as const;
type Protocol = keyof typeof ASK;

describe.skipIf(!isRoot)(needing('a published port', { root: isRoot }), () => {
  it(
    'answers on 127.0.0.1, on the other addresses of the machine, and to containers, itself among them',
    async () => {
      const base = await freePorts();
      await using stack = new Stack({ compose: compose(base) });
      await stack.ok('up', '-d');
      const free = async (protocol: Protocol) =>
        Number((await stack.ok('port', '--protocol', protocol, 'any', '80')).trim().split(':').at(-1));
      const open: readonly (readonly [string, Protocol, number])[] = [
        ['plain', 'tcp', base],
        ['plain', 'udp', base],
        ['range', 'tcp', base + 2],
        ['range', 'tcp', base + 3],
        ['any', 'tcp', await free('tcp')],
        ['any', 'udp', await free('udp')],
      ];
      const local: typeof open = [
        ['bound', 'tcp', base + 1],
        ['bound', 'udp', base + 1],
      ];
      const hosts = ['127.0.0.1', ...(other === undefined ? [] : [other])];
      for (const [name, protocol, port] of open) {
        for (const host of hosts) {
          const what = `${name} ${protocol} ${host}:${port}`;
          expect(await eventually(() => ASK[protocol](host, port)), what).toBe(name);
        }
        if (other === undefined) continue;
        for (const from of ['other', name]) {
          const said = await stack.run('exec', '-T', from, node, '-e', CLIENT, protocol, other, String(port));
          expect(said, `${name} ${protocol} from ${from}`).toMatchObject({ code: 0, stdout: name });
        }
      }
      for (const [name, protocol, port] of local) {
        expect(await eventually(() => ASK[protocol]('127.0.0.1', port))).toBe(name);
        if (other !== undefined) await expect(ASK[protocol](other, port)).rejects.toThrow();
      }
      await stack.ok('down');
      for (const [, protocol, port] of [...open, ...local]) {
        await expect(ASK[protocol]('127.0.0.1', port), `${protocol} ${port} after down`).rejects.toThrow();
      }
    },
    LONG_MS,
  );

  it('goes on to answer when its container is restarted, made anew, or was killed', async () => {
    const port = await freePort();
    const server = `image: host, command: ["${node}", "-e", ${JSON.stringify(SERVER)}], environment: { NAME: it }`;
    await using stack = new Stack({
      compose: `services:\n  it: { ${server}, stop_grace_period: 0s, ports: ["127.0.0.1:${port}:80"] }\n`,
    });
    const steps = [['up', '-d'], ['restart'], ['up', '-d', '--force-recreate'], ['kill'], ['start']];
    for (const step of steps) {
      await stack.ok(...step);
      if (step[0] === 'kill') await expect(overTcp('127.0.0.1', port)).rejects.toThrow();
      else expect(await eventually(() => overTcp('127.0.0.1', port)), step.join(' ')).toBe('it');
    }
  });

  it('cannot be had by two replicas, which is said before anything starts', async () => {
    const port = await freePort();
    await using stack = new Stack({
      compose: `services:\n  web: { image: host, init: true, command: [sleep, infinity], ports: ["${port}:80"] }\n`,
    });
    const cannot = /compose\.yaml:2:\d+[\s\S]*hint: publish a range of ports/;
    const { code, stderr } = await stack.run('up', '-d', '--scale', 'web=2');
    expect(code).toBe(1);
    expect(stderr).toMatch(cannot);
    expect(await stack.ps()).toEqual([]);
    await stack.ok('up', '-d');
    for (const more of [['scale'], ['scale', '--no-deps']]) {
      const { stderr: said } = await stack.run(...more, 'web=3');
      expect(said).toMatch(cannot);
      expect(await stack.ps()).toMatchObject([{ State: 'running' }]);
    }
  });
});

/** The first of four ports in a row that nobody has. */
async function freePorts(): Promise<number> {
  for (;;) {
    const first = await freePort();
    const taken = spawnSync('sh', ['-c', 'cat /proc/net/tcp /proc/net/udp'], { encoding: 'utf8' }).stdout;
    const hex = (port: number) => `:${port.toString(16).toUpperCase().padStart(4, '0')} `;
    if (first < 65_000 && [0, 1, 2, 3].every((more) => !taken.includes(hex(first + more)))) return first;
  }
}
