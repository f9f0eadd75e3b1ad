// Reaching a goal with its progress on the screen.
import { relative } from 'node:path';
import type { Project } from '../compose/project.ts';
import type { ContainerRecord } from '../containers/record.ts';
import type { Result } from '../engine/engine.ts';
import type { EngineEvent } from '../events.ts';
import type { Goal } from '../plan/goal.ts';
import { type Plan, renderPlan } from '../plan/plan.ts';
import type { CliContext } from './command.ts';
import { styled } from './output.ts';
import { requireRoot } from './privilege.ts';
import { createProgress, type Progress } from './progress.ts';

export interface PerformOptions {
  /** How long waits may take in all; 0 or absent: no limit. */
  readonly waitMs?: number;
  /** Sees the plan before anything is done; to reject is to do nothing. */
  readonly approve?: (plan: Plan) => Promise<void>;
  /** Called for each container that is started when it is there and its program has not begun. */
  readonly beforeEachStart?: (record: ContainerRecord) => Promise<void>;
}

/** Reaches the goal, or prints its plan with `--dry-run`; returns the exit code. */
export async function perform(
  context: CliContext,
  project: Project,
  goal: Goal,
  options: PerformOptions = {},
): Promise<number> {
  if (context.global.dryRun) return dryRun(context, project, goal);
  const { error } = await reach(context, project, { goal, signal: context.signal, ...options });
  if (error !== undefined) throw error;
  return 0;
}

/** Prints what would be done. */
export async function dryRun(context: CliContext, project: Project, goal: Goal): Promise<number> {
  const engine = await context.engine();
  const plan = renderPlan(await engine.plan(project, goal));
  context.out(plan.replace(/^/gm, 'DRY-RUN MODE - ').concat('\n'));
  return 0;
}

export interface Reaching extends PerformOptions {
  readonly goal: Goal;
  readonly signal?: AbortSignal;
  readonly progress?: Progress;
}

/** What the first interrupt is answered with. */
export const STOPPING = 'Gracefully stopping... (again to force)\n';

/** Reaches the goal and shows how; what failed is in the result. */
export async function reach(context: CliContext, project: Project, reaching: Reaching): Promise<Result> {
  requireRoot();
  const { goal, progress = createProgress(context), ...options } = reaching;
  const engine = await context.engine();
  const onEvent = eventPrinter(context, progress);
  const force = context.insistence;
  const answer = () => progress.note(STOPPING);
  options.signal?.addEventListener('abort', answer, { once: true });
  try {
    return await engine.apply(project, goal, {
      ...options,
      force,
      parallel: context.global.parallel,
      onEvent,
    });
  } finally {
    options.signal?.removeEventListener('abort', answer);
    await progress.finish();
  }
}

/** What the engine tells, on standard error. */
export function eventPrinter(context: CliContext, progress: Progress): (event: EngineEvent) => void {
  return (event) => {
    switch (event.type) {
      case 'planned':
        return progress.expect(event.plan);
      case 'action-started':
        return progress.update(event.action, 'started');
      case 'action-done':
        return progress.update(event.action, 'done');
      case 'action-failed':
        return progress.update(event.action, 'failed', event.error.message);
      case 'action-skipped':
        return progress.update(event.action, 'skipped');
      case 'transfer':
        return progress.transfer(event.action, event.progress);
      case 'output':
        return progress.note(`${event.line}\n`);
      case 'lock-waiting':
        return progress.note(`waiting for another command on project ${event.project}\n`);
      case 'warning': {
        const word = styled('warning', 'yellow', context.colours('stderr'));
        const place = event.at === undefined ? '' : ` (${relative('', event.at.file)}:${event.at.line})`;
        const hint = event.hint ? `  hint: ${event.hint}\n` : '';
        return progress.note(`${word}: ${event.message}${place}\n${hint}`);
      }
    }
  };
}
