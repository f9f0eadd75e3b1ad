// Starting in dependency order, with the waits that the conditions of depends_on ask for.
import type { Edge } from './graph.ts';
import { isAlive, type ObservedContainer } from './observed.ts';
import type { ContainerRef, WaitCondition } from './plan.ts';
import { refTo, type Situation } from './situation.ts';

/** A container that is to be started. */
export interface StartTarget {
  readonly container: ContainerRef;
  readonly cause: string;
  readonly needs: readonly (string | undefined)[];
  /** It only has to be thawed. */
  readonly paused?: boolean;
}

export interface StartSet {
  readonly order: readonly string[];
  readonly targetsOf: (service: string) => readonly StartTarget[];
  /** Containers that are left as they are. */
  readonly untouchedOf: (service: string) => readonly ObservedContainer[];
  /** Actions that a service that is no container stands for. */
  readonly providers: ReadonlyMap<string, string>;
}

/** Adds starts and waits; returns the start action of each container name. */
export function addStarts(situation: Situation, set: StartSet): ReadonlyMap<string, string> {
  const starts = new Map<string, string>();
  for (const name of set.order) {
    const targets = set.targetsOf(name);
    if (targets.length === 0) continue;
    const { needs, after } = readiness(situation, set, name, starts);
    for (const { container, cause, needs: own, paused } of targets) {
      const kind = paused ? 'unpause-container' : 'start-container';
      const id = situation.plan.add({ kind, container, cause, needs: [...own, ...needs], after });
      starts.set(container.name, id);
    }
  }
  return starts;
}

/** What has to be true of the dependencies of a service before it starts, as actions. */
export function readiness(
  situation: Situation,
  set: StartSet,
  service: string,
  starts: ReadonlyMap<string, string>,
): { readonly needs: readonly string[]; readonly after: readonly string[] } {
  const needs: string[] = [];
  const after: string[] = [];
  for (const edge of situation.graph.dependenciesOf(service)) {
    const list = edge.required ? needs : after;
    const provider = set.providers.get(edge.to);
    if (provider !== undefined) list.push(provider);
    list.push(...conditionActions(situation, set, edge, starts));
  }
  return { needs, after };
}

function conditionActions(
  situation: Situation,
  set: StartSet,
  edge: Edge,
  starts: ReadonlyMap<string, string>,
): readonly string[] {
  const started = set.targetsOf(edge.to).map(({ container }) => container);
  const untouched = set.untouchedOf(edge.to);
  if (edge.condition === 'service_started') return started.flatMap(({ name }) => starts.get(name) ?? []);
  const condition = edge.condition === 'service_healthy' ? 'healthy' : 'completed_successfully';
  const waiting = [...started, ...untouched.filter((c) => !meets(c, condition)).map(refTo)];
  return waiting.map((container) =>
    situation.plan.add({
      kind: 'wait-container',
      container,
      condition,
      optional: !edge.required,
      cause: `${edge.from} depends on it`,
      needs: [starts.get(container.name)],
    }),
  );
}

/** Adds a wait for every container of the services to be up (`--wait`). */
export function addFinalWaits(
  situation: Situation,
  set: StartSet,
  starts: ReadonlyMap<string, string>,
): void {
  for (const name of set.order) {
    const condition = finalCondition(situation, name);
    const untouched = set.untouchedOf(name).filter((container) => !meets(container, condition));
    for (const container of [
      ...set.targetsOf(name).map((target) => target.container),
      ...untouched.map(refTo),
    ]) {
      const needs = [starts.get(container.name)];
      const cause = 'it was asked to wait';
      situation.plan.add({ kind: 'wait-container', container, condition, optional: false, cause, needs });
    }
  }
}

// What another service waits to be completed may end.
function finalCondition({ graph }: Situation, name: string): WaitCondition {
  const awaited = graph
    .dependentsOf(name)
    .some(({ condition }) => condition === 'service_completed_successfully');
  return awaited ? 'completed_successfully' : 'running_or_healthy';
}

function meets(container: ObservedContainer, condition: WaitCondition): boolean {
  switch (condition) {
    case 'running':
      return isAlive(container);
    case 'healthy':
      return container.state === 'running' && container.health === 'healthy';
    case 'running_or_healthy':
      return container.state === 'running' && (container.health ?? 'healthy') === 'healthy';
    case 'completed_successfully':
      return container.state === 'exited' && container.exitCode === 0;
  }
}
