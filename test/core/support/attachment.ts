// A client of the control socket after `attach`: frames in both directions.
import { once } from 'node:events';
import type { Socket } from 'node:net';
import type { Container } from './container.ts';

const FRAME = { input: 0, output: 1, error: 2, resize: 3, end: 4, exit: 5 } as const;
const HEADER_BYTES = 8;

export class Attachment {
  readonly #socket: Socket;
  #pending: Buffer = Buffer.alloc(0);
  output = '';
  errors = '';
  /** Of the process; rejected when the connection ends before it was told. */
  readonly exitCode: Promise<number>;

  constructor(socket: Socket) {
    this.#socket = socket;
    this.exitCode = new Promise((resolve, reject) => {
      socket.on('data', (chunk) => this.#take(chunk, resolve));
      socket.on('close', () => reject(new Error('the connection ended without exit code')));
      socket.on('error', reject);
    });
    this.exitCode.catch(() => {});
  }

  #take(chunk: Buffer, exited: (code: number) => void): void {
    this.#pending = Buffer.concat([this.#pending, chunk]);
    while (this.#pending.length >= HEADER_BYTES) {
      const length = this.#pending.readUInt32BE(4);
      if (this.#pending.length < HEADER_BYTES + length) return;
      const body = this.#pending.subarray(HEADER_BYTES, HEADER_BYTES + length);
      const type = this.#pending[0];
      if (type === FRAME.output) this.output += body.toString();
      if (type === FRAME.error) this.errors += body.toString();
      if (type === FRAME.exit) exited(body.readUInt32BE(0));
      this.#pending = this.#pending.subarray(HEADER_BYTES + length);
    }
  }

  #send(type: number, body: Buffer): void {
    const header = Buffer.alloc(HEADER_BYTES);
    header[0] = type;
    header.writeUInt32BE(body.length, 4);
    this.#socket.write(Buffer.concat([header, body]));
  }

  input(text: string): void {
    this.#send(FRAME.input, Buffer.from(text));
  }

  end(): void {
    this.#send(FRAME.end, Buffer.alloc(0));
  }

  resize(rows: number, columns: number): void {
    const body = Buffer.alloc(4);
    body.writeUInt16BE(rows, 0);
    body.writeUInt16BE(columns, 2);
    this.#send(FRAME.resize, body);
  }

  pause(): void {
    this.#socket.pause();
  }

  unpause(): void {
    this.#socket.resume();
  }
}

export async function attach(container: Container, { input }: { input: boolean }): Promise<Attachment> {
  const socket = container.connect();
  socket.write(`attach ${input ? 1 : 0} 1\n`);
  const [answer] = (await once(socket, 'data')) as [Buffer];
  if (answer.toString() !== 'ok\n') throw new Error(`attach: ${answer.toString()}`);
  return new Attachment(socket);
}
