// The framed stream of an attached container: its output, its input, its exit code (shim.h).
import type { Connection } from './connection.ts';

export type OutputStream = 'stdout' | 'stderr';

/** Standard streams of a container's process. */
export interface Attachment {
  /** Resolves with the exit code; undefined when the connection ended before it was known. */
  readonly ended: Promise<number | undefined>;
  /** Output that came before the first listener waits for it. */
  onOutput(listener: (stream: OutputStream, bytes: Uint8Array) => void): void;
  /** Called at the end of each run, of which one that stays sees several. */
  onExit(listener: () => void): void;
  /** Resolves when more can be written. */
  write(bytes: Uint8Array): Promise<void>;
  endInput(): void;
  resize(rows: number, columns: number): void;
  /** Lets a fast container wait until `resume`. */
  pause(): void;
  resume(): void;
  close(): void;
}

const FRAME = { input: 0, output: 1, error: 2, resize: 3, end: 4, exit: 5 } as const;
const HEADER_BYTES = 8;

/** Takes over a connection on which `attach` was answered. */
export function attachTo(connection: Connection): Attachment {
  const waiting: [OutputStream, Uint8Array][] = [];
  let listener: ((stream: OutputStream, bytes: Uint8Array) => void) | undefined;
  let exitCode: number | undefined;
  let exited = (): void => undefined;
  const take = (type: number, payload: Buffer) => {
    if (type === FRAME.exit) {
      exitCode = payload.readInt32BE(0);
      exited();
    }
    if (type !== FRAME.output && type !== FRAME.error) return;
    const stream = type === FRAME.output ? 'stdout' : 'stderr';
    if (listener) listener(stream, payload);
    else waiting.push([stream, payload]);
  };
  connection.takeOver(frameReader(take));
  const send = (type: number, payload: Uint8Array) => connection.socket.write(frame(type, payload));
  return {
    ended: connection.ended.then(() => exitCode),
    onOutput(next) {
      listener = next;
      for (const [stream, bytes] of waiting.splice(0)) next(stream, bytes);
    },
    onExit(next) {
      exited = next;
    },
    write: (bytes) =>
      new Promise((resolve) => {
        if (send(FRAME.input, bytes)) resolve();
        else connection.socket.once('drain', () => resolve());
      }),
    endInput: () => void send(FRAME.end, new Uint8Array()),
    resize(rows, columns) {
      const size = Buffer.alloc(4);
      size.writeUInt16BE(rows, 0);
      size.writeUInt16BE(columns, 2);
      send(FRAME.resize, size);
    },
    pause: () => void connection.socket.pause(),
    resume: () => void connection.socket.resume(),
    close: () => connection.close(),
  };
}

function frame(type: number, payload: Uint8Array): Uint8Array {
  const header = Buffer.alloc(HEADER_BYTES);
  header.writeUInt8(type, 0);
  header.writeUInt32BE(payload.length, 4);
  return Buffer.concat([header, payload]);
}

function frameReader(take: (type: number, payload: Buffer) => void): (bytes: Buffer) => void {
  let rest: Buffer = Buffer.alloc(0);
  return (bytes) => {
    rest = rest.length === 0 ? bytes : Buffer.concat([rest, bytes]);
    while (rest.length >= HEADER_BYTES) {
      const end = HEADER_BYTES + rest.readUInt32BE(4);
      if (rest.length < end) return;
      take(rest.readUInt8(0), rest.subarray(HEADER_BYTES, end));
      rest = rest.subarray(end);
    }
  };
}
