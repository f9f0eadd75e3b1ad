// Following a log file: what is appended, over rotations, until the container has ended.
import {
  closeSync,
  existsSync,
  type FSWatcher,
  fstatSync,
  mkdirSync,
  readSync,
  statSync,
  watch,
} from 'node:fs';
import { StringDecoder } from 'node:string_decoder';
import type { Context } from '../state/context.ts';
import { containerFiles } from '../state/layout.ts';
import { type LogFile, openLogFiles } from './log-files.ts';
import { readStatus } from './status.ts';

export interface FollowOptions {
  readonly ctx: Context;
  readonly id: string;
  readonly path: string;
  /** The newest file as it was read so far, which stays open; following begins behind `size` bytes of it. */
  readonly last: { readonly fd: number; readonly size: number } | undefined;
  readonly signal: AbortSignal | undefined;
}

/** Lines that are written from now on. Ends when the container has ended, was removed, or `signal` aborts. */
export function followed(options: FollowOptions): AsyncIterable<string> {
  const bell = new Bell(options);
  const reader = new AppendedLines(options);
  return lines(options, bell, reader);
}

async function* lines(
  { ctx, id, signal }: FollowOptions,
  bell: Bell,
  reader: AppendedLines,
): AsyncIterable<string> {
  try {
    for (;;) {
      // Asked before reading: what was written before the end is then read for certain.
      const over = signal?.aborted || hasEnded(ctx, id);
      yield* reader.read();
      if (over) return;
      await bell.rung();
    }
  } finally {
    bell.close();
    reader.close();
  }
}

function hasEnded(ctx: Context, id: string): boolean {
  const files = containerFiles(ctx.layout, id);
  if (!existsSync(files.record)) return true;
  const status = readStatus(ctx, id);
  const neverRan = status.state === 'created' && status.error === null;
  return !neverRan && !['creating', 'running', 'paused', 'restarting'].includes(status.state);
}

/** Rings when a file of the container may have changed; rings that nobody waited for are kept. */
class Bell {
  readonly #watchers: FSWatcher[] = [];
  #isRung = false;
  #wake: (() => void) | undefined;

  constructor({ ctx, id, signal }: FollowOptions) {
    const files = containerFiles(ctx.layout, id);
    mkdirSync(files.runDir, { recursive: true, mode: 0o711 });
    for (const directory of [files.dir, files.runDir]) {
      if (existsSync(directory)) this.#watchers.push(watch(directory, () => this.#ring()));
    }
    for (const watcher of this.#watchers) watcher.on('error', () => this.#ring());
    signal?.addEventListener('abort', () => this.#ring(), { once: true });
  }

  rung(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
      if (this.#isRung) this.#ring();
    });
  }

  close(): void {
    for (const watcher of this.#watchers) watcher.close();
  }

  #ring(): void {
    const wake = this.#wake;
    this.#isRung = wake === undefined;
    this.#wake = undefined;
    wake?.();
  }
}

const CHUNK_BYTES = 65_536;

/** The end of a file that grows and, when it is full, makes room for a new one of the same name. */
class AppendedLines {
  readonly #path: string;
  readonly #chunk = Buffer.alloc(CHUNK_BYTES);
  #decoder = new StringDecoder('utf8');
  #fd: number | undefined;
  #isOwn = false;
  #inode = 0;
  #at = 0;
  #rest = '';

  constructor({ path, last }: FollowOptions) {
    this.#path = path;
    if (last === undefined) return;
    this.#fd = last.fd;
    this.#inode = fstatSync(last.fd).ino;
    this.#at = last.size;
  }

  *read(): Iterable<string> {
    for (;;) {
      yield* this.#appended();
      const next = this.#next();
      if (next === undefined) return;
      // Lines may have come between the look at our file and its renaming.
      yield* this.#appended();
      this.#moveTo(next);
    }
  }

  close(): void {
    if (this.#fd !== undefined && this.#isOwn) closeSync(this.#fd);
    this.#fd = undefined;
  }

  /** The file after ours, opened: the oldest of all when ours was removed, or there was none yet. */
  #next(): LogFile | undefined {
    const newest = statSync(this.#path, { throwIfNoEntry: false });
    if (newest === undefined || (this.#fd !== undefined && newest.ino === this.#inode)) return undefined;
    const files = openLogFiles(this.#path);
    const ours = this.#fd === undefined ? -1 : files.findIndex(({ inode }) => inode === this.#inode);
    const next = files[ours + 1];
    for (const file of files) if (file !== next) closeSync(file.fd);
    return next;
  }

  #moveTo({ fd, inode }: LogFile): void {
    this.close();
    this.#fd = fd;
    this.#inode = inode;
    this.#isOwn = true;
    this.#at = 0;
    this.#rest = '';
    this.#decoder = new StringDecoder('utf8');
  }

  *#appended(): Iterable<string> {
    if (this.#fd === undefined) return;
    for (;;) {
      const length = readSync(this.#fd, this.#chunk, 0, CHUNK_BYTES, this.#at);
      if (length === 0) return;
      this.#at += length;
      const found = (this.#rest + this.#decoder.write(this.#chunk.subarray(0, length))).split('\n');
      this.#rest = found.pop() ?? '';
      yield* found;
    }
  }
}
