// A scheduler that knows no containers: every action starts the moment that what it needs is done.
import { setMaxListeners } from 'node:events';
import { ComposeError } from '../errors.ts';

/** What the scheduler has to know of an action. */
export interface Schedulable {
  readonly id: string;
  /** Ids of actions that must have succeeded. */
  readonly needs: readonly string[];
  /** Ids of actions that must have ended, however. */
  readonly after: readonly string[];
}

export type Outcome =
  | { readonly state: 'done' }
  | { readonly state: 'failed'; readonly error: unknown }
  /** `because`: the action that failed; undefined: it was interrupted before it began. */
  | { readonly state: 'skipped'; readonly because: string | undefined };

export interface ExecuteOptions<A extends Schedulable> {
  readonly perform: (action: A, signal: AbortSignal) => Promise<void>;
  /** How many at once; no limit when absent or below 1. */
  readonly parallel?: number | undefined;
  /** Actions that only wait take no place of the limit. */
  readonly isWaiting?: (action: A) => boolean;
  /** Aborted: nothing new begins, and what has begun is told. */
  readonly signal?: AbortSignal | undefined;
  readonly onStart?: (action: A) => void;
  readonly onEnd?: (action: A, outcome: Outcome) => void;
}

/** Performs all actions; never rejects. A failed one keeps from starting what needs it, and nothing else. */
export function execute<A extends Schedulable>(
  actions: readonly A[],
  options: ExecuteOptions<A>,
): Promise<ReadonlyMap<string, Outcome>> {
  return new Promise((resolve) => new Schedule(actions, options, resolve).begin());
}

interface Node<A> {
  readonly action: A;
  /** How many of its needs and predecessors have not ended. */
  open: number;
  readonly neededBy: Node<A>[];
  readonly before: Node<A>[];
}

class Schedule<A extends Schedulable> {
  readonly #nodes: ReadonlyMap<string, Node<A>>;
  readonly #options: ExecuteOptions<A>;
  readonly #outcomes = new Map<string, Outcome>();
  readonly #ready: Node<A>[] = [];
  readonly #resolve: (outcomes: ReadonlyMap<string, Outcome>) => void;
  readonly #signal: AbortSignal;
  readonly #limit: number;
  readonly #interrupt = () => this.#pump();
  #busy = 0;
  #next = 0;

  constructor(
    actions: readonly A[],
    options: ExecuteOptions<A>,
    resolve: (outcomes: ReadonlyMap<string, Outcome>) => void,
  ) {
    this.#nodes = linked(actions);
    this.#options = options;
    this.#resolve = resolve;
    this.#signal = options.signal ?? new AbortController().signal;
    // As many listen as actions are under way.
    setMaxListeners(0, this.#signal);
    const { parallel = 0 } = options;
    this.#limit = parallel < 1 ? Number.POSITIVE_INFINITY : parallel;
  }

  begin(): void {
    for (const node of this.#nodes.values()) if (node.open === 0) this.#ready.push(node);
    this.#signal.addEventListener('abort', this.#interrupt, { once: true });
    this.#pump();
  }

  #pump(): void {
    for (let node = this.#ready[this.#next]; node !== undefined; node = this.#ready[this.#next]) {
      if (this.#signal.aborted) {
        this.#next++;
        this.#end(node, { state: 'skipped', because: undefined });
        continue;
      }
      const waits = this.#options.isWaiting?.(node.action) ?? false;
      if (!waits && this.#busy >= this.#limit) return;
      this.#next++;
      this.#start(node, waits ? 0 : 1);
    }
    if (this.#outcomes.size < this.#nodes.size) return;
    this.#signal.removeEventListener('abort', this.#interrupt);
    this.#resolve(this.#outcomes);
  }

  #start(node: Node<A>, places: number): void {
    this.#busy += places;
    this.#options.onStart?.(node.action);
    const leave = (outcome: Outcome) => {
      this.#busy -= places;
      this.#end(node, outcome);
      this.#pump();
    };
    this.#perform(node.action).then(
      () => leave({ state: 'done' }),
      (error: unknown) => leave({ state: 'failed', error }),
    );
  }

  async #perform(action: A): Promise<void> {
    await this.#options.perform(action, this.#signal);
  }

  // What cannot be done any more ends too, so that all that only comes after it may begin.
  #end(node: Node<A>, outcome: Outcome): void {
    const ending: [Node<A>, Outcome][] = [[node, outcome]];
    for (const [ended, how] of ending) {
      if (this.#outcomes.has(ended.action.id)) continue;
      this.#outcomes.set(ended.action.id, how);
      this.#options.onEnd?.(ended.action, how);
      for (const next of ended.neededBy) {
        if (how.state === 'done') this.#release(next);
        else ending.push([next, { state: 'skipped', because: causeOf(ended, how) }]);
      }
      for (const next of ended.before) this.#release(next);
    }
  }

  #release(node: Node<A>): void {
    node.open--;
    if (node.open === 0 && !this.#outcomes.has(node.action.id)) this.#ready.push(node);
  }
}

function causeOf<A extends Schedulable>(node: Node<A>, outcome: Outcome): string | undefined {
  return outcome.state === 'skipped' ? outcome.because : node.action.id;
}

function linked<A extends Schedulable>(actions: readonly A[]): ReadonlyMap<string, Node<A>> {
  const nodes = new Map<string, Node<A>>(
    actions.map((action) => [
      action.id,
      { action, open: action.needs.length + action.after.length, neededBy: [], before: [] },
    ]),
  );
  for (const node of nodes.values()) {
    for (const id of node.action.needs) nodes.get(id)?.neededBy.push(node);
    for (const id of node.action.after) nodes.get(id)?.before.push(node);
  }
  return nodes;
}

/** A promise that rejects with ComposeError `interrupted` when the signal is aborted. */
export function unlessAborted<T>(promise: Promise<T>, signal: AbortSignal, what: string): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = () => reject(new ComposeError('interrupted', `interrupted while ${what}`));
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}
