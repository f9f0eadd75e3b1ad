// Speaking with the shim of a running container: one line a request (shim.h).
import type { Status } from './status.ts';

/** A connection to a shim. Every request fails with ComposeError `launch-step` or `system` naming step and path. */
export interface Control {
  /** Opens the gate of a created container. */
  start(): Promise<void>;
  /** No restart any more; signal, then SIGKILL after the grace. Resolves when the container has stopped. */
  stop(options?: { readonly signal?: number; readonly graceMs?: number }): Promise<void>;
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
  netfilter(batch: Uint8Array): Promise<void>;
  ping(): Promise<void>;
  /** Turns the connection into a framed stream; no request can follow. */
  attach(options: { readonly stdin: boolean; readonly logs: boolean }): Promise<Attachment>;
  close(): void;
}

export type OutputStream = 'stdout' | 'stderr';

/** Standard streams of a container's process. */
export interface Attachment {
  /** Resolves with the exit code; undefined when the connection ended before it was known. */
  readonly ended: Promise<number | undefined>;
  onOutput(listener: (stream: OutputStream, bytes: Uint8Array) => void): void;
  write(bytes: Uint8Array): Promise<void>;
  endInput(): void;
  resize(rows: number, columns: number): void;
  close(): void;
}
