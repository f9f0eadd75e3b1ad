// As much of a Redis client as the app needs: commands, one after the other, on one connection.
import { connect } from 'node:net';

/** A function that sends a command and resolves with its answer. */
export async function connectRedis({ host, port }) {
  const socket = connect({ host, port });
  await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
  socket.on('close', () => process.exit(1)); // whoever restarts us connects again
  const waiting = [];
  let received = Buffer.alloc(0);
  socket.on('data', (chunk) => {
    received = Buffer.concat([received, chunk]);
    for (let reply = parse(received); reply !== undefined; reply = parse(received)) {
      received = received.subarray(reply.length);
      const { resolve, reject } = waiting.shift();
      if (reply.error) reject(new Error(reply.error));
      else resolve(reply.value);
    }
  });
  return (...words) =>
    new Promise((resolve, reject) => {
      waiting.push({ resolve, reject });
      const parts = words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`);
      socket.write(`*${words.length}\r\n${parts.join('')}`);
    });
}

/** The first reply in the bytes, with its length; undefined while it is not all there. */
function parse(bytes) {
  const end = bytes.indexOf('\r\n');
  if (end < 0) return undefined;
  const line = bytes.toString('utf8', 1, end);
  const length = end + 2;
  switch (String.fromCharCode(bytes[0])) {
    case '-':
      return { error: line, length };
    case '$': {
      if (line === '-1') return { value: null, length };
      const stop = length + Number(line);
      return bytes.length < stop + 2
        ? undefined
        : { value: bytes.toString('utf8', length, stop), length: stop + 2 };
    }
    default:
      return { value: line, length };
  }
}
