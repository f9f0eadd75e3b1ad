// Plans: actions with their order and their causes, and the text that shows them.
import { InternalError, unreachable } from '../errors.ts';

/** A container as an action names it; without `id` it is the one that this plan creates under that name. */
export interface ContainerRef {
  readonly service: string;
  readonly number: number;
  readonly name: string;
  readonly id?: string;
}

/** What a container has to come to before others may go on. */
export type WaitCondition = 'running' | 'healthy' | 'running_or_healthy' | 'completed_successfully';

type Doing =
  | {
      readonly kind: 'pull-image';
      readonly image: string;
      readonly service: string;
      /** `os/architecture[/variant]`; that of this machine unless told. */
      readonly platform?: string;
    }
  | { readonly kind: 'build-image'; readonly image: string; readonly service: string }
  | { readonly kind: 'remove-image'; readonly image: string }
  | { readonly kind: 'run-provider'; readonly service: string; readonly verb: 'up' | 'down' | 'stop' }
  | { readonly kind: 'create-network'; readonly key: string; readonly name: string }
  | { readonly kind: 'remove-network'; readonly name: string }
  | { readonly kind: 'create-volume'; readonly key: string; readonly name: string }
  | { readonly kind: 'remove-volume'; readonly name: string }
  | {
      readonly kind: 'create-container';
      readonly container: ContainerRef;
      readonly oneoff: boolean;
      /** The container whose place it takes; its anonymous volumes are handed on unless they are renewed. */
      readonly replaces?: string;
      readonly renewVolumes?: boolean;
    }
  | { readonly kind: 'start-container'; readonly container: ContainerRef }
  | {
      readonly kind: 'wait-container';
      readonly container: ContainerRef;
      readonly condition: WaitCondition;
      /** A failure is only a warning. */
      readonly optional: boolean;
    }
  | {
      readonly kind: 'stop-container';
      readonly container: ContainerRef;
      /** Undefined: the container's own grace period. */
      readonly graceMs?: number;
      /** Whether pre_stop hooks run. */
      readonly hooks: boolean;
    }
  | { readonly kind: 'kill-container'; readonly container: ContainerRef; readonly signal: string }
  | { readonly kind: 'pause-container'; readonly container: ContainerRef }
  | { readonly kind: 'unpause-container'; readonly container: ContainerRef }
  | { readonly kind: 'remove-container'; readonly container: ContainerRef; readonly volumes: boolean };

interface Place {
  /** Unique in the plan, for example `start-container demo-db-1`. */
  readonly id: string;
  /** Ids of actions that must have succeeded. */
  readonly needs: readonly string[];
  /** Ids of actions that must have ended, however. */
  readonly after: readonly string[];
  /** Why it is done, in a few words. */
  readonly cause: string;
}

/** One call into one room. */
export type Action = Doing & Place;
export type ActionKind = Action['kind'];
export type ActionOf<K extends ActionKind> = Extract<Action, { readonly kind: K }>;

/** Something the user should know, without anything to be done. */
export interface PlanWarning {
  readonly message: string;
  readonly hint?: string;
}

export interface Plan {
  /** Needs come before what needs them. */
  readonly actions: readonly Action[];
  readonly warnings: readonly PlanWarning[];
}

/** What is to be done, its cause, and what it comes after. */
export type Draft = Doing & {
  readonly cause: string;
  readonly needs?: Iterable<string | undefined>;
  readonly after?: Iterable<string | undefined>;
};

/** Collects actions; the finished plan has them in an order in which they could be done one by one. */
export class PlanBuilder {
  readonly #actions = new Map<string, Action>();
  readonly #warnings: PlanWarning[] = [];

  /** Adds an action and returns its id. The same action twice is one action with the needs of both. */
  add({ needs = [], after = [], ...doing }: Draft): string {
    const id = `${doing.kind} ${subjectOf(doing)}`;
    const before = this.#actions.get(id);
    const merged = {
      ...sterner(doing, before),
      id,
      needs: ids(before?.needs, needs),
      after: ids(before?.after, after),
      cause: before?.cause ?? doing.cause,
    };
    this.#actions.set(id, merged);
    return id;
  }

