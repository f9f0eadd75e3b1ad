// `start`: the second half of a launch.
import { rmSync } from 'node:fs';
import { ComposeError } from '../../errors.ts';
import { hookState } from '../hooks.ts';
import { configOf } from './config.ts';
import type { RuntimeContext } from './context.ts';
import { signal } from './control-groups.ts';
import { runHooks } from './hooks.ts';
import { callShim, failureError } from './shim.ts';
import { type RuntimeRecord, readState, runtimeFiles, statusOf } from './state.ts';

/** Lets the program of a created container run; returns when it was executed. */
export function startContainer(ctx: RuntimeContext, id: string): void {
  const record = readState(ctx.root, id);
  const status = statusOf(ctx.root, record);
  if (status !== 'created') {
    throw new ComposeError('container-state', `cannot start a container that is ${status}`);
  }
  const { gate } = runtimeFiles(ctx.root, id);
  const outcome = callShim({ path: ctx.shimPath, argv: ['start', '--gate', gate], fds: [] });
  rmSync(gate, { force: true });
  if (outcome.exitCode !== 0) throw failureError(outcome, 'unable to start container process');
  runPoststart(ctx, record);
}

/** Runs the hooks `poststart`; one that fails ends the container. */
export function runPoststart(ctx: RuntimeContext, record: RuntimeRecord): void {
  const { poststart = [] } = record.hasPoststart ? (configOf(ctx, record).hooks ?? {}) : {};
  const bundle = { id: record.id, path: record.bundle };
  try {
    runHooks(poststart, hookState(record, bundle, { status: 'running', pid: record.pid }));
  } catch (cause) {
    signal(record.pid, 'SIGKILL');
    throw cause;
  }
}
