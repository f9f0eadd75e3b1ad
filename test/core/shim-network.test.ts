// Names and ports: the hosts file and the name server made from the tables, and relays from sockets of the host.
import { createSocket, type Socket as Datagrams } from 'node:dgram';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { openCore } from '../../core/index.ts';
import { step } from '../../src/containers/steps.ts';
import { eventually } from '../support/eventually.ts';
import { isRoot } from '../support/machine.ts';
import { Container, ID } from './support/container.ts';

const scratch = mkdtempSync(join(tmpdir(), 'tscompose-shim-network-'));
afterAll(() => rmSync(scratch, { recursive: true }));

const IPPROTO_TCP = 6;
const IPPROTO_UDP = 17;

const table = join(scratch, 'network/names');
const OTHERS = 'other 10.9.0.3 db p-db-1\nother2 10.9.0.4 db p-db-2\nother2 fd00::4 db\n';

function replaceTable(text: string): void {
  writeFileSync(`${table}.new`, text);
  renameSync(`${table}.new`, table);
  utimesSync(table, new Date(), new Date());
}

/** A resolver in C's own words: getent asks the files, this asks the server. */
const ASK = `
const { Resolver } = require('node:dns').promises;
const dns = new Resolver({ timeout: 5000, tries: 1 });
dns.setServers(['127.0.0.11']);
(async () => {
  for (const [kind, name] of JSON.parse(process.env.QUESTIONS)) {
    const answer = await dns.resolve(name, kind).catch((error) => error.code);
    console.log(JSON.stringify(Array.isArray(answer) ? answer.sort() : answer));
  }
})();`;

describe.skipIf(!isRoot)('names (needs root)', () => {
  let container: Container | undefined;
  beforeAll(() => mkdirSync(join(scratch, 'network')));
  afterEach(async () => {
    await container?.remove();
    container = undefined;
  });

  const hosts = () => readFileSync(join(scratch, 'hosts'), 'utf8');
  const own = `${ID} 10.9.0.2 web p-web-1\n`;

  it('are in the hosts file, follow the tables in place, and are withdrawn at the end', async () => {
    replaceTable(own + OTHERS);
    container = new Container(
      [
        'sh',
        '-c',
        'cat /etc/hosts; while ! grep -q late /etc/hosts; do sleep 0.01; done; grep late /etc/hosts',
      ],
      {
        mounts: [step('BIND', join(scratch, 'hosts'), '', '/etc/hosts', 0, 0, 8)],
        steps: [
          step('HOSTS', join(scratch, 'hosts'), '127.0.0.1\tlocalhost\n', table),
          step('LINK', 'db', 'database'),
        ],
      },
    );
    await container.start();
    const first =
      '127.0.0.1\tlocalhost\n10.9.0.2\tbox web p-web-1\n10.9.0.3\tdb database p-db-1\n10.9.0.4\tdb database p-db-2\nfd00::4\tdb database\n';
    await eventually(() => expect(container?.output()).toBe(first));
    replaceTable(`${own}${OTHERS}late 10.9.0.5 late\n`);
    expect(await container.ended()).toMatchObject({ exitCode: 0 });
    expect(container.output()).toBe(`${first}10.9.0.5\tlate\n`);
    expect(readFileSync(table, 'utf8')).toBe(`${OTHERS}late 10.9.0.5 late\n`);
  });

  it('are shorter in a hosts file that has become shorter', async () => {
    replaceTable(own + OTHERS);
    container = new Container(['sleep', '600'], {
      steps: [step('HOSTS', join(scratch, 'hosts'), '127.0.0.1 localhost\n', table)],
    });
    await container.start();
    replaceTable(own);
    expect(await container.request('names')).toBe('ok');
    expect(hosts()).toBe('127.0.0.1 localhost\n10.9.0.2\tbox web p-web-1\n');
  });

  it.each([
    ['web box', undefined, 'box web'],
    ['web BOX box.example.org', 'example.org', 'box.example.org box web'],
  ])('begin with what the container calls itself: %s', async (names, domain, expected) => {
    replaceTable(`${ID} 10.9.0.2 ${names}\nother 10.9.0.3 box\n`);
    container = new Container(['sleep', '600'], {
      steps: [
        step('HOSTS', join(scratch, 'hosts'), '', table),
        ...(domain === undefined ? [] : [step('DOMAINNAME', domain)]),
      ],
    });
    await container.start();
    expect(hosts()).toBe(`10.9.0.2\t${expected}\n10.9.0.3\tbox\n`);
  });

  it('are answered by DNS: addresses, names, nothing, and what a server of the host knows', async () => {
    replaceTable(own + OTHERS);
    const upstream = await answerAll('192.0.2.1');
    const questions = [
      ['A', 'db'],
      ['AAAA', 'db'],
      ['A', 'P-DB-2'],
      ['AAAA', 'web'],
      ['MX', 'web'],
      ['PTR', '3.0.9.10.in-addr.arpa'],
      ['A', 'elsewhere.example'],
    ];
    container = new Container([process.execPath, '-e', ASK], {
      env: [`QUESTIONS=${JSON.stringify(questions)}`],
      steps: [
        step('HOSTS', join(scratch, 'hosts'), '127.0.0.1 localhost\n', table),
        step('DNS', `127.0.0.1#${upstream.address().port}`),
      ],
    });
    await container.run();
    upstream.close();
    expect(container.output().split('\n')).toEqual([
      '["10.9.0.3","10.9.0.4"]',
      '["fd00::4"]',
      '["10.9.0.4"]',
      '"ENODATA"',
      '"ENODATA"',
      '["db"]',
      '["192.0.2.1"]',
      '',
    ]);
  });

  it('leave port 53 to a name server that the container has itself', async () => {
    replaceTable(own + OTHERS);
    const own53 = `
const server = require('node:dgram').createSocket('udp4');
server.bind(53, '0.0.0.0', () => require('node:net').createServer().listen(53, '0.0.0.0', function () {
  console.log('bound');
  this.close();
  server.close();
  ${ASK}
}));`;
    container = new Container([process.execPath, '-e', own53], {
      env: ['QUESTIONS=[["A","db"]]'],
      steps: [step('HOSTS', join(scratch, 'hosts'), '\n', table), step('DNS')],
    });
    await container.run();
    expect(container.output()).toBe('bound\n["10.9.0.3","10.9.0.4"]\n');
  });

  it('are a failure, not silence, when no server can be asked', async () => {
    replaceTable(own);
    container = new Container([process.execPath, '-e', ASK], {
      env: ['QUESTIONS=[["A","elsewhere.example"]]'],
      steps: [step('HOSTS', join(scratch, 'hosts'), '\n', table), step('DNS')],
    });
    await container.run();
    expect(container.output()).toBe('"ESERVFAIL"\n');
  });
});

