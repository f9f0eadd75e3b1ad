// Atomic files: a reader sees the old content or the new one, never half of either.
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { ComposeError } from '../errors.ts';
import type { Context } from './context.ts';
import { makeDirectory } from './directory.ts';

export interface WriteOptions {
  /** Permission bits of the file; 0o600 unless told. */
  readonly mode?: number;
}

/** Replaces a JSON file atomically; missing directories are made with mode 0711. */
export function writeRecord(path: string, value: unknown, options?: WriteOptions): void {
  writeAtomically(path, `${JSON.stringify(value)}\n`, options);
}

/** Replaces a file atomically; durable only after `syncRecords`. */
export function writeAtomically(
  path: string,
  content: string | Uint8Array,
  options: WriteOptions = {},
): void {
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    writeMakingParent(temporary, content, options.mode ?? 0o600);
    renameSync(temporary, path);
  } catch (cause) {
    rmSync(temporary, { force: true });
    throw writeError(path, cause);
  }
}

function writeMakingParent(path: string, content: string | Uint8Array, mode: number): void {
  try {
    writeFileSync(path, content, { mode });
  } catch (cause) {
    if (errnoOf(cause) !== 'ENOENT') throw cause;
    makeDirectory(dirname(path));
    writeFileSync(path, content, { mode });
  }
}

/**
 * Makes a directory whose content is nobody else's, for its parents mode 0711. What containers write is below such ones: a
 * set-user-ID program in there must not be a program of the machine.
 */
export function makePrivateDirectory(path: string): void {
  makeDirectory(path, 0o700);
}

/** What a file was understood as when it had that text. */
export interface Remembered<T> {
  readonly text: string;
  readonly value: T;
}

/**
 * Reads a JSON file; undefined when it does not exist, or is empty as a machine that lost its power may leave what was just
 * made, ComposeError `state-corrupt` when it cannot be understood. With
 * `remembered`, by path, a file that has not changed is not decoded again: give back nothing that somebody changes.
 */
export function readRecord<T>(
  path: string,
  decode: (value: unknown) => T,
  remembered?: Map<string, Remembered<T>>,
): T | undefined {
  const text = readTextIfPresent(path);
  if (text === undefined || text === '') return undefined;
  const known = remembered?.get(path);
  if (known?.text === text) return known.value;
  try {
    const value = decode(JSON.parse(text));
    remembered?.set(path, { text, value });
    return value;
  } catch (cause) {
    throw new ComposeError('state-corrupt', `cannot understand ${path}: ${messageOf(cause)}`, {
      cause,
      hint: 'the file was damaged or written by a newer version; remove the object it belongs to',
    });
  }
}

/** Reads a text file; undefined when it does not exist. */
export function readTextIfPresent(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (cause) {
    const errno = errnoOf(cause);
    if (errno === 'ENOENT' || errno === 'ENOTDIR') return undefined;
    throw new ComposeError('system', `cannot read ${path}: ${messageOf(cause)}`, { cause });
  }
}

/** Makes everything that was written under the state directory durable, in one go: call it once a command. */
export function syncRecords(ctx: Context): void {
  ctx.core.syncFilesystem(ctx.layout.stateDir);
}

function writeError(path: string, cause: unknown): ComposeError {
  if (cause instanceof ComposeError) return cause;
  const errno = errnoOf(cause);
  if (errno === 'ENOSPC' || errno === 'EDQUOT') {
    return new ComposeError('disk-full', `no space left to write ${path}`, { cause });
  }
  if (errno === 'EACCES' || errno === 'EPERM' || errno === 'EROFS') {
    const hint = 'run as root, or choose a writable directory with --state-dir';
    return new ComposeError('system', `not allowed to write ${path}`, { cause, hint });
  }
  return new ComposeError('system', `cannot write ${path}: ${messageOf(cause)}`, { cause });
}

function errnoOf(cause: unknown): string | undefined {
  return cause instanceof Error && 'code' in cause && typeof cause.code === 'string' ? cause.code : undefined;
}

function messageOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}
