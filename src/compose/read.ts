// Reads the text files of a project.
import { closeSync, fstatSync, openSync, readdirSync, readSync } from 'node:fs';
import { basename, dirname, join, parse } from 'node:path';
import { ComposeError, type Position } from '../errors.ts';
import { nearest } from './hints.ts';

const mebibyte = 1024 * 1024;
/** Largest compose file that is read, in bytes. */
const maxBytes = 16 * mebibyte;
/** Largest file of variables or labels: Linux starts no program with much more than that. */
const maxEnvBytes = 4 * mebibyte;

/** The text of a compose file; throws `file-not-found`, `file-unreadable` or `input-limit`. */
export function readText(path: string, what: string, at?: Position): string {
  return read(path, { what, at, limit: maxBytes });
}

/** The text of a file of variables or labels; throws as readText does, with `hint` when there is no such file. */
export function readEnvText(path: string, what: string, at?: Position, hint?: string): string {
  return read(path, { what, at, limit: maxEnvBytes, hint });
}

/** The text that came from elsewhere, if it is not too large. */
export function limitText(text: string, what: string): string {
  if (text.length <= maxBytes) return text;
  throw tooLarge(what, { limit: maxBytes });
}

interface Reading {
  readonly what: string;
  readonly at?: Position | undefined;
  readonly limit: number;
  /** What to do about a file that is missing, when none has a similar name. */
  readonly hint?: string | undefined;
}

function read(path: string, reading: Reading): string {
  const name = `${reading.what} ${path}`;
  try {
    const fd = openSync(path, 'r');
    try {
      return readAll(fd, name, reading);
    } finally {
      closeSync(fd);
    }
  } catch (error) {
    if (error instanceof ComposeError) throw error;
    throw unreadable(error, path, reading);
  }
}

/** The size is no promise: pipes have none, and devices may never end. */
function readAll(fd: number, name: string, reading: Reading): string {
  const { size } = fstatSync(fd);
  if (size > reading.limit) throw tooLarge(name, reading);
  const chunks: Buffer[] = [];
  let total = 0;
  for (let length = size + 1; ; length = 64 * 1024) {
    const chunk = Buffer.allocUnsafe(length);
    const count = readSync(fd, chunk, 0, length, null);
    if (count === 0) break;
    total += count;
    if (total > reading.limit) throw tooLarge(name, reading);
    chunks.push(chunk.subarray(0, count));
  }
  return (chunks.length === 1 && chunks[0] !== undefined ? chunks[0] : Buffer.concat(chunks)).toString(
    'utf8',
  );
}

function tooLarge(name: string, { limit, at }: Pick<Reading, 'limit' | 'at'>): ComposeError {
  const place = at === undefined ? {} : { at };
  return new ComposeError('input-limit', `${name} is larger than ${limit / mebibyte} MiB`, place);
}

function unreadable(error: unknown, path: string, { what, at, hint: otherwise }: Reading): ComposeError {
  const code = (error as NodeJS.ErrnoException).code;
  const more = { ...(at === undefined ? {} : { at }), cause: error };
  if (code === 'ENOENT' || code === 'ENOTDIR') {
    const hint = similarFile(path) ?? otherwise;
    return new ComposeError('file-not-found', `${what} ${path} not found: no such file or directory`, {
      ...more,
      ...(hint === undefined ? {} : { hint }),
    });
  }
  const reason =
    code === 'EISDIR' ? 'it is a directory' : code === 'EACCES' ? 'permission denied' : String(code);
  return new ComposeError('file-unreadable', `cannot read ${what} ${path}: ${reason}`, more);
}

/** A file beside the one that is missing whose name is nearly the same. */
function similarFile(path: string): string | undefined {
  try {
    const directory = dirname(path);
    const within = Math.max(1, Math.floor(parse(path).name.length / 3));
    const hint = (name: string): string => `did you mean ${join(directory, name)}?`;
    return nearest(basename(path), readdirSync(directory), hint, within);
  } catch {
    return undefined;
  }
}
