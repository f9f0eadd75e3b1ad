// How a plan went, and the one error that tells it.
import { ActionError, ComposeError, InternalError } from '../errors.ts';
import type { Action, Plan } from '../plan/plan.ts';
import { subjectOf } from '../plan/plan.ts';
import type { Outcome } from './execute.ts';

export interface Failure {
  readonly action: Action;
  readonly error: Error;
}

export interface Result {
  readonly plan: Plan;
  readonly done: readonly Action[];
  readonly failed: readonly Failure[];
  readonly skipped: readonly Action[];
  /** What failed first, why, and what was left; undefined when the goal was reached. */
  readonly error: ComposeError | InternalError | undefined;
}

/** Sums up the outcomes; a wait that was optional is no failure. `running` is asked only when something failed. */
export function resultOf(
  plan: Plan,
  outcomes: ReadonlyMap<string, Outcome>,
  running: () => readonly string[],
): Result {
  const done: Action[] = [];
  const failed: Failure[] = [];
  const skipped: Action[] = [];
  for (const action of plan.actions) {
    const outcome = outcomes.get(action.id);
    if (outcome === undefined || outcome.state === 'skipped') skipped.push(action);
    else if (outcome.state === 'failed' && !isOptional(action))
      failed.push({ action, error: asError(outcome.error) });
    else done.push(action);
  }
  return { plan, done, failed, skipped, error: summary(failed, skipped, running) };
}

/** Whether the goal can be reached without this action. */
export function isOptional(action: Action): boolean {
  return action.kind === 'wait-container' && action.optional;
}

export function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

const DOING: Readonly<Record<Action['kind'], string>> = {
  'pull-image': 'pull image',
  'build-image': 'build image',
  'remove-image': 'remove image',
  'run-provider': 'run the provider of',
  'create-network': 'create network',
  'remove-network': 'remove network',
  'create-volume': 'create volume',
  'remove-volume': 'remove volume',
  'create-container': 'create',
  'start-container': 'start',
  'wait-container': 'wait for',
  'stop-container': 'stop',
  'kill-container': 'kill',
  'pause-container': 'pause',
  'unpause-container': 'unpause',
  'remove-container': 'remove',
};

function summary(
  failed: readonly Failure[],
  skipped: readonly Action[],
  runningNow: () => readonly string[],
): ComposeError | InternalError | undefined {
  const [first, ...others] = failed;
  if (first === undefined) {
    return skipped.length === 0
      ? undefined
      : new ComposeError('interrupted', 'interrupted before everything was done');
  }
  const { action, error } = first;
  if (error instanceof InternalError) return error;
  const message = `cannot ${inWords(action)}: ${error.message}`;
  const running = runningNow();
  const hints = [
    ...(error instanceof ComposeError && error.hint !== undefined ? [error.hint] : []),
    ...(others.length === 0
      ? []
      : [`${others.length} more failed: ${listed(others.map((other) => inWords(other.action)))}`]),
    ...(skipped.length === 0 ? [] : [`not done because of that: ${listed(skipped.map(inWords))}`]),
    ...(running.length === 0 ? [] : [`left running: ${listed(running)}`]),
  ];
  const at = error instanceof ComposeError ? error.at : undefined;
  return new ActionError(error instanceof ComposeError ? error.code : 'system', message, {
    cause: error,
    ...(hints.length === 0 ? {} : { hint: hints.join('; ') }),
    ...(at === undefined ? {} : { at }),
  });
}

function inWords(action: Action): string {
  const object = 'container' in action ? action.container.name : subjectOf(action);
  return `${DOING[action.kind]} ${object}`;
}

const SHOWN = 5;

function listed(names: readonly string[]): string {
  const more = names.length - SHOWN;
  return `${names.slice(0, SHOWN).join(', ')}${more > 0 ? ` and ${more} more` : ''}`;
}
