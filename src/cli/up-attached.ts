// An attached `up`: the output of containers until all have ended, one ends that matters, or an interrupt comes.
import type { Project } from '../compose/project.ts';
import type { ContainerRecord } from '../containers/record.ts';
import type { UpGoal } from '../plan/goal.ts';
import type { Plan } from '../plan/plan.ts';
import type { Context } from '../state/context.ts';
import type { CliContext } from './command.ts';
import { checkServices } from './existing.ts';
import { canWrite, type From, LogFollower, sinceStart } from './log-follow.ts';
import { LogPrinter, shortName } from './log-lines.ts';
import { reach, STOPPING } from './perform.ts';
import { requireRoot } from './privilege.ts';
import { createProgress, type Progress } from './progress.ts';
import { type ContainerEvent, ContainerWatch } from './watch.ts';

export interface UpAttachedOptions {
  readonly goal: UpGoal;
  readonly attach: readonly string[];
  readonly noAttach: readonly string[];
  readonly attachDependencies: boolean;
  readonly abortOn: 'never' | 'exit' | 'failure';
  readonly exitCodeFrom: string | undefined;
  readonly prefix: boolean;
  readonly timestamps: boolean;
  readonly noColor: boolean;
  readonly graceMs?: number;
}

const INTERRUPTED = 130;

/** Returns the exit code of the whole. */
export async function upAttached(
  context: CliContext,
  project: Project,
  options: UpAttachedOptions,
): Promise<number> {
  checkServices(project, [
    ...options.attach,
    ...options.noAttach,
    ...(options.exitCodeFrom === undefined ? [] : [options.exitCodeFrom]),
  ]);
  requireRoot();
  const attached = new Attached(context, await context.state(), project, options);
  try {
    return await attached.run();
  } finally {
    attached.close();
  }
}

/** Why the waiting is over. */
type End =
  | { readonly kind: 'all-ended' }
  | { readonly kind: 'interrupted' }
  | { readonly kind: 'abort'; readonly exitCode: number };

class Attached {
  readonly #context: CliContext;
  readonly #project: Project;
  readonly #options: UpAttachedOptions;
  readonly #printer: LogPrinter;
  readonly #follower: LogFollower;
  readonly #progress: Progress;
  readonly #watch: ContainerWatch;
  readonly #shown: ReadonlySet<string>;
  readonly #scope: ReadonlySet<string>;
  readonly #ended: Promise<End>;
  #end: (end: End) => void = () => undefined;
  #isUp = false;

