// The terminal or pipes of this process joined to a container's: input, output, size, signals, a way to leave.
import { constants } from 'node:os';
import type { Attachment } from '../containers/attach.ts';
import { connect } from '../containers/control.ts';
import type { ContainerRecord } from '../containers/record.ts';
import { ComposeError } from '../errors.ts';
import type { Context } from '../state/context.ts';
import type { CliContext } from './command.ts';
import { keyFilter } from './detach-keys.ts';

export interface RelayOptions {
  /** The container has a terminal: ours is raw and its size is passed on. */
  readonly tty: boolean;
  readonly stdin: boolean;
  /** Bytes that end the relay and leave the container alone; empty: none. */
  readonly detachKeys: Uint8Array;
  /** Pass signals on. */
  readonly signals: boolean;
}

/** How a relay ended: the container's exit code when it is known. */
export type RelayEnd =
  | { readonly kind: 'ended'; readonly exitCode: number | undefined }
  | { readonly kind: 'detached' }
  /** By a signal that was not for the container. */
  | { readonly kind: 'interrupted' };

/** Relays until the container ends or the keys to leave are pressed. */
export async function relay(
  context: CliContext,
  {
    state,
    record,
    attachment,
  }: { readonly state: Context; readonly record: ContainerRecord; readonly attachment: Attachment },
  options: RelayOptions,
): Promise<RelayEnd> {
  attachment.onOutput((stream, bytes) => (stream === 'stdout' ? context.out(bytes) : context.err(bytes)));
  const restore = options.tty ? useTerminal(context, attachment, options.stdin) : () => undefined;
  if (options.signals) passSignals(context, state, record);
  const detached = options.stdin
    ? passInput(attachment, options.detachKeys)
    : new Promise<never>(() => undefined);
  try {
    return await Promise.race([
      attachment.ended.then((exitCode): RelayEnd => ({ kind: 'ended', exitCode })),
      detached.then((): RelayEnd => ({ kind: 'detached' })),
      ...(options.signals ? [] : [aborted(context.signal).then((): RelayEnd => ({ kind: 'interrupted' }))]),
    ]);
  } finally {
    restore();
    attachment.close();
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}

/** The size of the window, and raw mode for who types; returns what puts the terminal back. */
function useTerminal(context: CliContext, attachment: Attachment, stdin: boolean): () => void {
  const resize = () => attachment.resize(process.stdout.rows || 24, process.stdout.columns || 80);
  if (context.isTerminal('stdout')) {
    resize();
    process.stdout.on('resize', resize);
  }
  if (!stdin || !context.isTerminal('stdin')) return () => undefined;
  process.stdin.setRawMode(true);
  return () => {
    process.stdin.setRawMode(false);
  };
}

/** Resolves when the keys to leave were pressed. */
function passInput(attachment: Attachment, detachKeys: Uint8Array): Promise<void> {
  return new Promise((resolve) => {
    const filter = keyFilter(detachKeys);
    process.stdin.on('data', (typed: Buffer) => {
      const { bytes, detached } = filter(typed);
      process.stdin.pause();
      void attachment.write(bytes).then(() => (detached ? resolve() : process.stdin.resume()));
    });
    process.stdin.on('end', () => attachment.endInput());
    process.stdin.on('error', () => attachment.endInput());
  });
}

/** The first signal goes to the container as it is; who insists kills it. */
function passSignals(context: CliContext, state: Context, record: ContainerRecord): void {
  const { signal, insistence } = context;
  const pass = (name: unknown) => {
    const number = constants.signals[name === 'SIGTERM' || name === 'SIGHUP' ? name : 'SIGINT'];
    void sendSignal(state, record, number);
  };
  if (signal.aborted) pass(signal.reason);
  else signal.addEventListener('abort', () => pass(signal.reason), { once: true });
  insistence.addEventListener('abort', () => void sendSignal(state, record, constants.signals.SIGKILL), {
    once: true,
  });
}

/** Sends a signal to a container; one that has ended meanwhile is fine. */
async function sendSignal(state: Context, { id }: ContainerRecord, number: number): Promise<void> {
  try {
    const control = await connect(state, id);
    await control.kill(number);
    control.close();
  } catch (error) {
    if (!(error instanceof ComposeError)) throw error;
  }
}
