// wait-container: watching a container until a condition holds, or cannot hold any more.
import type { ContainerRecord } from '../containers/record.ts';
import { readStatus, type Status } from '../containers/status.ts';
import { ComposeError } from '../errors.ts';
import type { WaitCondition } from '../plan/plan.ts';
import type { Context } from '../state/context.ts';
import { withControl } from './control.ts';
import { unlessAborted } from './execute.ts';

/** What a status says about a condition: it holds, it never will, or neither yet. */
export type Verdict = { readonly met: true } | { readonly met: false; readonly error?: ComposeError };

/** Judges a status; pure. */
export function judge(condition: WaitCondition, status: Status, record: ContainerRecord): Verdict {
  const ended = status.state === 'stopped' || status.state === 'lost';
  if (condition === 'completed_successfully') {
    if (status.state === 'stopped' && status.exitCode === 0) return { met: true };
    return ended
      ? { met: false, error: endedBadly(record, status, 'was to complete successfully') }
      : { met: false };
  }
  if (ended) return { met: false, error: endedBadly(record, status, wishOf(condition)) };
  if (condition === 'healthy' && record.healthcheck === undefined)
    return { met: false, error: noCheck(record) };
  if (status.state !== 'running') return { met: false };
  if (condition === 'running' || record.healthcheck === undefined) return { met: true };
  if (status.health?.status === 'healthy') return { met: true };
  return status.health?.status === 'unhealthy'
    ? { met: false, error: unhealthy(record, status) }
    : { met: false };
}

/** Waits until the condition holds; ComposeError `dependency-failed` or `unhealthy` when it cannot any more. */
export async function waitFor(
  ctx: Context,
  record: ContainerRecord,
  condition: WaitCondition,
  signal: AbortSignal,
): Promise<void> {
  for (let status = readStatus(ctx, record.id); ; status = readStatus(ctx, record.id)) {
    const verdict = judge(condition, status, record);
    if (verdict.met) return;
    if (verdict.error !== undefined) throw verdict.error;
    await watchUntil(ctx, record, (next) => isDecided(judge(condition, next, record)), signal);
  }
}

/** Waits until the container has ended for good; resolves with its last status. */
export async function waitForEnd(
  ctx: Context,
  record: ContainerRecord,
  signal: AbortSignal,
): Promise<Status> {
  for (let status = readStatus(ctx, record.id); ; status = readStatus(ctx, record.id)) {
    if (status.state === 'stopped' || status.state === 'lost') return status;
    if (status.state === 'created' && status.shim === 0) return status;
    await watchUntil(ctx, record, () => false, signal);
  }
}

function isDecided(verdict: Verdict): boolean {
  return verdict.met || verdict.error !== undefined;
}

/** Resolves when `enough` says so or the shim ends. */
async function watchUntil(
  ctx: Context,
  record: ContainerRecord,
  enough: (status: Status) => boolean,
  signal: AbortSignal,
): Promise<void> {
  const done = new AbortController();
  const look = (status: Status) => {
    if (enough(status)) done.abort();
  };
  const watching = withControl(ctx, record.id, (control) => control.watch(look, done.signal));
  await unlessAborted(watching, signal, `waiting for ${record.name}`);
}

function wishOf(condition: WaitCondition): string {
  return condition === 'running' ? 'was to run' : 'was to become healthy';
}

function endedBadly(record: ContainerRecord, status: Status, wish: string): ComposeError {
  const how = status.state === 'lost' ? 'its shim died' : `it exited (${status.exitCode})`;
  const why = status.oomKilled ? `${how}, killed for using too much memory` : how;
  return new ComposeError('dependency-failed', `container ${record.name} ${wish}, but ${why}`, {
    hint: `see "tscompose logs ${record.service}"`,
  });
}

function noCheck({ name, service }: ContainerRecord): ComposeError {
  return new ComposeError(
    'unhealthy',
    `container ${name} has no health check, so that it never gets healthy`,
    {
      hint: `give service ${service} a healthcheck, or depend on it with condition service_started`,
    },
  );
}

function unhealthy(record: ContainerRecord, { health }: Status): ComposeError {
  const last = health?.log.at(-1);
  const output = last?.output.trim() ?? '';
  const said = last === undefined ? '' : `: its last check exited with code ${last.exitCode}`;
  return new ComposeError('unhealthy', `container ${record.name} is unhealthy${said}`, {
    hint: output === '' ? `see "tscompose logs ${record.service}"` : `the check said: ${output}`,
  });
}
