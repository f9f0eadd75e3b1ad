// What every goal starts from: the project, the world, the graph, and the plan that is being written.
import type { Project, Service } from '../compose/project.ts';
import { ComposeError } from '../errors.ts';
import { buildGraph, type Graph } from './graph.ts';
import { imageKey, type Observed, type ObservedContainer, type ObservedImage } from './observed.ts';
import { type ContainerRef, PlanBuilder } from './plan.ts';

export interface PlanOptions {
  /** Images that are here are not asked for at their registries. */
  readonly offline?: boolean;
  /** Between the parts of names: `-`, or `_` as Compose 1 had it. */
  readonly separator?: '-' | '_';
}

export interface Situation {
  readonly project: Project;
  readonly observed: Observed;
  readonly graph: Graph;
  readonly plan: PlanBuilder;
  readonly separator: '-' | '_';
  readonly offline: boolean;
  /** Containers of a service that are no one-offs, by number, newest first among equals. */
  readonly replicasOf: (service: string) => readonly ObservedContainer[];
  readonly oneoffsOf: (service: string) => readonly ObservedContainer[];
}

export function situationOf(project: Project, observed: Observed, options: PlanOptions = {}): Situation {
  const { replicas, oneoffs } = byService(observed.containers);
  return {
    project,
    observed,
    graph: buildGraph(project.services, project.positionOf),
    plan: new PlanBuilder(),
    separator: options.separator ?? '-',
    offline: options.offline ?? false,
    replicasOf: (service) => replicas.get(service) ?? [],
    oneoffsOf: (service) => oneoffs.get(service) ?? [],
  };
}

/** The active service of that name; ComposeError `unknown-service` when there is none. */
export function serviceNamed({ project }: Situation, name: string): Service {
  const service = Object.hasOwn(project.services, name) ? project.services[name] : undefined;
  if (service !== undefined) return service;
  const disabled = Object.hasOwn(project.disabledServices, name);
  const hint = disabled
    ? `enable one of its profiles: ${(project.disabledServices[name]?.profiles ?? []).join(', ')}`
    : `the project has ${listed(Object.keys(project.services))}`;
  throw new ComposeError('unknown-service', `no such service: ${name}`, { hint });
}

/** The named services, or all active ones, in dependency order. */
export function selected(situation: Situation, names: readonly string[] | undefined): readonly string[] {
  if (names === undefined || names.length === 0) return situation.graph.order;
  for (const name of names) serviceNamed(situation, name);
  const wanted = new Set(names);
  return situation.graph.order.filter((name) => wanted.has(name));
}

/** Name of a container of a service, for example `shop-web-1`. */
export function containerName({ project, separator }: Situation, service: string, number: number): string {
  const own = project.services[service]?.container_name;
  return own ?? [project.name, service, String(number)].join(separator);
}

/** Name of the image of a service: its own, or that of the build. */
export function imageName({ project, separator }: Situation, service: string): string {
  return project.services[service]?.image ?? `${project.name}${separator}${service}`;
}

/** The image of a service, if it is here for the platform that the service wants. */
export function imageHere(situation: Situation, service: string): ObservedImage | undefined {
  const platform = situation.project.services[service]?.platform;
  return situation.observed.images.get(imageKey(imageName(situation, service), platform));
}

/** How actions name an existing container. */
export function refTo({ id, name, service, number }: ObservedContainer): ContainerRef {
  return { id, name, service, number };
}

/** Containers whose service is in none of the files, and one-offs that have ended. */
export function orphansOf({ project, observed }: Situation): readonly ObservedContainer[] {
  const known = (name: string) =>
    Object.hasOwn(project.services, name) || Object.hasOwn(project.disabledServices, name);
  return observed.containers.filter((container) =>
    container.oneoff ? hasEnded(container) : !known(container.service),
  );
}

// One that is only created may be about to start: somebody else's `run`.
function hasEnded({ state }: ObservedContainer): boolean {
  return state === 'exited' || state === 'dead';
}

function byService(containers: readonly ObservedContainer[]) {
  const replicas = new Map<string, ObservedContainer[]>();
  const oneoffs = new Map<string, ObservedContainer[]>();
  for (const container of [...containers].sort(byNumber)) {
    const map = container.oneoff ? oneoffs : replicas;
    const list = map.get(container.service);
    if (list === undefined) map.set(container.service, [container]);
    else list.push(container);
  }
  return { replicas, oneoffs };
}

function byNumber(a: ObservedContainer, b: ObservedContainer): number {
  if (a.number !== b.number) return a.number - b.number;
  if (a.created !== b.created) return a.created < b.created ? 1 : -1;
  return a.id < b.id ? -1 : 1;
}

function listed(names: readonly string[]): string {
  return names.length === 0 ? 'no active services' : `the services ${[...names].sort().join(', ')}`;
}
