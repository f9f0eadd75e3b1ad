// Making and listing directories of the state.
import { mkdirSync, readdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { getSystemErrorMap } from 'node:util';
import { ComposeError, type ErrorCode } from '../errors.ts';

const WALKABLE = 0o711;

/**
 * Makes a directory with its parents; one that is there stays as it is. ComposeError `not-root`, `disk-full` or `system`.
 * Node's own way to do so never ends below /proc, where there is nothing and nothing can be made.
 */
export function makeDirectory(path: string, mode = WALKABLE): void {
  try {
    make(path, mode);
  } catch (cause) {
    throw refusal('make', path, cause);
  }
}

/** What is in a directory, nothing when it does not exist. ComposeError `not-root` or `system` when it cannot be read. */
export function listDirectory(path: string): readonly string[] {
  try {
    return readdirSync(path);
  } catch (cause) {
    if (codeOf(cause) === 'ENOENT' || codeOf(cause) === 'ENOTDIR') return [];
    throw refusal('read', path, cause);
  }
}

function make(path: string, mode: number): void {
  try {
    mkdirSync(path, { mode });
  } catch (error) {
    if (isDirectory(path)) return;
    const parent = dirname(path);
    // Who says so of a directory whose parent is there makes none.
    if (codeOf(error) !== 'ENOENT' || parent === path || isDirectory(parent)) throw error;
    make(parent, WALKABLE);
    if (!isDirectory(path)) mkdirSync(path, { mode });
  }
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ?? false;
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : undefined;
}

function refusal(verb: 'make' | 'read', path: string, cause: unknown): unknown {
  if (!(cause instanceof Error) || !('errno' in cause)) return cause;
  const [name = '', text = cause.message] = getSystemErrorMap().get(Number(cause.errno)) ?? [];
  const isDenied = (name === 'EACCES' || name === 'EPERM') && process.geteuid?.() !== 0;
  const isFull = name === 'ENOSPC' || name === 'EDQUOT';
  const code: ErrorCode = isDenied ? 'not-root' : isFull ? 'disk-full' : 'system';
  return new ComposeError(code, `cannot ${verb} the directory ${path}: ${text}`, {
    cause,
    hint: `${isDenied ? 'run it as root, or ' : ''}name a state directory that can be ${verb === 'make' ? 'written' : 'read'}, by --state-dir or TSCOMPOSE_STATE_DIR`,
  });
}
