// Locks between processes: flock() on files of the run directory, gone with the process that holds them.
import { dirname } from 'node:path';
import type { Core } from '../../core/index.ts';
import { ComposeError } from '../errors.ts';
import { makeDirectory } from './directory.ts';

export interface LockOptions {
  readonly exclusive: boolean;
  readonly signal?: AbortSignal | undefined;
  /** Called once when somebody else has the lock and we start to wait. */
  readonly onWait?: (() => void) | undefined;
}

/** Runs `fn` while holding a lock; ComposeError `interrupted` when `signal` aborts the wait. */
export async function withLock<T>(
  core: Core,
  path: string,
  options: LockOptions,
  fn: () => Promise<T> | T,
): Promise<T> {
  const fd = await acquire(core, path, options);
  try {
    return await fn();
  } finally {
    core.close(fd);
  }
}

async function acquire(
  core: Core,
  path: string,
  { exclusive, signal, onWait }: LockOptions,
): Promise<number> {
  makeDirectory(dirname(path));
  const fd = core.lock(path, { exclusive });
  if (fd !== undefined) return fd;
  onWait?.();
  try {
    return await core.lockWait(path, { exclusive, ...(signal === undefined ? {} : { signal }) });
  } catch (cause) {
    if (!signal?.aborted) throw cause;
    throw new ComposeError('interrupted', 'interrupted while another command held the lock', { cause });
  }
}
