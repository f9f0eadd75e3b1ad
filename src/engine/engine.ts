// The engine: observes, plans and performs, one command at a time for each project.
import { randomBytes } from 'node:crypto';
import type { Project } from '../compose/project.ts';
import { listContainers, removeLeftovers } from '../containers/container.ts';
import type { ContainerRecord, PortRecord } from '../containers/record.ts';
import { readStatus } from '../containers/status.ts';
import { ComposeError } from '../errors.ts';
import type { EngineEvent, OnEvent } from '../events.ts';
import type { Goal, RunGoal } from '../plan/goal.ts';
import type { Action, ActionOf, Plan } from '../plan/plan.ts';
import { recallProject } from '../plan/recall.ts';
import { reconcile } from '../plan/reconcile.ts';
import { enterBoot } from '../state/boot.ts';
import type { Context } from '../state/context.ts';
import { lockFile } from '../state/layout.ts';
import { withLock } from '../state/lock.ts';
import { perform } from './actions.ts';
import { execute, type Outcome } from './execute.ts';
import { withModels, withProvider } from './injection.ts';
import type { OneoffOptions } from './oneoff.ts';
import { futurePortOwner, holdPorts, portOwner, publishedPorts } from './ports.ts';
import { discardContainer } from './remove.ts';
import { asError, isOptional, type Result, resultOf } from './result.ts';
import { type OneoffRequest, Session } from './session.ts';
import { launch, prepareOnce } from './start.ts';
import { observe, type World } from './world.ts';

export type { Result } from './result.ts';

export interface EngineOptions {
  /** Of this program, for labels. */
  readonly version?: string;
  /** Never talk to a registry. */
  readonly offline?: boolean;
  /** Names with `_` between their parts, as Compose 1 made them. */
  readonly compatibility?: boolean;
}

export interface ApplyOptions {
  readonly signal?: AbortSignal | undefined;
  /** How many actions at once; no limit below 1. */
  readonly parallel?: number | undefined;
  readonly onEvent?: OnEvent | undefined;
  /** Called with the plan before anything is done; to reject is to do nothing. */
  readonly approve?: ((plan: Plan) => Promise<void>) | undefined;
  /** How long waits may take in all, in milliseconds; 0: no limit. */
  readonly waitMs?: number | undefined;
}

/** What `run` is told. */
export interface RunRequest extends OneoffOptions, Omit<RunGoal, 'kind' | 'name'> {
  /** `PROJECT-SERVICE-run-` and twelve hex digits unless given. */
  readonly name?: string;
  readonly autoRemove?: boolean;
  readonly useAliases?: boolean;
  /** Standard input ends with the client that is attached. */
  readonly attached?: boolean;
}

export interface RunOptions extends ApplyOptions {
  /** Called when the container is there and its program has not begun. */
  readonly beforeStart?: (record: ContainerRecord) => Promise<void>;
}

export interface RunResult extends Result {
  /** Undefined when it could not be made. */
  readonly container: ContainerRecord | undefined;
}

export interface Engine {
  readonly context: Context;
  /** What would be done; nothing is. */
  plan(project: Project, goal: Goal): Promise<Plan>;
  /** Reaches a goal; rejects when it cannot be planned, resolves with what failed otherwise. */
  apply(project: Project, goal: Goal, options?: ApplyOptions): Promise<Result>;
  /** Makes and starts a one-off container; resolves when its program runs. */
  run(project: Project, request: RunRequest, options?: RunOptions): Promise<RunResult>;
  /** The project of that name as its containers tell it. */
  recall(name: string): Promise<Project>;
  /** Removes a one-off container that has ended, with its anonymous volumes. */
  discard(record: ContainerRecord): Promise<void>;
}

/** Opens the engine on the state of this machine. */
export function openEngine(context: Context, options: EngineOptions = {}): Engine {
  enterBoot(context);
  const engine: Inner = {
    ctx: context,
    version: options.version ?? 'dev',
    separator: options.compatibility ? '_' : '-',
    offline: options.offline ?? false,
  };
  return {
    context,
    plan: async (project, goal) => {
      const prepared = withModels(project);
      const world = await observe(context, prepared, imagesFor(engine, prepared, goal));
      return reconcile(prepared, world.observed, goal, engine);
    },
    apply: (project, goal, applying = {}) =>
      exclusively(engine, project, applying, () => reach(engine, withModels(project), { goal, applying })),
    run: (project, request, running = {}) =>
      exclusively(engine, project, running, () =>
        runOneoff(engine, withModels(project), { request, running }),
      ),
    recall: async (name) => recallProject(name, (await observe(context, { name }, [])).observed),
    discard: async (record) => {
      const world = await observe(context, { name: record.project }, []);
      const session = newSession(engine, emptyProject(record.project), { world, emit: () => undefined });
      await discardContainer(session, record, true);
    },
  };
}

interface Inner {
  readonly ctx: Context;
  readonly version: string;
  readonly separator: '-' | '_';
  readonly offline: boolean;
}

/** Only one command works on a project at a time. */
function exclusively<T>(
  { ctx }: Inner,
  { name }: Project,
  { signal, onEvent }: ApplyOptions,
  work: () => Promise<T>,
): Promise<T> {
  const onWait = () => onEvent?.({ type: 'lock-waiting', project: name });
  const creating = lockFile(ctx.layout, 'containers');
  return withLock(
    ctx.core,
    lockFile(ctx.layout, `project-${name}`),
    { exclusive: true, signal, onWait },
    () => {
      tidy(ctx, creating);
      return withLock(ctx.core, creating, { exclusive: false, signal }, work);
    },
  );
}

