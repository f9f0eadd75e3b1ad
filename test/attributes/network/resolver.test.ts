// The name server of every container, 127.0.0.11: what it does with names that are none of ours.
import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';
import { describe, expect, test } from 'vitest';
import { inside, isImpossible, titled } from '../inside.ts';

const MANY = Array.from({ length: 60 }, (_, index) => `192.0.2.${index + 1}`);
const TRUNCATED = 0x0200;

/** A server of the machine: `many.example.test` has more addresses than a datagram takes, `short.example.test` has one. */
function answer(query: Buffer, isDatagram: boolean): Buffer {
  const end = query.indexOf(0, 12);
  const labels: string[] = [];
  for (let at = 12; at < end; at += (query[at] ?? 0) + 1)
    labels.push(
      query
        .subarray(at + 1, at + 1 + (query[at] ?? 0))
        .toString()
        .toLowerCase(),
    );
  const name = labels.join('.');
  const isAddress = query.readUInt16BE(end + 1) === 1;
  const known = name === 'many.example.test' || name === 'short.example.test';
  const all = name === 'many.example.test' ? MANY : ['192.0.2.99'];
  const isCut = known && all.length > 1 && isDatagram;
  const addresses = known && isAddress && !isCut ? all : [];
  const header = Buffer.from(query.subarray(0, 12));
  header.writeUInt16BE(0x8180 | (known ? 0 : 3) | (isCut ? TRUNCATED : 0), 2);
  header.writeUInt16BE(addresses.length, 6);
  header.writeUInt16BE(0, 8);
  header.writeUInt16BE(0, 10);
  const records = addresses.map((address) =>
    Buffer.concat([
      Buffer.from('c00c000100010000000a0004', 'hex'),
      Buffer.from(address.split('.').map(Number)),
    ]),
  );
  return Buffer.concat([header, query.subarray(12, end + 5), ...records]);
}

async function upstream(address: string) {
  const datagrams = createSocket('udp4');
  datagrams.on('message', (query, from) => datagrams.send(answer(query, true), from.port, from.address));
  const streams = createServer((socket) => {
    socket.on('error', () => undefined);
    socket.on('data', (bytes) => {
      const reply = answer(bytes.subarray(2), false);
      const length = Buffer.alloc(2);
      length.writeUInt16BE(reply.length);
      socket.write(Buffer.concat([length, reply]));
    });
  });
  await new Promise<void>((done) => datagrams.bind(53, address, done));
  await new Promise<void>((done) => streams.listen(53, address, done));
  return {
    async [Symbol.asyncDispose]() {
      datagrams.close();
      await new Promise((done) => streams.close(done));
    },
  };
}

/** A server that takes every question and answers none. */
async function silence(address: string) {
  const asked: number[] = [];
  const socket = createSocket('udp4');
  socket.on('message', (query) => asked.push(query.length));
  await new Promise<void>((done) => socket.bind(53, address, done));
  return { asked, [Symbol.dispose]: () => socket.close() };
}

const ASK = `
const dns = require('node:dns').promises;
const resolver = new dns.Resolver({ timeout: 20000, tries: 1 });
(async () => {
  console.log((await resolver.resolve4('many.example.test')).length);
  console.log(await resolver.resolve4('missing.example.test').catch((error) => error.code));
  console.log(await resolver.resolve6('short.example.test').catch((error) => error.code));
  console.log((await dns.lookup('short', { family: 4 })).address);
})();`;

describe.skipIf(isImpossible)(titled('127.0.0.11'), () => {
  test('asks the next server when one is silent, goes on by TCP where an answer is cut, and knows the search domains', async () => {
    await using _ = await upstream('127.0.77.54');
    using silent = await silence('127.0.77.55');
    const { lines } = await inside(
      `image: host\nnetworks: [default]\ndns: [127.0.77.55, 127.0.77.54]\ndns_search: example.test\ncommand: ${JSON.stringify([process.execPath, '-e', ASK])}`,
      '',
    );
    expect(lines).toEqual(['60', 'ENOTFOUND', 'ENODATA', '192.0.2.99']);
    expect(silent.asked.length).toBeGreaterThan(0);
  });
});
