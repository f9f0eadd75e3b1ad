// The dependency graph of services: order, neighbours, subsets, and the ring of a cycle.
import toposort from 'toposort';
import type { Dependency, Dict, Service } from '../compose/project.ts';
import { ComposeError, type Position } from '../errors.ts';

/** One dependency of a service on another one that is active. */
export interface Edge extends Dependency {
  /** The service that needs. */
  readonly from: string;
  /** The service that is needed. */
  readonly to: string;
}

export interface Graph {
  /** Every service once, dependencies before their dependents; ties by name. */
  readonly order: readonly string[];
  /** What a service needs, by name. */
  readonly dependenciesOf: (service: string) => readonly Edge[];
  /** Who needs a service, by name. */
  readonly dependentsOf: (service: string) => readonly Edge[];
}

type PositionOf = (path: string) => Position | undefined;

/** Builds the graph of the active services; ComposeError `dependency-cycle` shows the whole ring. */
export function buildGraph(services: Dict<Service>, positionOf: PositionOf = () => undefined): Graph {
  const names = Object.keys(services).sort();
  const needs = new Map<string, Edge[]>(names.map((name) => [name, []]));
  const neededBy = new Map<string, Edge[]>(names.map((name) => [name, []]));
  for (const from of names) {
    for (const edge of edgesOf(from, services)) {
      needs.get(from)?.push(edge);
      neededBy.get(edge.to)?.push(edge);
    }
  }
  return {
    order: sorted(names, needs, positionOf),
    dependenciesOf: (service) => needs.get(service) ?? [],
    dependentsOf: (service) => neededBy.get(service) ?? [],
  };
}

/** The named services with everything that they need, directly or not. */
export function withDependencies(graph: Graph, names: readonly string[]): ReadonlySet<string> {
  return reach(names, (name) => graph.dependenciesOf(name).map((edge) => edge.to));
}

/** The named services with everything that needs them through edges that `follows` accepts. */
export function withDependents(
  graph: Graph,
  names: readonly string[],
  follows: (edge: Edge) => boolean = () => true,
): ReadonlySet<string> {
  const next = (name: string) => graph.dependentsOf(name).filter(follows);
  return reach(names, (name) => next(name).map((edge) => edge.from));
}

/** The first ring found, for example `[a, b, a]`; undefined when there is none. */
export function findCycle(
  names: readonly string[],
  next: (name: string) => readonly string[],
): readonly string[] | undefined {
  const done = new Set<string>();
  for (const start of names) {
    const ring = cycleFrom(start, next, done);
    if (ring !== undefined) return ring;
  }
  return undefined;
}

// An explicit stack: a chain of dependencies may be longer than the call stack is deep.
function cycleFrom(
  start: string,
  next: (name: string) => readonly string[],
  done: Set<string>,
): readonly string[] | undefined {
  const path: { readonly name: string; readonly rest: string[] }[] = [];
  const onPath = new Set<string>();
  const enter = (name: string) => {
    path.push({ name, rest: [...next(name)].reverse() });
    onPath.add(name);
  };
  if (!done.has(start)) enter(start);
  for (let top = path.at(-1); top !== undefined; top = path.at(-1)) {
    const child = top.rest.pop();
    if (child === undefined) {
      done.add(top.name);
      onPath.delete(top.name);
      path.pop();
    } else if (onPath.has(child)) {
      const ring = path.map((entry) => entry.name);
      return [...ring.slice(ring.indexOf(child)), child];
    } else if (!done.has(child)) {
      enter(child);
    }
  }
  return undefined;
}

function edgesOf(from: string, services: Dict<Service>): Edge[] {
  const wanted = Object.entries(services[from]?.depends_on ?? {});
  return wanted
    .filter(([to]) => Object.hasOwn(services, to))
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([to, dependency]) => ({ ...dependency, from, to }));
}

function sorted(
  names: readonly string[],
  needs: ReadonlyMap<string, readonly Edge[]>,
  positionOf: PositionOf,
): readonly string[] {
  const next = (name: string) => (needs.get(name) ?? []).map((edge) => edge.to);
  const ring = findCycle(names, next);
  if (ring !== undefined) throw cycleError(ring, positionOf);
  const edges = names.flatMap((name) => next(name).map((to): [string, string] => [to, name]));
  return toposort.array([...names], edges);
}

function cycleError(ring: readonly string[], positionOf: PositionOf): ComposeError {
  const at = positionOf(`services.${ring[0]}.depends_on.${ring[1]}`) ?? positionOf(`services.${ring[0]}`);
  return new ComposeError('dependency-cycle', `services need each other in a circle: ${ring.join(' → ')}`, {
    hint: 'take one of these dependencies out',
    ...(at === undefined ? {} : { at }),
  });
}

function reach(names: readonly string[], next: (name: string) => readonly string[]): ReadonlySet<string> {
  const seen = new Set(names);
  for (const name of seen) for (const other of next(name)) seen.add(other);
  return seen;
}
