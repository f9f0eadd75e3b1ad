// The difference between two states of a container, in the words of `events`.
import type { Status } from '../containers/status.ts';

export type Happening =
  | { readonly kind: 'create' | 'start' | 'pause' | 'unpause' | 'stop' | 'oom' | 'destroy' }
  | { readonly kind: 'die'; readonly exitCode: number; readonly willRestart: boolean }
  | { readonly kind: 'health_status'; readonly health: string };

/** What happened between two looks, in the order in which it must have happened. */
export function changesBetween(before: Status, after: Status): readonly Happening[] {
  return [
    ...lifeChanges(before, after),
    ...pauseChanges(before, after),
    ...healthChanges(before, after),
    ...endChanges(before, after),
  ];
}

function lifeChanges(before: Status, after: Status): readonly Happening[] {
  const started = after.startedAt !== '' && after.startedAt !== before.startedAt;
  return started ? [{ kind: 'start' }] : [];
}

function pauseChanges(before: Status, after: Status): readonly Happening[] {
  if (before.state !== 'paused' && after.state === 'paused') return [{ kind: 'pause' }];
  return before.state === 'paused' && after.state === 'running' ? [{ kind: 'unpause' }] : [];
}

function healthChanges(before: Status, after: Status): readonly Happening[] {
  const health = after.health?.status;
  if (health === undefined || health === before.health?.status || after.state !== 'running') return [];
  return [{ kind: 'health_status', health }];
}

function endChanges(before: Status, after: Status): readonly Happening[] {
  const ended = after.state === 'stopped' || after.state === 'restarting' || after.state === 'lost';
  const isLost = after.state === 'lost' && before.state !== 'lost';
  // Without a time of its end the container is just being removed.
  const isNew = after.finishedAt !== before.finishedAt && after.finishedAt !== '';
  if (!ended || !(isNew || isLost)) return finalStop(before, after);
  const oom: readonly Happening[] = after.oomKilled && !before.oomKilled ? [{ kind: 'oom' }] : [];
  const die: Happening = { kind: 'die', exitCode: after.exitCode, willRestart: after.state === 'restarting' };
  const stop: readonly Happening[] = after.stopRequested ? [{ kind: 'stop' }] : [];
  return [...oom, die, ...stop];
}

/** A container that was waiting to be restarted is stopped for good. */
function finalStop(before: Status, after: Status): readonly Happening[] {
  return before.state === 'restarting' && after.state === 'stopped' ? [{ kind: 'stop' }] : [];
}

/** What a container still tells of its past; times in RFC 3339. */
export function pastHappenings(
  created: string,
  { startedAt, finishedAt, exitCode }: Status,
): readonly { readonly time: string; readonly happening: Happening }[] {
  return [
    { time: created, happening: { kind: 'create' } },
    ...(startedAt === '' ? [] : [{ time: startedAt, happening: { kind: 'start' } } as const]),
    ...(finishedAt === ''
      ? []
      : [{ time: finishedAt, happening: { kind: 'die', exitCode, willRestart: false } } as const]),
  ];
}
