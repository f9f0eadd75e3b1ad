// The engine: one command at a time for each project, and what others may ask of it.
import { randomBytes } from 'node:crypto';
import type { Project } from '../compose/project.ts';
import { removeLeftovers } from '../containers/listing.ts';
import type { ContainerRecord } from '../containers/record.ts';
import type { Goal, RunGoal } from '../plan/goal.ts';
import type { Plan } from '../plan/plan.ts';
import { recallProject } from '../plan/recall.ts';
import { reconcile } from '../plan/reconcile.ts';
import { enterBoot } from '../state/boot.ts';
import type { Context } from '../state/context.ts';
import { lockFile } from '../state/layout.ts';
import { withLock } from '../state/lock.ts';
import type { ApplyOptions } from './carry-out.ts';
import { withModels } from './injection.ts';
import type { OneoffOptions } from './oneoff.ts';
import { withOwnContainers } from './own-containers.ts';
import { withPredefined } from './predefined.ts';
import { imagesFor, newSession, reach, reachWith, type Setting } from './reach.ts';
import { discardContainer } from './remove.ts';
import type { Result } from './result.ts';
import type { BeforeStart, OneoffRequest, Session } from './session.ts';
import { launch, prepareOnce } from './start.ts';
import { observe } from './world.ts';

export type { ApplyOptions } from './carry-out.ts';
export type { Result } from './result.ts';

export interface EngineOptions {
  /** Of this program, for labels. */
  readonly version?: string;
  /** Never talk to a registry. */
  readonly offline?: boolean;
  /** Names with `_` between their parts, as Compose 1 made them. */
  readonly compatibility?: boolean;
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
  readonly beforeStart?: BeforeStart;
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

/** The project as plans understand it. */
function prepare(project: Project, { separator }: Pick<Setting, 'separator'>): Project {
  return withOwnContainers(withPredefined(withModels(project)), separator);
}

/** Opens the engine on the state of this machine. */
export function openEngine(context: Context, options: EngineOptions = {}): Engine {
  const engine: Setting = {
    ctx: context,
    version: options.version ?? 'dev',
    separator: options.compatibility ? '_' : '-',
    offline: options.offline ?? false,
  };
  return {
    context,
    plan: async (project, goal) => {
      const prepared = prepare(project, engine);
      const world = await observe(context, prepared, imagesFor(engine, prepared, goal));
      return reconcile(prepared, world.observed, goal, engine);
    },
    apply: (project, goal, applying = {}) =>
      exclusively(engine, project, applying, () =>
        reach(engine, prepare(project, engine), { goal, applying }),
      ),
    run: (project, request, running = {}) =>
      exclusively(engine, project, running, () =>
        runOneoff(engine, prepare(project, engine), { request, running }),
      ),
    recall: async (name) => recallProject(name, (await observe(context, { name }, [])).observed),
    discard: async (record) => {
      const world = await observe(context, { name: record.project }, []);
      const session = newSession(engine, emptyProject(record.project), { world, emit: () => undefined });
      await discardContainer(session, record, true);
    },
  };
}

/** Only one command works on a project at a time. Whoever only looks writes nothing, not even that there was a reboot. */
function exclusively<T>(
  { ctx }: Setting,
  { name }: Project,
  { signal, onEvent }: ApplyOptions,
  work: () => Promise<T>,
): Promise<T> {
  enterBoot(ctx);
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

async function runOneoff(
  engine: Setting,
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
  const container = session.world.made(name);
  try {
    if (result.error === undefined && container !== undefined) {
      await launchOneoff(session, container, options);
      return { ...result, container };
    }
    await abandon(session, container);
    return { ...result, container: undefined };
  } catch (error) {
    await abandon(session, container);
    throw error;
  } finally {
    session.close();
  }
}

async function launchOneoff(
  session: Session,
  container: ContainerRecord,
  { signal = new AbortController().signal, beforeStart }: RunOptions,
): Promise<void> {
  await prepareOnce(session, container);
  await launch(session, container, { signal, beforeStart });
}

// What was to be removed at its end has no use when it could not begin.
async function abandon(session: Session, container: ContainerRecord | undefined): Promise<void> {
  if (container?.autoRemove) await discardContainer(session, container, true);
}

function emptyProject(name: string): Project {
  return recallProject(name, {
    containers: [],
    networks: [],
    volumes: [],
    images: new Map(),
    time: 0,
    foreignNames: new Map(),
  });
}