  constructor(context: CliContext, state: Context, project: Project, options: UpAttachedOptions) {
    this.#context = context;
    this.#project = project;
    this.#options = options;
    this.#scope = scopeOf(project, options.goal);
    this.#shown = shownServices(project, this.#scope, options);
    this.#progress = createProgress(context);
    const { prefix, timestamps, noColor } = options;
    this.#printer = new LogPrinter(context, {
      prefix,
      timestamps,
      colours: !noColor && context.colours('stdout'),
    });
    this.#follower = new LogFollower(state, this.#printer);
    this.#ended = new Promise((resolve) => {
      this.#end = resolve;
    });
    this.#watch = new ContainerWatch(
      state,
      (record) => record.project === project.name && !record.oneoff && this.#scope.has(record.service),
      (event) => this.#see(event),
    );
    context.signal.addEventListener('abort', () => this.#interrupt(), { once: true });
  }

  async run(): Promise<number> {
    for (const { record, status } of this.#watch.current) {
      if (this.#isShown(record) && canWrite(status)) this.#follow(record, { tail: 0 });
    }
    const { error } = await reach(this.#context, this.#project, {
      goal: this.#options.goal,
      signal: this.#context.signal,
      progress: this.#progress,
      approve: async (plan) => this.#announce(plan),
      beforeEachStart: async (record) => {
        if (this.#isShown(record)) await this.#follower.attach(record);
      },
    });
    this.#isUp = true;
    if (error !== undefined && !this.#context.signal.aborted) {
      await this.#follower.finish();
      throw error;
    }
    this.#lookForEnd();
    return this.#finish(await this.#ended);
  }

  close(): void {
    this.#watch.close();
  }

  #follow(record: ContainerRecord, from: From): void {
    this.#follower.follow(record, from);
    void this.#follower.attach(record);
  }

  #isShown({ service }: ContainerRecord): boolean {
    return this.#shown.has(service);
  }

  /** Names of containers come before their first line. */
  #announce(plan: Plan): void {
    const removed = new Set(
      plan.actions.flatMap((a) => (a.kind === 'remove-container' ? [a.container.id] : [])),
    );
    const kept = this.#watch.current.map(({ record }) => record).filter(({ id }) => !removed.has(id));
    const made = plan.actions.flatMap((a) =>
      a.kind === 'create-container' ? [{ ...a.container, project: this.#project.name }] : [],
    );
    const names = [...kept, ...made].filter(({ service }) => this.#shown.has(service)).map(shortName);
    this.#printer.expectNames(names);
    if (names.length > 0) this.#printer.tell(`Attaching to ${[...new Set(names)].sort().join(', ')}`);
  }

  #see(event: ContainerEvent): void {
    const { happening, record, status } = event;
    if (happening.kind === 'start' && this.#isShown(record)) {
      this.#progress.release();
      this.#follow(record, sinceStart(status));
    }
    if (happening.kind === 'die') {
      this.#tellEnd(record, happening);
      const matters =
        this.#options.abortOn === 'exit' || (this.#options.abortOn === 'failure' && happening.exitCode !== 0);
      if (matters && !happening.willRestart && !this.#hasSuccessfulDependents(event)) {
        this.#end({ kind: 'abort', exitCode: happening.exitCode });
      }
    }
    this.#lookForEnd();
  }

  /** A job that others wait for is meant to end. */
  #hasSuccessfulDependents({ record, happening }: ContainerEvent): boolean {
    if (happening.kind !== 'die' || happening.exitCode !== 0) return false;
    return Object.values(this.#project.services).some(
      ({ depends_on }) => depends_on?.[record.service]?.condition === 'service_completed_successfully',
    );
  }

  #tellEnd(
    record: ContainerRecord,
    { exitCode, willRestart }: { exitCode: number; willRestart: boolean },
  ): void {
    if (!this.#isShown(record)) return;
    const text = `${shortName(record)} exited with code ${exitCode}${willRestart ? ' (restarting)' : ''}`;
    if (willRestart) this.#printer.tell(text);
    else void this.#follower.drained(record).then(() => this.#printer.tell(text));
  }

  #lookForEnd(): void {
    const { current } = this.#watch;
    if (this.#isUp && !current.some(({ status }) => canWrite(status))) this.#end({ kind: 'all-ended' });
  }

  async #finish(end: End): Promise<number> {
    if (end.kind === 'all-ended') {
      await this.#drain();
      return this.#codeOf(this.#options.exitCodeFrom) ?? 0;
    }
    if (end.kind === 'abort') this.#context.err('Aborting on container exit...\n');
    await this.#stop(end.kind === 'interrupted' ? (this.#options.goal.services ?? []) : []);
    await this.#drain();
    if (end.kind === 'interrupted') return INTERRUPTED;
    return this.#codeOf(this.#options.exitCodeFrom) ?? end.exitCode;
  }

  #interrupt(): void {
    // On the way up `reach` answers.
    if (this.#isUp) this.#context.err(STOPPING);
    this.#end({ kind: 'interrupted' });
  }

  /** The second interrupt kills what the first one asked to stop. */
  async #stop(services: readonly string[]): Promise<void> {
    const grace = this.#options.graceMs === undefined ? {} : { graceMs: this.#options.graceMs };
    const goal = { kind: 'stop', services, ...grace } as const;
    const { error } = await reach(this.#context, this.#project, { goal });
    if (error !== undefined) throw error;
  }

  async #drain(): Promise<void> {
    await this.#follower.finish();
    // What `drained` lets go on is printed before we end.
    await new Promise((resolve) => setImmediate(resolve));
    this.#printer.flush();
  }

  #codeOf(service: string | undefined): number | undefined {
    if (service === undefined) return undefined;
    return this.#watch.current.find(({ record }) => record.service === service)?.status.exitCode;
  }
}

/** The services that the goal is about: those named and what they depend on. */
function scopeOf(project: Project, { services = [], noDeps }: UpGoal): ReadonlySet<string> {
  if (services.length === 0) return new Set(Object.keys(project.services));
  const scope = new Set<string>();
  const visit = (name: string): void => {
    if (scope.has(name) || !Object.hasOwn(project.services, name)) return;
    scope.add(name);
    if (!noDeps)
      for (const dependency of Object.keys(project.services[name]?.depends_on ?? {})) visit(dependency);
  };
  for (const name of services) visit(name);
  return scope;
}

/** The services whose output is shown. */
function shownServices(
  project: Project,
  scope: ReadonlySet<string>,
  { goal, attach, noAttach, attachDependencies }: UpAttachedOptions,
): ReadonlySet<string> {
  if (attach.length > 0) return new Set(attach.filter((name) => !noAttach.includes(name)));
  const named = goal.services ?? [];
  const candidates = named.length > 0 && !attachDependencies ? named : [...scope];
  const wanted = candidates.filter(
    (name) => !noAttach.includes(name) && project.services[name]?.attach !== false,
  );
  return new Set(wanted);
}