/** A name server of the host that has one answer to everything. */
async function answerAll(address: string): Promise<Datagrams> {
  const server = createSocket('udp4');
  server.on('message', (query, asker) => {
    const answer = Buffer.from(query);
    answer.writeUInt16BE(0x8180, 2);
    answer.writeUInt16BE(1, 6);
    answer.writeUInt16BE(0, 10);
    const end = query.indexOf(0, 12) + 5;
    const record = Buffer.from('c00c000100010000000a0004', 'hex');
    server.send(
      Buffer.concat([answer.subarray(0, end), record, Buffer.from(address.split('.').map(Number))]),
      asker.port,
      asker.address,
    );
  });
  server.bind(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

/** In the container: gives back what it gets, then says how much it was. */
const ECHO = `
let total = 0;
require('node:net').createServer({ allowHalfOpen: true }, (socket) => {
  let count = 0;
  socket.on('data', (chunk) => { count += chunk.length; });
  socket.on('end', () => socket.end('END' + count));
  socket.pipe(socket, { end: false });
}).listen(8080, '127.0.0.1', () => console.log('ready'));
const udp = require('node:dgram').createSocket('udp4');
udp.on('message', (message, from) => udp.send('got ' + message, from.port, from.address));
udp.bind(5353, '127.0.0.1');`;

describe.skipIf(!isRoot)('published ports (needs root)', () => {
  let container: Container;
  let tcpPort: number;
  let udpPort: number;

  beforeAll(async () => {
    const core = openCore();
    const tcp = core.listen(IPPROTO_TCP, '127.0.0.1', 0);
    const udp = core.listen(IPPROTO_UDP, '', 0);
    [tcpPort, udpPort] = [tcp.port, udp.port];
    container = new Container([process.execPath, '-e', ECHO], {
      args: ['--relay', 'tcp,4,127.0.0.1,8080', '--relay', 'udp,5,127.0.0.1,5353'],
      fds: [tcp.fd, udp.fd],
    });
    core.close(tcp.fd);
    core.close(udp.fd);
    await container.start();
    await eventually(() => expect(container.output()).toBe('ready\n'));
  });
  afterAll(() => container.remove());

  async function talk(bytes: number): Promise<string> {
    const socket = connect({ port: tcpPort, host: '127.0.0.1', allowHalfOpen: true });
    let received = 0;
    let tail = '';
    socket.on('data', (chunk) => {
      received += chunk.length;
      tail = (tail + chunk.toString('latin1')).slice(-20);
    });
    socket.end(Buffer.alloc(bytes, 'x'));
    await once(socket, 'end');
    return `${received} ${tail.slice(tail.indexOf('END'))}`;
  }

  it('carry a connection both ways, each with its own end', async () => {
    expect(await talk(5_000_000)).toBe('5000010 END5000000');
  });

  it('carry many connections at once, and hold nothing afterwards', async () => {
    const all = await Promise.all(Array.from({ length: 100 }, (_, index) => talk(1000 + index)));
    expect(all).toEqual(Array.from({ length: 100 }, (_, index) => `${1007 + index} END${1000 + index}`));
  });

  it('refuse, visibly, what nobody in the container listens for', async () => {
    const core = openCore();
    const tcp = core.listen(IPPROTO_TCP, '127.0.0.1', 0);
    const idle = new Container(['sleep', '600'], { args: ['--relay', 'tcp,4,127.0.0.1,9'], fds: [tcp.fd] });
    core.close(tcp.fd);
    try {
      await idle.start();
      const socket = connect(tcp.port, '127.0.0.1');
      const [error] = (await once(socket, 'error')) as [NodeJS.ErrnoException];
      expect(error.code).toBe('ECONNRESET');
    } finally {
      await idle.remove();
    }
  });

  it('carry datagrams, and answer from the address that was asked', async () => {
    const client = createSocket('udp4');
    client.connect(udpPort, '127.0.0.9');
    await once(client, 'connect');
    client.send('hello');
    const [answer] = (await once(client, 'message')) as [Buffer];
    client.close();
    expect(answer.toString()).toBe('got hello');
  });

  it('are free again when the container has ended', async () => {
    await container.request('stop 9 0');
    await container.ended();
    const server: Server = createServer().listen(tcpPort, '127.0.0.1');
    await once(server, 'listening');
    server.close();
  });
});
