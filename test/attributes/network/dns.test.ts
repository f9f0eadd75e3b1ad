// dns
import { createSocket } from 'node:dgram';
import { describe, expect, test } from 'vitest';
import { inside, isImpossible, titled } from '../inside.ts';

/** Answers every question with no such name; says what was asked. */
async function nameServer(): Promise<{ readonly asked: string[]; readonly address: string; close(): void }> {
  const asked: string[] = [];
  const socket = createSocket('udp4');
  socket.on('message', (bytes, from) => {
    const labels: string[] = [];
    for (let at = 12; bytes[at]; at += (bytes[at] ?? 0) + 1)
      labels.push(bytes.subarray(at + 1, at + 1 + (bytes[at] ?? 0)).toString());
    asked.push(labels.join('.'));
    const answer = Buffer.from(bytes);
    answer.writeUInt16BE(0x8183, 2);
    socket.send(answer, from.port, from.address);
  });
  const address = '127.0.77.53';
  await new Promise<void>((done) => socket.bind(53, address, done));
  return { asked, address, close: () => socket.close() };
}

describe.skipIf(isImpossible)(titled('dns'), () => {
  test('are the servers that are asked for names that are none of ours, from the host’s network', async () => {
    const server = await nameServer();
    const { lines } = await inside(
      `networks: [default]\ndns: ${server.address}`,
      'cat /etc/resolv.conf; nslookup -type=a what.example.org. >/dev/null; nslookup -type=a app >/dev/null',
    );
    server.close();
    expect(lines).toContain('nameserver 127.0.0.11');
    expect(server.asked).toContain('what.example.org');
    expect(server.asked.filter((name) => name === 'app')).toEqual([]);
  });

  test('are in resolv.conf themselves on the host’s network', async () => {
    const { lines } = await inside(
      'network_mode: host\ndns: [192.0.2.53, "2001:db8::53"]',
      'grep nameserver /etc/resolv.conf',
    );
    expect(lines).toEqual(['nameserver 192.0.2.53', 'nameserver 2001:db8::53']);
  });
});