// Only while no command at all is at work it is certain that a half-made container is nobody's.
function tidy(ctx: Context, creating: string): void {
  const alone = ctx.core.lock(creating, { exclusive: true });
  if (alone === undefined) return;
  try {
    removeLeftovers(ctx);
  } finally {
    ctx.core.close(alone);
  }
}

interface Work {
  readonly goal: Goal;
  readonly applying: ApplyOptions;
  readonly oneoff?: OneoffRequest;
}

/** Reaches a goal in as few plans as it takes: providers and images come first when the rest depends on them. */
async function reach(engine: Inner, project: Project, work: Work): Promise<Result> {
  const { session, result } = await reachWith(engine, project, work);
  session.close();
  return result;
}

interface Reached {
  readonly session: Session;
  readonly result: Result;
}

async function reachWith(engine: Inner, project: Project, work: Work): Promise<Reached> {
  const { goal, applying, oneoff } = work;
  const emit: OnEvent = (event) => applying.onEvent?.(event);
  const world = await settledWorld(engine, project, goal);
  const session = newSession(engine, project, { world, emit, oneoff });
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
  engine: Inner,
  project: Project,
  { goal, applying, oneoff, done }: Work & { readonly done: ReadonlySet<string> },
): Promise<Reached> {
  const emit: OnEvent = (event) => applying.onEvent?.(event);
  const world = await observe(engine.ctx, project, imagesFor(engine, project, goal));
  const session = newSession(engine, project, { world, emit, oneoff });
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

interface SessionParts {
  readonly world: World;
  readonly emit: OnEvent;
  readonly oneoff?: OneoffRequest | undefined;
}

function newSession(engine: Inner, project: Project, parts: SessionParts): Session {
  return new Session({ ...engine, project, ...parts });
}

/** Names of the images whose presence decides what a goal takes. */
function imagesFor({ separator }: Inner, project: Project, goal: Goal): readonly string[] {
  const matters =
    goal.kind === 'up' || goal.kind === 'run' || (goal.kind === 'down' && goal.images !== undefined);
  if (!matters) return [];
  const services = Object.entries(project.services).filter(([, { provider }]) => provider === undefined);
  return services.map(([name, { image }]) => image ?? `${project.name}${separator}${name}`);
}

// Nobody was there to remove what `run --rm -d` left.
async function settledWorld(engine: Inner, project: Project, goal: Goal): Promise<World> {
  const images = imagesFor(engine, project, goal);
  const world = await observe(engine.ctx, project, images);
  const ended = world.endedOneoffs();
  if (ended.length === 0) return world;
  const session = newSession(engine, project, { world, emit: () => undefined });
  for (const record of ended) await discardContainer(session, record, true);
  return observe(engine.ctx, project, images);
}

async function carryOut(session: Session, plan: Plan, applying: ApplyOptions): Promise<Result> {
  session.emit({ type: 'planned', plan });
  for (const warning of plan.warnings) session.emit({ type: 'warning', ...warning });
  try {
    holdAllPorts(session, plan);
  } catch (error) {
    session.close();
    throw error;
  }
  const outcomes = await executePlan(session, plan, applying);
  persist(session, plan);
  return resultOf(plan, outcomes, running(session));
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
function freedPorts({ ctx }: Session, action: Action): readonly string[] {
  if (action.kind !== 'stop-container' || action.container.id === undefined) return [];
  return publishedPorts(ctx, action.container.id).map(({ hostPort, protocol }) => `${hostPort}/${protocol}`);
}

/** Names of the project's containers that run now. */
function running({ ctx, project }: Session): readonly string[] {
  const own = listContainers(ctx).filter((record) => record.project === project.name);
  return own.filter(({ id }) => readStatus(ctx, id).state === 'running').map(({ name }) => name);
}

// What was defined has to outlive a power cut; nobody has to wait for that.
function persist({ ctx }: Session, { actions }: Plan): void {
  const lasting = actions.some(({ kind }) => kind === 'create-container' || kind === 'create-volume');
  if (!lasting) return;
  try {
    ctx.core.spawn('/bin/sync', ['sync', '-f', ctx.layout.stateDir], {}, [-1, -1, -1]);
  } catch {
    // A machine without sync(1) writes it out a little later.
  }
}

async function runOneoff(
  engine: Inner,
  project: Project,
  { request, running: options }: { readonly request: RunRequest; readonly running: RunOptions },
): Promise<RunResult> {
  const slug = randomBytes(32).toString('hex');
  const { separator } = engine;
  const name = request.name ?? [project.name, request.service, 'run', slug.slice(0, 12)].join(separator);
  const oneoff: OneoffRequest = {
    ...request,
    slug,
    autoRemove: request.autoRemove ?? false,
    useAliases: request.useAliases ?? false,
    attached: request.attached ?? false,
  };
  const goal: RunGoal = { ...request, kind: 'run', name };
  const { session, result } = await reachWith(engine, project, { goal, applying: options, oneoff });
  try {
    if (result.error !== undefined) return { ...result, container: undefined };
    const container = session.world.container({ service: request.service, number: 1, name });
    const signal = options.signal ?? new AbortController().signal;
    await prepareOnce(session, container);
    await launch(session, container, {
      signal,
      ...(options.beforeStart === undefined ? {} : { beforeStart: options.beforeStart }),
    });
    return { ...result, container };
  } finally {
    session.close();
  }
}

function emptyProject(name: string): Project {
  return recallProject(name, {
    containers: [],
    networks: [],
    volumes: [],
    images: new Map(),
    foreignNames: new Map(),
  });
}
