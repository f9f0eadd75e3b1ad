// Carrying out one plan: ports first, then every action as soon as it can be, then what has to last.
import { keepIndex, listContainers, removeHollow } from '../containers/listing.ts';
import type { PortRecord } from '../containers/record.ts';
import { sight } from '../containers/status.ts';
import { ComposeError } from '../errors.ts';
import type { EngineEvent, OnEvent } from '../events.ts';
import type { Action, ActionOf, Plan } from '../plan/plan.ts';
import { perform } from './actions.ts';
import { execute, type Outcome } from './execute.ts';
import { closeOpened, openedAhead } from './open.ts';
import { futurePortOwner, holdPorts, portOwner, publishedPorts } from './ports.ts';
import { refuseBuild } from './resources.ts';
import { asError, isOptional, type Result, resultOf } from './result.ts';
import type { BeforeStart, Session } from './session.ts';

export interface ApplyOptions {
  /** Aborted: nothing new begins, and what has begun ends well. */
  readonly signal?: AbortSignal | undefined;
  /** Aborted: containers that are asked to stop are killed, without hooks. */
  readonly force?: AbortSignal | undefined;
  /** How many actions at once; no limit below 1. */
  readonly parallel?: number | undefined;
  readonly onEvent?: OnEvent | undefined;
  /** Called with the plan before anything is done; to reject is to do nothing. */
  readonly approve?: ((plan: Plan) => Promise<void>) | undefined;
  /** How long waits may take in all, in milliseconds; 0: no limit. */
  readonly waitMs?: number | undefined;
  /** Called for each container that the plan starts when it is there and its program has not begun. */
  readonly beforeEachStart?: BeforeStart | undefined;
}

export async function carryOut(session: Session, plan: Plan, applying: ApplyOptions): Promise<Result> {
  session.emit({ type: 'planned', plan });
  for (const warning of plan.warnings) session.emit({ type: 'warning', ...warning });
  try {
    // What cannot be done at all is said before anything else is.
    for (const action of plan.actions) if (action.kind === 'build-image') refuseBuild(session, action);
    holdAllPorts(session, plan);
  } catch (error) {
    session.close();
    throw error;
  }
  // A limit is for what is done at once, whatever it is called.
  if ((applying.parallel ?? 0) < 1) session.ahead = openedAhead(plan);
  const outcomes = await executePlan(session, plan, applying);
  await closeOpened(session);
  const { ctx, world } = session;
  removeHollow(ctx, world.listing.hollow);
  keepIndex(ctx, world.listing.index, world.all());
  await persist(session, plan);
  return resultOf(plan, outcomes, () => running(session));
}

async function executePlan(
  session: Session,
  plan: Plan,
  { signal, parallel, waitMs = 0 }: ApplyOptions,
): Promise<ReadonlyMap<string, Outcome>> {
  const byId = new Map(plan.actions.map((action) => [action.id, action]));
  const begun = new Map<string, number>();
  const deadline = waitMs > 0 ? AbortSignal.timeout(waitMs) : undefined;
  return execute(plan.actions, {
    signal,
    parallel,
    isWaiting: ({ kind }) => kind === 'wait-container',
    perform: (action, stop) => {
      if (action.kind !== 'wait-container' || deadline === undefined) return perform(session, action, stop);
      const waiting = perform(session, action, AbortSignal.any([stop, deadline]));
      return waiting.catch((error: unknown) => {
        throw deadline.aborted && !stop.aborted ? tooLate(action, waitMs) : error;
      });
    },
    onStart: (action) => {
      begun.set(action.id, performance.now());
      session.emit({ type: 'action-started', action });
    },
    onEnd: (action, outcome) => {
      const elapsedMs = performance.now() - (begun.get(action.id) ?? performance.now());
      session.emit(endEvent(action, outcome, { elapsedMs, byId }));
    },
  });
}

function tooLate({ container, condition }: ActionOf<'wait-container'>, waitMs: number): ComposeError {
  const wanted = condition.replaceAll('_', ' ');
  return new ComposeError(
    'timeout',
    `container ${container.name} was not ${wanted} within ${waitMs / 1000} s`,
  );
}

interface EndDetails {
  readonly elapsedMs: number;
  readonly byId: ReadonlyMap<string, Action>;
}

function endEvent(action: Action, outcome: Outcome, { elapsedMs, byId }: EndDetails): EngineEvent {
  switch (outcome.state) {
    case 'done':
      return { type: 'action-done', action, elapsedMs };
    case 'skipped':
      return { type: 'action-skipped', action, because: byId.get(outcome.because ?? '') };
    case 'failed': {
      const error = asError(outcome.error);
      if (isOptional(action)) return { type: 'warning', message: `${error.message}; going on without it` };
      return { type: 'action-failed', action, elapsedMs, error };
    }
  }
}

/** Holds the ports of everything that starts, before anything does: a conflict then costs nothing. */
function holdAllPorts(session: Session, { actions }: Plan): void {
  const freed = new Set(actions.flatMap((action) => freedPorts(session, action)));
  const later = ({ protocol, published }: PortRecord) => freed.has(`${published}/${protocol}`);
  for (const action of actions) {
    if (action.kind !== 'start-container') continue;
    const { id } = action.container;
    const record = id === undefined ? undefined : session.world.recordOf(id);
    const owner = record ? portOwner(session, record) : futurePortOwner(session, action.container);
    holdPorts(session, owner, later);
  }
}

// What a container holds that this plan stops can only be held once it has stopped.
function freedPorts({ ctx, world }: Session, action: Action): readonly string[] {
  if (action.kind !== 'stop-container' || action.container.id === undefined) return [];
  const record = world.recordOf(action.container.id);
  if (record === undefined) return [];
  return publishedPorts(ctx, record).map(({ hostPort, protocol }) => `${hostPort}/${protocol}`);
}

/** Names of the project's containers that run now. */
function running({ ctx, project }: Session): readonly string[] {
  const own = listContainers(ctx).filter((record) => record.project === project.name);
  return sight(ctx, own).flatMap(({ record, status }) => (status.state === 'running' ? [record.name] : []));
}

// What was defined has to outlive a power cut; nobody has to wait for that.
async function persist({ ctx }: Session, { actions }: Plan): Promise<void> {
  const lasting = actions.some(({ kind }) => kind === 'create-container' || kind === 'create-volume');
  if (!lasting) return;
  try {
    await ctx.core.spawn('/bin/sync', ['sync', '-f', ctx.layout.stateDir], {}, [-1, -1, -1]);
  } catch {
    // A machine without sync(1) writes it out a little later.
  }
}
