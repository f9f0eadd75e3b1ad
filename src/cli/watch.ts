// What happens to containers, as it happens: told by their shims, and by the directories they live in.
import { type FSWatcher, mkdirSync, watch } from 'node:fs';
import { connect } from '../containers/container.ts';
import { listContainers, readContainer } from '../containers/listing.ts';
import type { ContainerRecord } from '../containers/record.ts';
import { isAlive, readStatus, type Status } from '../containers/status.ts';
import type { Context } from '../state/context.ts';
import { containerFiles, containersDir } from '../state/layout.ts';
import { changesBetween, type Happening } from './happenings.ts';

export interface ContainerEvent {
  readonly happening: Happening;
  readonly record: ContainerRecord;
  /** As it is since. */
  readonly status: Status;
}

interface Known {
  readonly record: ContainerRecord;
  status: Status;
  readonly watcher: FSWatcher | undefined;
  /** Whether its shim tells us. */
  told: boolean;
}

const ID = /^[0-9a-f]{64}$/;

/** Follows the containers that `wanted` accepts; those that come later too. */
export class ContainerWatch {
  readonly #state: Context;
  readonly #wanted: (record: ContainerRecord) => boolean;
  readonly #onEvent: (event: ContainerEvent) => void;
  readonly #known = new Map<string, Known>();
  /** Directories whose record is not written yet. */
  readonly #unfinished = new Map<string, FSWatcher>();
  readonly #closing = new AbortController();
  readonly #directory: FSWatcher;
  #initial = true;

  constructor(
    state: Context,
    wanted: (record: ContainerRecord) => boolean,
    onEvent: (event: ContainerEvent) => void,
  ) {
    this.#state = state;
    this.#wanted = wanted;
    this.#onEvent = onEvent;
    const directory = containersDir(state.layout);
    mkdirSync(directory, { recursive: true, mode: 0o711 });
    this.#directory = watch(directory, (_, name) => {
      if (name !== null) this.#look(name);
    });
    for (const { id } of listContainers(state)) this.#look(id);
    this.#initial = false;
  }

  /** Containers that exist now. */
  get current(): readonly { readonly record: ContainerRecord; readonly status: Status }[] {
    return [...this.#known.values()];
  }

  close(): void {
    this.#closing.abort();
    this.#directory.close();
    for (const { watcher } of this.#known.values()) watcher?.close();
    for (const watcher of this.#unfinished.values()) watcher.close();
  }

  /** A directory came, went, or got its record. */
  #look(id: string): void {
    if (!ID.test(id) || this.#closing.signal.aborted) return;
    const record = readContainer(this.#state, id);
    const known = this.#known.get(id);
    if (record === undefined) {
      if (known) this.#forget(id, known);
      else this.#awaitRecord(id);
    } else if (!known && this.#wanted(record)) this.#meet(record);
  }

  #awaitRecord(id: string): void {
    if (this.#unfinished.has(id)) return;
    const watcher = watchIfThere(containerFiles(this.#state.layout, id).dir, () => {
      if (readContainer(this.#state, id) === undefined) return;
      this.#unfinished.get(id)?.close();
      this.#unfinished.delete(id);
      this.#look(id);
    });
    if (watcher) this.#unfinished.set(id, watcher);
  }

  #meet(record: ContainerRecord): void {
    const { id } = record;
    const { runDir } = containerFiles(this.#state.layout, id);
    mkdirSync(runDir, { recursive: true, mode: 0o711 });
    const watcher = watchIfThere(runDir, () => this.#refresh(id));
    const status = readStatus(this.#state, id);
    this.#known.set(id, { record, status, watcher, told: false });
    if (!this.#initial) this.#onEvent({ happening: { kind: 'create' }, record, status });
    if (!this.#initial && isAlive(status)) this.#onEvent({ happening: { kind: 'start' }, record, status });
    this.#listen(id);
  }

  #forget(id: string, known: Known): void {
    known.watcher?.close();
    this.#known.delete(id);
    this.#onEvent({ happening: { kind: 'destroy' }, record: known.record, status: known.status });
  }

  #refresh(id: string): void {
    // While its shim tells, its file may be read too late: what is over would seem to happen again.
    const known = this.#known.get(id);
    if (this.#closing.signal.aborted || known === undefined || known.told) return;
    this.#apply(id, readStatus(this.#state, id));
    this.#listen(id);
  }

  #apply(id: string, status: Status): void {
    const known = this.#known.get(id);
    if (!known || this.#closing.signal.aborted) return;
    const before = known.status;
    known.status = status;
    for (const happening of changesBetween(before, status)) {
      this.#onEvent({ happening, record: known.record, status });
    }
  }

  /** A shim tells every change in order, and its end is noticed even when it was killed. */
  #listen(id: string): void {
    const known = this.#known.get(id);
    if (!known || known.told || !isAlive(known.status)) return;
    known.told = true;
    this.#hear(id)
      .catch(() => undefined)
      .finally(() => {
        known.told = false;
        this.#refresh(id);
      });
  }

  async #hear(id: string): Promise<void> {
    const control = await connect(this.#state, id);
    try {
      await control.watch((status) => this.#apply(id, status), this.#closing.signal);
    } finally {
      control.close();
    }
  }
}

function watchIfThere(path: string, onChange: () => void): FSWatcher | undefined {
  try {
    return watch(path, onChange);
  } catch {
    return undefined; // it went in the meantime
  }
}
