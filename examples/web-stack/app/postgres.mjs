// As much of a PostgreSQL client as the app needs: SCRAM-SHA-256, and statements with parameters, one after the other.
import { createHash, createHmac, pbkdf2Sync, randomBytes } from 'node:crypto';
import { connect } from 'node:net';

const PROTOCOL = 196608; // 3.0

/** A function that runs a statement and resolves with its rows, arrays of strings. */
export async function connectPostgres({ host, port, user, database, password }) {
  const socket = connect({ host, port });
  await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
  socket.on('close', () => process.exit(1)); // whoever restarts us connects again
  const next = messagesOf(socket);
  const startup = Buffer.from(`\0\0\0\0user\0${user}\0database\0${database}\0\0`);
  startup.writeInt32BE(PROTOCOL);
  socket.write(framed('', startup));
  await authenticate(socket, next, password);
  while ((await next()).type !== 'Z');
  let last = Promise.resolve();
  return (statement, values = []) => {
    const result = last.then(() => query(socket, next, statement, values));
    last = result.catch(() => undefined);
    return result;
  };
}

async function query(socket, next, statement, values) {
  const parameters = values.flatMap((value) => [int32(Buffer.byteLength(value)), Buffer.from(value)]);
  socket.write(
    Buffer.concat([
      framed('P', Buffer.from(`\0${statement}\0\0\0`)),
      framed('B', Buffer.concat([Buffer.from('\0\0\0\0'), int16(values.length), ...parameters, int16(0)])),
      framed('E', Buffer.from('\0\0\0\0\0')),
      framed('S', Buffer.alloc(0)),
    ]),
  );
  const rows = [];
  let failure;
  for (let message = await next(); message.type !== 'Z'; message = await next()) {
    if (message.type === 'D') rows.push(rowOf(message.body));
    if (message.type === 'E') failure = errorOf(message.body);
  }
  if (failure) throw failure;
  return rows;
}

/** RFC 5802 and 7677. */
async function authenticate(socket, next, password) {
  const nonce = randomBytes(18).toString('base64');
  const bare = `n=,r=${nonce}`;
  await expectRequest(next, 10);
  const first = Buffer.from(`n,,${bare}`);
  socket.write(framed('p', Buffer.concat([Buffer.from('SCRAM-SHA-256\0'), int32(first.length), first])));
  const challenge = (await expectRequest(next, 11)).toString();
  const { r, s, i } = Object.fromEntries(challenge.split(',').map((part) => [part[0], part.slice(2)]));
  const salted = pbkdf2Sync(password, Buffer.from(s, 'base64'), Number(i), 32, 'sha256');
  const hmac = (key, data) => createHmac('sha256', key).update(data).digest();
  const clientKey = hmac(salted, 'Client Key');
  const signed = `${bare},${challenge},c=biws,r=${r}`;
  const signature = hmac(createHash('sha256').update(clientKey).digest(), signed);
  const proof = clientKey.map((byte, index) => byte ^ signature[index]);
  socket.write(framed('p', Buffer.from(`c=biws,r=${r},p=${Buffer.from(proof).toString('base64')}`)));
  const verifier = hmac(hmac(salted, 'Server Key'), signed).toString('base64');
  if ((await expectRequest(next, 12)).toString() !== `v=${verifier}`) throw new Error('not our database');
  await expectRequest(next, 0);
}

async function expectRequest(next, code) {
  const { type, body } = await next();
  if (type === 'E') throw errorOf(body);
  if (type !== 'R' || body.readInt32BE() !== code) throw new Error('an authentication that we do not know');
  return body.subarray(4);
}

/** A function that resolves with one message after the other. */
function messagesOf(socket) {
  const iterator = (async function* () {
    let received = Buffer.alloc(0);
    for await (const chunk of socket) {
      received = Buffer.concat([received, chunk]);
      while (received.length >= 5 && received.length > received.readInt32BE(1)) {
        const length = received.readInt32BE(1) + 1;
        yield { type: String.fromCharCode(received[0]), body: received.subarray(5, length) };
        received = received.subarray(length);
      }
    }
  })();
  return async () => {
    const { value } = await iterator.next();
    if (value === undefined) throw new Error('the database hung up');
    return value;
  };
}

function rowOf(body) {
  const row = [];
  for (let at = 2; row.length < body.readInt16BE(); ) {
    const length = body.readInt32BE(at);
    row.push(length < 0 ? null : body.toString('utf8', at + 4, at + 4 + length));
    at += 4 + Math.max(0, length);
  }
  return row;
}

function errorOf(body) {
  const fields = body.toString().split('\0');
  return new Error(fields.find((field) => field.startsWith('M'))?.slice(1) ?? 'the database refused');
}

function framed(type, body) {
  return Buffer.concat([Buffer.from(type), int32(body.length + 4), body]);
}

function int32(value) {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

function int16(value) {
  const bytes = Buffer.alloc(2);
  bytes.writeInt16BE(value);
  return bytes;
}
