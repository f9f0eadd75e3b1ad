// The terminal or pipes of this process joined to a container's: input, output, size, signals, a way to leave.
import { constants } from 'node:os';
import type { Attachment } from '../containers/attach.ts';
import { connect } from '../containers/control.ts';
import type { ContainerRecord } from '../containers/record.ts';
import { ComposeError } from '../errors.ts';
import type { Context } from '../state/context.ts';
import type { CliContext } from './command.ts';

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
  | { readonly kind: 'detached' };

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
  const restore = options.tty ? useTerminal(context, attachment) : () => undefined;
  if (options.signals) passSignals(context, state, record);
  const detached = options.stdin
    ? passInput(attachment, options.detachKeys)
    : new Promise<never>(() => undefined);
  try {
    return await Promise.race([
      attachment.ended.then((exitCode): RelayEnd => ({ kind: 'ended', exitCode })),
      detached.then((): RelayEnd => ({ kind: 'detached' })),
    ]);
  } finally {
    restore();
    attachment.close();
  }
}

/** Raw mode and the size of the window; returns what puts the terminal back. */
function useTerminal(context: CliContext, attachment: Attachment): () => void {
  const resize = () => attachment.resize(process.stdout.rows || 24, process.stdout.columns || 80);
  if (context.isTerminal('stdout')) {
    resize();
    process.stdout.on('resize', resize);
  }
  if (!context.isTerminal('stdin')) return () => undefined;
  process.stdin.setRawMode(true);
  return () => {
    process.stdin.setRawMode(false);
  };
}

/** Resolves when the keys to leave were pressed. */
function passInput(attachment: Attachment, detachKeys: Uint8Array): Promise<void> {
  return new Promise((resolve) => {
    let matched = 0;
    process.stdin.on('data', (bytes: Buffer) => {
      for (const byte of bytes) {
        matched = byte === detachKeys[matched] ? matched + 1 : byte === detachKeys[0] ? 1 : 0;
        if (detachKeys.length > 0 && matched === detachKeys.length) return resolve();
      }
      process.stdin.pause();
      void attachment.write(bytes).then(() => process.stdin.resume());
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

/** `ctrl-p,ctrl-q` or plain characters as bytes; throws `usage` for what is no key. */
export function parseKeys(text: string): Uint8Array {
  const bytes = text.split(',').map((key) => {
    const control = /^ctrl-([a-z@[\\\]^_])$/i.exec(key)?.[1];
    if (control !== undefined) return control.toUpperCase().charCodeAt(0) & 0x1f;
    if (key.length === 1) return key.charCodeAt(0);
    throw new ComposeError('usage', `--detach-keys: ${JSON.stringify(key)} is no key`, {
      hint: 'keys are single characters or ctrl-LETTER, with commas between them',
    });
  });
  return Uint8Array.from(bytes);
}
