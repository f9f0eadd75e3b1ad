// The line protocol of a shim (shim.h): requests, their answers, and status lines in between.
import type { Socket } from 'node:net';
import { ComposeError } from '../errors.ts';
import { decodeStatus, type LaunchFailure, type Status } from './status.ts';

/** A request that the shim refused. */
export class RefusedRequest extends Error {
  readonly failure: LaunchFailure;

  constructor(request: string, failure: LaunchFailure) {
    super(`the shim answered "${request}" with errno ${failure.errno} of ${failure.step} ${failure.path}`);
    this.name = 'RefusedRequest';
    this.failure = failure;
  }
}

interface Pending {
  readonly request: string;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/** One connection: answers come in the order of requests. */
export class Connection {
  readonly #socket: Socket;
  readonly #pending: Pending[] = [];
  readonly #listeners = new Set<(status: Status) => void>();
  #buffer: Buffer = Buffer.alloc(0);
  #onData: (bytes: Buffer) => void;
  #last: Status | undefined;
  readonly #ended: Promise<void>;
  #isOver = false;

  constructor(socket: Socket) {
    this.#socket = socket;
    this.#onData = (bytes) => this.#takeLines(bytes);
    socket.on('data', (bytes: Buffer) => this.#onData(bytes));
    this.#ended = new Promise((resolve) => {
      const over = () => {
        this.#isOver = true;
        for (const { request, reject } of this.#pending.splice(0)) reject(goneError(request));
        resolve();
      };
      socket.on('close', over);
      socket.on('error', over);
      socket.on('end', over);
    });
  }

  /** Resolves when the shim has closed its side, however that happened. */
  get ended(): Promise<void> {
    return this.#ended;
  }

  /** The last status line that came. */
  get status(): Status | undefined {
    return this.#last;
  }

  get socket(): Socket {
    return this.#socket;
  }

  /** Rejects with RefusedRequest, or ComposeError `container-state` when the shim is gone. */
  request(line: string): Promise<void> {
    if (this.#isOver) return Promise.reject(goneError(line));
    return new Promise((resolve, reject) => {
      this.#pending.push({ request: line, resolve, reject });
      this.#socket.write(`${line}\n`);
    });
  }

  /** Calls back at each status line; returns what ends that. */
  onStatus(listener: (status: Status) => void): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** From now on bytes go to `onData`, first those that already came. */
  takeOver(onData: (bytes: Buffer) => void): void {
    const rest = this.#buffer;
    this.#buffer = Buffer.alloc(0);
    this.#onData = onData;
    if (rest.length > 0) onData(rest);
  }

  close(): void {
    this.#socket.destroy();
  }

  #takeLines(bytes: Buffer): void {
    this.#buffer = this.#buffer.length === 0 ? bytes : Buffer.concat([this.#buffer, bytes]);
    for (let end = this.#buffer.indexOf(10); end >= 0; end = this.#buffer.indexOf(10)) {
      const line = this.#buffer.toString('utf8', 0, end);
      this.#buffer = this.#buffer.subarray(end + 1);
      this.#takeLine(line);
    }
  }

  #takeLine(line: string): void {
    if (line.startsWith('status ')) {
      this.#takeStatus(line.slice('status '.length));
      return;
    }
    const pending = this.#pending.shift();
    if (line === 'ok') pending?.resolve();
    else pending?.reject(new RefusedRequest(pending.request, parseError(line)));
  }

  #takeStatus(json: string): void {
    const status = decodeStatus(JSON.parse(json));
    this.#last = status;
    for (const listener of [...this.#listeners]) listener(status);
  }
}

// `error ERRNO\tSTEP\tPATH`
function parseError(line: string): LaunchFailure {
  const [errno = '0', step = '', path = ''] = line.replace(/^error /, '').split('\t');
  return { errno: Number(errno), step, path, message: '' };
}

function goneError(request: string): ComposeError {
  const [verb = request] = request.split(' ');
  return new ComposeError('container-state', `the container ended before it answered "${verb}"`);
}
