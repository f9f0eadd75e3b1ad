// Reaching a goal: observe, plan, carry out; again when the first part decides what the rest has to be.
import type { Project } from '../compose/project.ts';
import type { OnEvent } from '../events.ts';
import type { Goal } from '../plan/goal.ts';
import type { Action, Plan } from '../plan/plan.ts';
import { reconcile } from '../plan/reconcile.ts';
import { mountedImages } from '../plan/references.ts';
import type { Context } from '../state/context.ts';
import { type ApplyOptions, carryOut } from './carry-out.ts';
import { withProvider } from './injection.ts';
import { discardContainer } from './remove.ts';
import type { Result } from './result.ts';
import { type BeforeStart, type OneoffRequest, Session } from './session.ts';
import { type ImageWanted, observe, type World } from './world.ts';

export interface Setting {
  readonly ctx: Context;
  readonly version: string;
  readonly separator: '-' | '_';
  readonly offline: boolean;
}

export interface Work {
  readonly goal: Goal;
  readonly applying: ApplyOptions;
  readonly oneoff?: OneoffRequest;
}

/** Reaches a goal in as few plans as it takes: providers and images come first when the rest depends on them. */
export async function reach(engine: Setting, project: Project, work: Work): Promise<Result> {
  const { session, result } = await reachWith(engine, project, work);
  session.close();
  return result;
}

export interface Reached {
  readonly session: Session;
  readonly result: Result;
}

export async function reachWith(engine: Setting, project: Project, work: Work): Promise<Reached> {
  const { goal, applying, oneoff } = work;
  const emit: OnEvent = (event) => applying.onEvent?.(event);
  const world = await settledWorld(engine, project, goal);
  const session = newSession(engine, project, { world, emit, oneoff, ...wishesOf(applying) });
  const plan = reconcile(project, world.observed, goal, engine);
  await applying.approve?.(plan);
  const first = preliminary(plan, world);
  if (first.length === 0) return { session, result: await carryOut(session, plan, applying) };
  const begun = await carryOut(session, { actions: first, warnings: [] }, applying);
  if (begun.error !== undefined) return { session, result: begun };
  const informed = session.provided.reduce(withProvider, project);
  const done = new Set(first.map(({ id }) => id));
  return followUp(engine, informed, { ...work, done });
}

// Providers have told their variables and images are here: only now it is known what has to be replaced.
async function followUp(
  engine: Setting,
  project: Project,
  { goal, applying, oneoff, done }: Work & { readonly done: ReadonlySet<string> },
): Promise<Reached> {
  const emit: OnEvent = (event) => applying.onEvent?.(event);
  const world = await observe(engine.ctx, project, imagesFor(engine, project, goal));
  const session = newSession(engine, project, { world, emit, oneoff, ...wishesOf(applying) });
  const plan = without(reconcile(project, world.observed, goal, engine), done);
  return { session, result: await carryOut(session, plan, applying) };
}

/** Actions that the rest of the plan may look different after. */
function preliminary({ actions }: Plan, world: World): readonly Action[] {
  const existing = new Set(world.observed.containers.map(({ service }) => service));
  return actions.filter((action) => {
    if (action.kind === 'run-provider') return action.verb === 'up';
    const isImage = action.kind === 'pull-image' || action.kind === 'build-image';
    return isImage && existing.has(action.service);
  });
}

function without({ actions, warnings }: Plan, done: ReadonlySet<string>): Plan {
  const left = (ids: readonly string[]) => ids.filter((id) => !done.has(id));
  const rest = actions.filter(({ id }) => !done.has(id));
  return {
    actions: rest.map((action) => ({ ...action, needs: left(action.needs), after: left(action.after) })),
    warnings,
  };
}

function wishesOf({ force, beforeEachStart }: ApplyOptions) {
  return { force, beforeEachStart };
}

interface SessionParts {
  readonly world: World;
  readonly emit: OnEvent;
  readonly oneoff?: OneoffRequest | undefined;
  readonly force?: AbortSignal | undefined;
  readonly beforeEachStart?: BeforeStart | undefined;
}

export function newSession(engine: Setting, project: Project, parts: SessionParts): Session {
  return new Session({ ...engine, project, ...parts });
}

/** The images whose presence decides what a goal takes. */
export function imagesFor({ separator }: Setting, project: Project, goal: Goal): readonly ImageWanted[] {
  const matters =
    goal.kind === 'up' || goal.kind === 'run' || (goal.kind === 'down' && goal.images !== undefined);
  if (!matters) return [];
  const services = Object.entries(project.services).filter(([, { provider }]) => provider === undefined);
  return services.flatMap(([name, service]) => {
    const { image = `${project.name}${separator}${name}`, platform } = service;
    const mounted = mountedImages(service).map((each) => ({ name: each, platform: undefined }));
    return [{ name: image, platform }, ...mounted];
  });
}

// Nobody was there to remove what `run --rm -d` left.
async function settledWorld(engine: Setting, project: Project, goal: Goal): Promise<World> {
  const images = imagesFor(engine, project, goal);
  const world = await observe(engine.ctx, project, images);
  const ended = world.endedOneoffs();
  if (ended.length === 0) return world;
  const session = newSession(engine, project, { world, emit: () => undefined });
  for (const record of ended) await discardContainer(session, record, true);
  return observe(engine.ctx, project, images);
}
