// `kill` and `delete`: the end of a container.
import { ComposeError } from '../../errors.ts';
import { hookState } from '../hooks.ts';
import { signalNumber } from '../units.ts';
import { configOf } from './config.ts';
import type { RuntimeContext } from './context.ts';
import { freeze, isFrozen, killAll, pause, processesIn, removeGroups, signal } from './control-groups.ts';
import { runHooks } from './hooks.ts';
import { isRunning, type RuntimeRecord, readState, release, runtimeFiles, statusOf } from './state.ts';

/** Sends a signal to the first process, or to all of the container. */
export function killContainer(ctx: RuntimeContext, id: string, wish: { signal: string; all: boolean }): void {
  const record = readState(ctx.root, id);
  const number = signalNumber(wish.signal);
  if (wish.all) {
    for (const pid of processesIn(record.cgroups)) signal(pid, number);
    return;
  }
  if (record.pid === 0 || !isRunning(record) || !signal(record.pid, number)) {
    throw new ComposeError('container-not-running', 'container not running');
  }
  // A frozen process would not even die.
  if (number === KILL && isFrozen(record.cgroups)) freeze(record.cgroups, false);
}

const KILL = 9;

/** Removes what is left of a container; `force` ends it first, and is content with one that is gone already. */
export function deleteContainer(ctx: RuntimeContext, id: string, force: boolean): void {
  let record: RuntimeRecord;
  try {
    record = readState(ctx.root, id);
  } catch (cause) {
    if (force && cause instanceof ComposeError && cause.code === 'container-not-found') {
      release(runtimeFiles(ctx.root, id));
      return;
    }
    throw cause;
  }
  const status = statusOf(ctx.root, record);
  if (!force && status !== 'stopped' && status !== 'created') {
    throw new ComposeError('container-state', `cannot delete container ${id} that is not stopped: ${status}`);
  }
  destroy(ctx, record);
}

const ROUNDS = 1000;

/** Ends every process, runs the hooks `poststop`, removes control groups and state. */
export function destroy(ctx: RuntimeContext, record: RuntimeRecord): void {
  if (record.pid > 0 && isRunning(record)) endProcess(record);
  killAll(record.cgroups);
  const hooks = poststopHooks(ctx, record);
  removeGroups(record.cgroups);
  release(runtimeFiles(ctx.root, record.id));
  const bundle = { id: record.id, path: record.bundle };
  for (const hook of hooks) {
    try {
      runHooks([hook], hookState(record, bundle, { status: 'stopped', pid: 0 }));
    } catch (error) {
      // The container is gone: nothing can be taken back any more.
      ctx.warn(error instanceof Error ? error.message : String(error));
    }
  }
}

function endProcess(record: RuntimeRecord): void {
  signal(record.pid, 'SIGKILL');
  if (isFrozen(record.cgroups)) freeze(record.cgroups, false);
  for (let round = 0; round < ROUNDS && isRunning(record); round++) pause();
}

function poststopHooks(ctx: RuntimeContext, record: RuntimeRecord) {
  try {
    return configOf(ctx, record).hooks?.poststop ?? [];
  } catch {
    // A creation that was interrupted may have left no configuration.
    return [];
  }
}
