// Following the logs of containers that come, go and come again, all at once.
import { readLogs } from '../containers/logs.ts';
import type { ContainerRecord } from '../containers/record.ts';
import { isAlive, type Status } from '../containers/status.ts';
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
    const reading = this.#read(record, from).finally(() => this.#reading.delete(record.id));
    this.#reading.set(record.id, reading);
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
}

/** What a container that starts now has to show: nothing from before. */
export function sinceStart({ startedAt }: Status): From {
  return startedAt === '' ? {} : { since: startedAt };
}

/** Whether more can come from it. */
export function canWrite(status: Status): boolean {
  return isAlive(status) || status.state === 'creating';
}
