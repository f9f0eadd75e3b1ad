// Speaking with the shim of a running container over its control socket.
import { closeSync, openSync } from 'node:fs';
import { connect as connectSocket, type Socket } from 'node:net';
import { getSystemErrorMap } from 'node:util';
import { ComposeError } from '../errors.ts';
import type { Context } from '../state/context.ts';
import { containerFiles } from '../state/layout.ts';
import { type Attachment, attachTo } from './attach.ts';
import { Connection, RefusedRequest } from './connection.ts';
import type { Status } from './status.ts';

/** A connection to a shim. A request fails with ComposeError `container-state` that says what was refused. */
export interface Control {
  /** Has a shim that was held make the first process. */
  launch(): Promise<void>;
  /** Opens the gate of a created container. */
  start(): Promise<void>;
  /** No restart any more; signal, then SIGKILL after the grace. Resolves when the container has stopped. */
  stop(options?: StopOptions): Promise<void>;
  kill(signal: number): Promise<void>;
  pause(): Promise<void>;
  unpause(): Promise<void>;
  /** Calls back with the present status and at each change until aborted or the shim ends; resolves then. */
  watch(onStatus: (status: Status) => void, signal?: AbortSignal): Promise<void>;
  /** Makes the shim read the name tables now. */
  names(): Promise<void>;
  /** Runs the health check now. */
  health(): Promise<void>;
  resize(rows: number, columns: number): Promise<void>;
  /** A netlink batch that the shim sends when the container has ended. */
  netfilter(batches: readonly Uint8Array[]): Promise<void>;
  ping(): Promise<void>;
  /** Turns the connection into a framed stream; no request can follow. */
  attach(options: AttachOptions): Promise<Attachment>;
  close(): void;
}

export interface AttachOptions {
  readonly stdin: boolean;
  /** Also what the container prints. */
  readonly logs: boolean;
  /** Over restarts, until the container ends for good; only with `logs`. */
  readonly stays?: boolean;
}

/** What is absent is as the container was made. */
export interface StopOptions {
  readonly signal: number;
  readonly graceMs: number;
}

/** Connects to a container's shim; ComposeError `container-not-running` when there is none. */
export async function connect(ctx: Context, id: string): Promise<Control> {
  const files = containerFiles(ctx.layout, id);
  const socket = await openSocket(files.runDir);
  return controlOver(new Connection(socket));
}

// A socket's path has room for 107 bytes; below a descriptor of its directory any path fits.
const PATH_MAX_BYTES = 107;

async function openSocket(runDir: string): Promise<Socket> {
  const path = `${runDir}/sock`;
  if (Buffer.byteLength(path) <= PATH_MAX_BYTES) return await dial(path);
  const directory = openDirectory(runDir);
  try {
    return await dial(`/proc/self/fd/${directory}/sock`);
  } finally {
    closeSync(directory);
  }
}

function openDirectory(path: string): number {
  try {
    return openSync(path, 'r');
  } catch (cause) {
    throw notRunning(cause);
  }
}

function dial(path: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connectSocket({ path });
    const fail = (cause: Error) => reject(notRunning(cause));
    socket.once('error', fail);
    socket.once('connect', () => {
      socket.off('error', fail);
      resolve(socket);
    });
  });
}

function notRunning(cause: unknown): ComposeError {
  return new ComposeError('container-not-running', 'the container is not running', { cause });
}

/** The requests of shim.h over a connection that exists. */
export function controlOver(connection: Connection): Control {
  const request = (line: string) =>
    connection.request(line).catch((error: unknown) => Promise.reject(explain(error)));
  return {
    launch: () => request('launch'),
    start: () => request('start'),
    stop: (options) => request(options === undefined ? 'stop' : `stop ${options.signal} ${options.graceMs}`),
    kill: (signal) => request(`kill ${signal}`),
    pause: () => request('pause'),
    unpause: () => request('unpause'),
    watch: (onStatus, signal) => watch(connection, request, { onStatus, signal }),
    names: () => request('names'),
    health: () => request('health'),
    resize: (rows, columns) => request(`resize ${rows} ${columns}`),
    netfilter: (batches) =>
      request(`netfilter ${batches.map((batch) => Buffer.from(batch).toString('hex')).join(' ')}`),
    ping: () => request('ping'),
    async attach({ stdin, logs, stays }) {
      await request(`attach ${Number(stdin)} ${logs && stays ? 2 : Number(logs)}`);
      return attachTo(connection);
    },
    close: () => connection.close(),
  };
}

interface Watch {
  readonly onStatus: (status: Status) => void;
  readonly signal: AbortSignal | undefined;
}

async function watch(
  connection: Connection,
  request: (line: string) => Promise<void>,
  { onStatus, signal }: Watch,
): Promise<void> {
  const off = connection.onStatus(onStatus);
  try {
    await request('watch');
    await Promise.race([connection.ended, aborted(signal)]);
  } finally {
    off();
  }
}

function aborted(signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    if (signal === undefined) return;
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

function explain(error: unknown): unknown {
  if (!(error instanceof RefusedRequest)) return error;
  const { errno, step, path } = error.failure;
  const reason = getSystemErrorMap().get(-errno)?.[1] ?? `errno ${errno}`;
  const what = [step, path].filter(Boolean).join(' ') || 'this';
  return new ComposeError('container-state', `the container refused ${what}: ${reason}`, { cause: error });
}
