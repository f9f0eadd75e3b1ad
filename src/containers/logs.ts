// Reading what a container wrote: json-file lines, over rotated files, from the end, and following.
import { closeSync, fstatSync, readSync } from 'node:fs';
import { StringDecoder } from 'node:string_decoder';
import { ComposeError } from '../errors.ts';
import type { Context } from '../state/context.ts';
import { asObject, asString } from '../state/decode.ts';
import { containerFiles } from '../state/layout.ts';
import { followed } from './follow.ts';
import { openLogFiles } from './log-files.ts';
import type { ContainerRecord } from './record.ts';
import { durationMs } from './units.ts';

export interface LogEntry {
  /** RFC 3339 with nanoseconds. */
  readonly time: string;
  readonly stream: 'stdout' | 'stderr';
  /** Without its newline. */
  readonly line: string;
  /** The line goes on in the next entry of the same stream. */
  readonly partial: boolean;
  readonly container: string;
}

export interface LogOptions {
  /** Entries from the end; undefined: all. */
  readonly tail?: number | undefined;
  /** A time, or how long ago: `2024-01-02T03:04:05Z`, `1700000000`, `10m`. */
  readonly since?: string | undefined;
  readonly until?: string | undefined;
  /** Goes on until the container has ended, or `signal` aborts. */
  readonly follow?: boolean | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** The log of a container, oldest entry first. Throws ComposeError `unsupported` when none is kept here. */
export async function* readLogs(
  ctx: Context,
  record: ContainerRecord,
  options: LogOptions = {},
): AsyncIterable<LogEntry> {
  const missing = missingLog(record);
  if (missing !== undefined) throw new ComposeError('unsupported', missing);
  const now = Date.now();
  const since = options.since === undefined ? '' : timeKey(options.since, now);
  const until = options.until === undefined ? undefined : timeKey(options.until, now);
  const path = containerFiles(ctx.layout, record.id).log;
  const files = openFiles(path);
  try {
    const lines = options.follow
      ? followed({ ctx, id: record.id, path, last: files.at(-1), signal: options.signal })
      : undefined;
    yield* selected(past(files, options.tail), { record, since, until });
    if (lines) yield* selected(lines, { record, since, until });
  } finally {
    for (const { fd } of files) closeSync(fd);
  }
}

/** Why there is nothing to read; undefined when there is. */
export function missingLog({ name, logDriver, logKept }: ContainerRecord): string | undefined {
  if (logKept) return undefined;
  const reason = logDriver === 'none' ? 'its output is not kept' : `its output went to ${logDriver}`;
  return `container ${name} has no log here: ${reason}`;
}

interface Opened {
  readonly fd: number;
  /** How much there was in whole lines when it was opened. */
  readonly size: number;
}

function openFiles(path: string): Opened[] {
  return openLogFiles(path).map(({ fd }) => ({ fd, size: wholeLines(fd, fstatSync(fd).size) }));
}

/** Size up to the last newline: a line that is being written is not there yet. */
function wholeLines(fd: number, size: number): number {
  const chunk = Buffer.alloc(CHUNK_BYTES);
  for (let end = size; end > 0; end -= CHUNK_BYTES) {
    const begin = Math.max(0, end - CHUNK_BYTES);
    const length = readSync(fd, chunk, 0, end - begin, begin);
    const at = chunk.subarray(0, length).lastIndexOf(NEWLINE);
    if (at >= 0) return begin + at + 1;
  }
  return 0;
}

function* past(files: readonly Opened[], tail: number | undefined): Iterable<string> {
  if (tail === undefined) {
    for (const { fd, size } of files) yield* linesOf(fd, 0, size);
    return;
  }
  let wanted = tail;
  const starts: [Opened, number][] = [];
  for (const file of [...files].reverse()) {
    if (wanted <= 0) break;
    const { start, found } = startOfTail(file, wanted);
    starts.unshift([file, start]);
    wanted -= found;
  }
  for (const [{ fd, size }, start] of starts) yield* linesOf(fd, start, size);
}

const CHUNK_BYTES = 65_536;
const NEWLINE = 10;

/** Where the last `wanted` lines begin, found by reading backwards. */
function startOfTail(
  { fd, size }: Opened,
  wanted: number,
): { readonly start: number; readonly found: number } {
  const chunk = Buffer.alloc(CHUNK_BYTES);
  let found = 0;
  for (let end = size; end > 0; end -= CHUNK_BYTES) {
    const begin = Math.max(0, end - CHUNK_BYTES);
    const length = readSync(fd, chunk, 0, end - begin, begin);
    for (let at = length - 1; at >= 0; at--) {
      // The newline at the very end closes the last line, it begins none.
      if (chunk[at] !== NEWLINE || begin + at === size - 1) continue;
      found++;
      if (found === wanted) return { start: begin + at + 1, found };
    }
  }
  return { start: 0, found: size > 0 ? found + 1 : 0 };
}

function* linesOf(fd: number, start: number, end: number): Iterable<string> {
  const chunk = Buffer.alloc(CHUNK_BYTES);
  const decoder = new StringDecoder('utf8');
  let rest = '';
  for (let at = start; at < end; ) {
    const length = readSync(fd, chunk, 0, Math.min(CHUNK_BYTES, end - at), at);
    if (length === 0) return;
    at += length;
    const lines = (rest + decoder.write(chunk.subarray(0, length))).split('\n');
    rest = lines.pop() ?? '';
    yield* lines;
  }
}

interface Selection {
  readonly record: ContainerRecord;
  readonly since: string;
  readonly until: string | undefined;
}

async function* selected(
  lines: Iterable<string> | AsyncIterable<string>,
  { record, since, until }: Selection,
): AsyncIterable<LogEntry> {
  for await (const line of lines) {
    const entry = parseLine(line, record.name);
    if (entry === undefined || sortable(entry.time) < since) continue;
    if (until !== undefined && sortable(entry.time) > until) return;
    yield entry;
  }
}

// A line that was cut by a crash is no entry.
function parseLine(line: string, container: string): LogEntry | undefined {
  try {
    const o = asObject(JSON.parse(line), 'entry');
    const text = asString(o.log, 'log');
    const partial = !text.endsWith('\n');
    return {
      time: asString(o.time, 'time'),
      stream: o.stream === 'stderr' ? 'stderr' : 'stdout',
      line: partial ? text : text.slice(0, -1),
      partial,
      container,
    };
  } catch {
    return undefined;
  }
}

/** The time of `--since` and `--until` in RFC 3339, which compares as text. ComposeError `usage` for what is no time. */
export function timeKey(text: string, now: number): string {
  const seconds = /^(\d+)(?:\.(\d{1,9}))?$/.exec(text);
  if (seconds) return fromSeconds(Number(seconds[1]), seconds[2] ?? '');
  const absolute = Date.parse(withZone(text));
  if (!Number.isNaN(absolute))
    return /\.\d+/.test(text) ? sortable(normalised(text)) : sortable(new Date(absolute).toISOString());
  return sortable(new Date(now - ago(text)).toISOString());
}

function fromSeconds(seconds: number, fraction: string): string {
  return sortable(`${new Date(seconds * 1000).toISOString().slice(0, 19)}.${fraction.padEnd(1, '0')}Z`);
}

// A time without zone is local time, as in Docker; Date.parse takes a bare date for UTC.
function withZone(text: string): string {
  return /^\d{4}-\d{2}-\d{2}$/.test(text) ? `${text}T00:00:00` : text;
}

// Date keeps milliseconds only: the digits behind them are taken from the text.
function normalised(text: string): string {
  const digits = /\.(\d+)/.exec(text)?.[1] ?? '';
  const whole = new Date(Date.parse(text.replace(/\.\d+/, ''))).toISOString().slice(0, 19);
  return `${whole}.${digits}Z`;
}

function ago(text: string): number {
  try {
    return durationMs(text);
  } catch (cause) {
    const hint = 'write a time such as 2024-01-02T03:04:05Z, or how long ago, such as 10m';
    throw new ComposeError('usage', `${JSON.stringify(text)} is no time`, { cause, hint });
  }
}

/** `2024-01-02T03:04:05.1Z` → `2024-01-02T03:04:05.100000000Z`: all of one length. */
function sortable(time: string): string {
  const [, whole = time, digits = ''] = /^([^.Z]*)(?:\.(\d+))?Z?$/.exec(time) ?? [];
  return `${whole}.${digits.padEnd(9, '0').slice(0, 9)}Z`;
}
