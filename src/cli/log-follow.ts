// Following the logs of containers that come, go and come again, all at once.
import { StringDecoder } from 'node:string_decoder';
import type { OutputStream } from '../containers/attach.ts';
import { connect } from '../containers/control.ts';
import { type LogEntry, readLogs } from '../containers/logs.ts';
import type { ContainerRecord } from '../containers/record.ts';
import { isAlive, readStatus, type Status } from '../containers/status.ts';
import { ComposeError } from '../errors.ts';
import type { Context } from '../state/context.ts';
import type { LogPrinter } from './log-lines.ts';

export interface From {
  /** Lines from the end; undefined: all. */
  readonly tail?: number | undefined;
  readonly since?: string | undefined;
  readonly until?: string | undefined;
}

/** One reader per container at a time, which ends when its container has ended. */
export class LogFollower {
  readonly #state: Context;
  readonly #printer: LogPrinter;
  readonly #finishing = new AbortController();
  readonly #reading = new Map<string, Promise<void>>();

  constructor(state: Context, printer: LogPrinter) {
    this.#state = state;
    this.#printer = printer;
  }

  /** Begins to follow, unless that happens already. */
  follow(record: ContainerRecord, from: From): void {
    if (this.#reading.has(record.id) || !record.logKept) return;
    this.#add(record, this.#read(record, from));
  }

  /** What a container without a log is going to write can only be seen as it comes: resolves when it is. */
  async attach(record: ContainerRecord): Promise<void> {
    if (record.logKept || this.#reading.has(record.id)) return;
    await new Promise<void>((resolve) => this.#add(record, this.#attach(record, resolve).finally(resolve)));
  }

  #add(record: ContainerRecord, reading: Promise<void>): void {
    this.#reading.set(
      record.id,
      reading.finally(() => this.#reading.delete(record.id)),
    );
  }

  /** Resolves when everything that the container wrote is printed. */
  async drained({ id }: ContainerRecord): Promise<void> {
    await this.#reading.get(id);
  }

  /** Prints what is there and follows nothing any more. */
  async finish(): Promise<void> {
    this.#finishing.abort();
    await Promise.all(this.#reading.values());
  }

  async #read(record: ContainerRecord, from: From): Promise<void> {
    const options = { ...from, follow: true, signal: this.#finishing.signal };
    for await (const entry of readLogs(this.#state, record, options)) this.#printer.print(record, entry);
    this.#printer.end(record);
  }

  async #attach(record: ContainerRecord, onAttached = (): void => undefined): Promise<void> {
    const control = await connect(this.#state, record.id).catch(unlessGone);
    const attachment = await control?.attach({ stdin: false, logs: true, stays: true }).catch(unlessGone);
    if (attachment === undefined) return;
    const finish = (): void => {
      // What has ended says so itself, once all is told.
      if (canWrite(readStatus(this.#state, record.id))) attachment.close();
    };
    this.#finishing.signal.addEventListener('abort', finish, { once: true });
    const lines = new LineSplitter(record.id);
    attachment.onOutput((stream, bytes) => {
      for (const entry of lines.take(stream, bytes)) this.#printer.print(record, entry);
    });
    attachment.onExit(() => this.#printer.end(record));
    onAttached();
    await attachment.ended;
    this.#finishing.signal.removeEventListener('abort', finish);
    this.#printer.end(record);
  }
}

/** A container that has ended in the meantime has nothing to show. */
function unlessGone(error: unknown): undefined {
  const isGone = error instanceof ComposeError && error.code.startsWith('container-');
  if (!isGone) throw error;
}

/** Makes log entries of what a container writes; a line that is not complete goes on in the next entry. */
class LineSplitter {
  readonly #container: string;
  readonly #decoders = { stdout: new StringDecoder('utf8'), stderr: new StringDecoder('utf8') };

  constructor(container: string) {
    this.#container = container;
  }

  take(stream: OutputStream, bytes: Uint8Array): readonly LogEntry[] {
    const time = new Date().toISOString();
    const lines = this.#decoders[stream].write(Buffer.from(bytes)).split('\n');
    const rest = lines.pop() ?? '';
    return [...lines, ...(rest === '' ? [] : [rest])].map((line, index) => {
      return { time, stream, line, partial: index === lines.length, container: this.#container };
    });
  }
}

/** What a container that starts now has to show: nothing from before. */
export function sinceStart({ startedAt }: Status): From {
  return startedAt === '' ? {} : { since: startedAt };
}

/** Whether more can come from it. */
export function canWrite(status: Status): boolean {
  return isAlive(status) || status.state === 'creating';
}
