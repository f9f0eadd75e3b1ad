// down: containers stop and go, then networks, and volumes and images when asked.
import type { Declared, Project } from '../../compose/project.ts';
import type { Verdict } from '../decide.ts';
import type { DownGoal } from '../goal.ts';
import { isAlive, type ObservedContainer } from '../observed.ts';
import { imageHere, imageName, orphansOf, refTo, type Situation, selected } from '../situation.ts';
import { addStops } from '../stopping.ts';

/** Plans `down`. */
export function planDown(situation: Situation, goal: DownGoal): void {
  const order = selected(situation, goal.services);
  const leaving = leavingContainers(situation, goal, order);
  const stops = addStops(
    situation,
    leaving.filter(({ container }) => isAlive(container)),
    { graceMs: goal.graceMs, hooks: () => true },
  );
  const removed = new Map(
    leaving.map(({ container, cause }) => {
      const id = situation.plan.add({
        kind: 'remove-container',
        container: refTo(container),
        volumes: goal.volumes ?? false,
        cause,
        needs: [stops.get(container.id)],
      });
      return [container.id, id];
    }),
  );
  stopProviders(situation, order);
  const everything = goal.services === undefined || goal.services.length === 0;
  removeNetworks(situation, removed, everything);
  if (goal.volumes) removeVolumes(situation, removed, everything);
  if (goal.images !== undefined) removeImages(situation, goal.images, order, removed);
}

function leavingContainers(
  situation: Situation,
  goal: DownGoal,
  order: readonly string[],
): readonly Verdict[] {
  const cause = 'the project is taken down';
  const own = order.flatMap((name) => [
    ...situation.replicasOf(name),
    ...(goal.removeOrphans ? situation.oneoffsOf(name) : []),
  ]);
  const ids = new Set(own.map(({ id }) => id));
  const orphans = goal.removeOrphans ? strangers(situation).filter(({ id }) => !ids.has(id)) : [];
  return [
    ...own.map((container) => ({ container, cause })),
    ...orphans.map((container) => ({ container, cause: 'no service of the project has it' })),
  ];
}

// Every one-off goes then, also one that runs.
function strangers(situation: Situation): readonly ObservedContainer[] {
  const oneoffs = situation.observed.containers.filter(({ oneoff }) => oneoff);
  return [...new Set([...orphansOf(situation), ...oneoffs])];
}

function stopProviders(situation: Situation, order: readonly string[]): void {
  for (const service of order) {
    if (situation.project.services[service]?.provider === undefined) continue;
    const cause = 'the project is taken down';
    situation.plan.add({ kind: 'run-provider', service, verb: 'down', cause });
  }
}

function removeNetworks(
  situation: Situation,
  removed: ReadonlyMap<string, string>,
  everything: boolean,
): void {
  const { project, observed, plan } = situation;
  const own = ownNames(declaredOf(project).networks);
  for (const name of new Set([...own, ...emptiedNames(situation, removed)])) {
    const network = observed.networks.find((candidate) => candidate.name === name);
    if (network === undefined || isForeign(network, project.name)) continue;
    const staying = network.users.filter((id) => !removed.has(id));
    if (staying.length === 0) {
      const needs = network.users.map((id) => removed.get(id));
      plan.add({ kind: 'remove-network', name, cause: 'no container is left on it', needs });
    } else if (everything) {
      plan.warn(`network ${name} stays: ${usersText(situation, staying)} still on it`);
    }
  }
}

/** Networks of nobody in particular, which go with their last container, also when no file tells of them. */
function emptiedNames({ observed }: Situation, removed: ReadonlyMap<string, string>): readonly string[] {
  const emptied = observed.networks.filter(
    ({ project, users }) => project === '' && users.length > 0 && users.every((id) => removed.has(id)),
  );
  return emptied.map(({ name }) => name);
}

function removeVolumes(
  situation: Situation,
  removed: ReadonlyMap<string, string>,
  everything: boolean,
): void {
  const { project, observed, plan } = situation;
  for (const name of ownNames(declaredOf(project).volumes)) {
    const volume = observed.volumes.find((candidate) => candidate.name === name);
    if (volume === undefined) continue;
    const staying = volume.users.filter((id) => !removed.has(id));
    if (staying.length === 0) {
      const needs = volume.users.map((id) => removed.get(id));
      plan.add({ kind: 'remove-volume', name, cause: 'its data is to go too', needs });
    } else if (everything) {
      plan.warn(`volume ${name} stays: ${usersText(situation, staying)} still using it`);
    }
  }
}

function removeImages(
  situation: Situation,
  which: 'local' | 'all',
  order: readonly string[],
  removed: ReadonlyMap<string, string>,
): void {
  for (const service of order) {
    const definition = situation.project.services[service];
    const local = definition?.image === undefined || definition.build !== undefined;
    const image = imageName(situation, service);
    if ((which === 'local' && !local) || imageHere(situation, service) === undefined) continue;
    const needs = situation.replicasOf(service).map(({ id }) => removed.get(id));
    situation.plan.add({ kind: 'remove-image', image, cause: `--rmi ${which} was given`, needs });
  }
}

// Resources that only services of other profiles use go too.
function declaredOf(project: Project): Declared {
  return project.loaded?.declared ?? project;
}

function ownNames(configs: Readonly<Record<string, { readonly name: string; readonly external?: boolean }>>) {
  const own = Object.values(configs).filter(({ external }) => !external);
  return [...new Set(own.map(({ name }) => name))].sort();
}

function isForeign(network: { readonly project: string }, project: string): boolean {
  return network.project !== '' && network.project !== project;
}

function usersText({ observed }: Situation, ids: readonly string[]): string {
  const byId = new Map(observed.containers.map((container: ObservedContainer) => [container.id, container]));
  const names = ids.map((id) => byId.get(id)?.name ?? `container ${id.slice(0, 12)}`).sort();
  return `${names.slice(0, 3).join(', ')}${names.length > 3 ? ' and others' : ''} ${names.length === 1 ? 'is' : 'are'}`;
}