  /** Lets an action wait for further ones. */
  need(id: string, needs: Iterable<string | undefined>): void {
    const action = this.#actions.get(id);
    if (action === undefined) throw new InternalError(`no action ${id} in the plan`);
    this.#actions.set(id, { ...action, needs: ids(action.needs, needs) });
  }

  has(id: string): boolean {
    return this.#actions.has(id);
  }

  warn(message: string, hint?: string): void {
    this.#warnings.push(hint === undefined ? { message } : { message, hint });
  }

  build(): Plan {
    return { actions: inOrder(this.#actions), warnings: this.#warnings };
  }
}

/** What an action is done to, as people read it. */
export function subjectOf(action: Doing): string {
  switch (action.kind) {
    case 'pull-image':
      return action.platform === undefined ? action.image : `${action.image} (${action.platform})`;
    case 'build-image':
    case 'remove-image':
      return action.image;
    case 'run-provider':
      return `${action.service} ${action.verb}`;
    case 'create-network':
    case 'remove-network':
    case 'create-volume':
    case 'remove-volume':
      return action.name;
    case 'wait-container':
      return `${action.container.name} ${action.condition}`;
    case 'create-container':
    case 'start-container':
    case 'pause-container':
    case 'unpause-container':
    case 'kill-container':
      return action.container.name;
    case 'stop-container':
    case 'remove-container':
      return withId(action.container);
    default:
      return unreachable(action);
  }
}

/** The plan as text, one numbered line per action with its cause and the numbers of what it waits for. */
export function renderPlan(plan: Plan): string {
  const number = new Map(plan.actions.map((action, index) => [action.id, index + 1]));
  const numbers = (list: readonly string[], mark: string) => list.map((id) => `${number.get(id)}${mark}`);
  const lines = plan.actions.map((action, index) => {
    const waits = [...numbers(action.needs, ''), ...numbers(action.after, '~')];
    const order = waits.length === 0 ? '' : ` after ${waits.join(' ')}`;
    return `${index + 1}. ${action.kind} ${readableSubject(action)}${order}: ${action.cause}`;
  });
  const warnings = plan.warnings.map(({ message }) => `warning: ${message}`);
  const nothing = lines.length === 0 ? ['nothing to do'] : lines;
  return [...nothing, ...warnings].join('\n');
}

function readableSubject(action: Action): string {
  if (action.kind === 'stop-container' || action.kind === 'remove-container') return action.container.name;
  return subjectOf(action);
}

// Two containers have one name while one replaces the other.
function withId({ name, id }: ContainerRef): string {
  return id === undefined ? name : `${name} ${id.slice(0, 12)}`;
}

// What one service can do without and another cannot is not optional.
function sterner(doing: Doing, before: Action | undefined): Doing {
  if (doing.kind !== 'wait-container' || before?.kind !== 'wait-container') return doing;
  return { ...doing, optional: doing.optional && before.optional };
}

function ids(before: readonly string[] = [], more: Iterable<string | undefined>): readonly string[] {
  const all = new Set(before);
  for (const id of more) if (id !== undefined) all.add(id);
  return [...all];
}

// Depth first over the needs, in the order of adding: stable, and linear in the number of edges.
function inOrder(actions: ReadonlyMap<string, Action>): readonly Action[] {
  const done = new Set<string>();
  const ordered: Action[] = [];
  const open = new Set<string>();
  const stack: { readonly action: Action; readonly rest: string[] }[] = [];
  const enter = (id: string) => {
    const action = actions.get(id);
    if (action === undefined) throw new InternalError(`the plan waits for "${id}", which is not in it`);
    if (open.has(id)) throw new InternalError(`"${id}" waits for itself`);
    open.add(id);
    stack.push({ action, rest: [...action.needs, ...action.after].reverse() });
  };
  for (const id of actions.keys()) {
    if (!done.has(id)) enter(id);
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const next = top.rest.pop();
      if (next !== undefined) {
        if (!done.has(next)) enter(next);
        continue;
      }
      stack.pop();
      done.add(top.action.id);
      ordered.push(top.action);
    }
  }
  const position = new Map(ordered.map((action, index) => [action.id, index]));
  const byPosition = (a: string, b: string) => (position.get(a) ?? 0) - (position.get(b) ?? 0);
  return ordered.map((action) => ({
    ...action,
    needs: [...action.needs].sort(byPosition),
    after: [...action.after].sort(byPosition),
  }));
}
