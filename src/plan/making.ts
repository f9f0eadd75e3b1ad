// The making half of a plan upward: what is missing is made, what is replaced or surplus stops and goes.
import { ComposeError } from '../errors.ts';
import type { Verdict } from './decide.ts';
import { isAlive, type ObservedContainer } from './observed.ts';
import { namespaceOwners, networkKeys, volumeKeys, volumeSources } from './references.ts';
import { addImage, addMountedImages } from './resources.ts';
import { containerName, orphansOf, refTo, type Situation, serviceNamed } from './situation.ts';
import { addStops } from './stopping.ts';
import type { Work } from './survey.ts';

/** Ids of the actions on containers, by container id or (created, started) by name. */
export interface Made {
  readonly created: ReadonlyMap<string, string>;
  readonly stopped: ReadonlyMap<string, string>;
  readonly removed: ReadonlyMap<string, string>;
}

export function makeContainers(work: Work): Made {
  const { situation, goal } = work;
  const replacedNetworks = new Set(work.networks.filter((n) => n.existing !== undefined).map((n) => n.name));
  addMissing(work);
  const created = addCreations(work);
  const leaving = [...work.decisions.values()].flatMap(({ replace, remove }) => [...replace, ...remove]);
  const orphans = goal.removeOrphans ? orphanVerdicts(situation) : [];
  if (!goal.removeOrphans && !goal.ignoreOrphans) warnOfOrphans(situation);
  const replacedIds = new Set(
    [...work.decisions.values()].flatMap((d) => d.replace.map((v) => v.container.id)),
  );
  const outsiders = strandedOutsiders(work, replacedNetworks, new Set(orphans.map((v) => v.container.id)));
  const stopping = [...work.restarts.values(), ...outsiders, ...leaving, ...orphans];
  const stopped = addStops(
    situation,
    stopping.filter(({ container }) => isAlive(container)),
    {
      graceMs: goal.graceMs,
      hooks: ({ container }) => !replacedIds.has(container.id),
      needs: ({ container }) =>
        replacedIds.has(container.id) ? [safeCreation(work, container, created)] : [],
    },
  );
  const removed = new Map(
    [...leaving, ...orphans].map(({ container, cause }) => {
      const needs = [
        stopped.get(container.id),
        ...(replacedIds.has(container.id) ? [safeCreation(work, container, created)] : []),
      ];
      const id = situation.plan.add({
        kind: 'remove-container',
        container: refTo(container),
        volumes: (goal.renewVolumes ?? false) && replacedIds.has(container.id),
        cause,
        needs,
      });
      return [container.id, id];
    }),
  );
  addReplacements(work, stopped, removed);
  return { created, stopped, removed };
}

function addMissing({ situation, networks, volumes }: Work): void {
  for (const { key, name, existing, cause } of networks) {
    if (existing === undefined) situation.plan.add({ kind: 'create-network', key, name, cause });
  }
  for (const { key, name, existing, cause } of volumes) {
    if (existing === undefined) situation.plan.add({ kind: 'create-volume', key, name, cause });
  }
}

// A network that changed keeps its id: its containers only have to be stopped meanwhile.
function addReplacements(
  { situation, networks, volumes }: Work,
  stopped: ReadonlyMap<string, string>,
  removed: ReadonlyMap<string, string>,
): void {
  const idle = (users: readonly string[]) => users.flatMap((id) => removed.get(id) ?? stopped.get(id) ?? []);
  for (const { key, name, existing, cause } of networks) {
    if (existing === undefined) continue;
    const users = situation.observed.networks.find((network) => network.name === name)?.users ?? [];
    const removal = situation.plan.add({ kind: 'remove-network', name, cause, needs: idle(users) });
    situation.plan.add({ kind: 'create-network', key, name, cause, needs: [removal] });
  }
  for (const { key, name, existing, cause } of volumes) {
    if (existing === undefined) continue;
    const users = situation.observed.volumes.find((volume) => volume.name === name)?.users ?? [];
    const removal = situation.plan.add({ kind: 'remove-volume', name, cause, needs: idle(users) });
    situation.plan.add({ kind: 'create-volume', key, name, cause, needs: [removal] });
  }
}

function addCreations(work: Work): ReadonlyMap<string, string> {
  const { situation, goal } = work;
  const created = new Map<string, string>();
  for (const { service, replace, create } of work.decisions.values()) {
    const needs = replace.length + create.length > 0 ? creationNeeds(work, service, created) : [];
    const renewVolumes = goal.renewVolumes ?? false;
    for (const { container: old, cause } of replace) {
      const container = { service, number: old.number, name: nameFor(situation, service, old.number) };
      const replaces = old.id;
      const draft = {
        kind: 'create-container',
        container,
        oneoff: false,
        replaces,
        renewVolumes,
        cause,
        needs,
      } as const;
      created.set(container.name, situation.plan.add(draft));
    }
    for (const number of create) {
      const container = { service, number, name: nameFor(situation, service, number) };
      const cause = 'it does not exist';
      const draft = { kind: 'create-container', container, oneoff: false, cause, needs } as const;
      created.set(container.name, situation.plan.add(draft));
    }
  }
  return created;
}

export function creationNeeds(
  work: Work,
  service: string,
  created: ReadonlyMap<string, string>,
): readonly string[] {
  const { situation, networks, volumes, decisions, providers } = work;
  const definition = serviceNamed(situation, service);
  const image = addImage(situation, service, work.goal);
  const mounted = addMountedImages(situation, service, work.goal);
  const ownNetworks = new Set(networkKeys(definition));
  const ownVolumes = new Set(volumeKeys(definition));
  const missing = networks.filter(({ key, existing }) => existing === undefined && ownNetworks.has(key));
  const lent = [...namespaceOwners(definition), ...volumeSources(definition)].flatMap((owner) =>
    [
      ...(decisions.get(owner)?.replace ?? []).map((v) => v.container.number),
      ...(decisions.get(owner)?.create ?? []),
    ]
      .map((number) => created.get(nameFor(situation, owner, number)))
      .filter((id) => id !== undefined),
  );
  return [
    ...(image === undefined ? [] : [image]),
    ...mounted,
    ...missing.map(({ name }) => `create-network ${name}`),
    ...volumes.filter(({ key }) => ownVolumes.has(key)).map(({ name }) => `create-volume ${name}`),
    ...situation.graph.dependenciesOf(service).flatMap(({ to }) => providers.get(to) ?? []),
    ...lent,
  ];
}

// What replaces a container is made before that is stopped: if it cannot be made, nothing is lost.
// Not so when it mounts a volume that has to go first.
function safeCreation(
  work: Work,
  old: ObservedContainer,
  created: ReadonlyMap<string, string>,
): string | undefined {
  const renewed = work.volumes.some(
    ({ name, existing }) => existing !== undefined && old.volumes.includes(name),
  );
  return renewed ? undefined : created.get(nameFor(work.situation, old.service, old.number));
}

// Orphans, one-offs and services that are off may be on a network that has to go for a moment.
function strandedOutsiders(
  { situation, networks, restarts }: Work,
  replaced: ReadonlySet<string>,
  leaving: ReadonlySet<string>,
): readonly Verdict[] {
  if (networks.length === 0 || replaced.size === 0) return [];
  const inGraph = new Set(situation.graph.order);
  return situation.observed.containers
    .filter((container) => isAlive(container) && !restarts.has(container.id) && !leaving.has(container.id))
    .filter((container) => container.oneoff || !inGraph.has(container.service))
    .flatMap((container) => {
      const network = container.networks.find((name) => replaced.has(name));
      return network === undefined ? [] : [{ container, cause: `network ${network} is replaced` }];
    });
}

function orphanVerdicts(situation: Situation): readonly Verdict[] {
  return orphansOf(situation).map((container) => ({ container, cause: 'no service of the project has it' }));
}

function warnOfOrphans(situation: Situation): void {
  const orphans = orphansOf(situation).filter(({ oneoff }) => !oneoff);
  if (orphans.length === 0) return;
  const names = orphans.map(({ name }) => name).sort();
  situation.plan.warn(
    `found orphan containers (${names.join(', ')}) of services that the project does not have`,
    'remove them with --remove-orphans if their services were removed or renamed',
  );
}

export function nameFor(situation: Situation, service: string, number: number): string {
  const name = containerName(situation, service, number);
  checkName(situation, name);
  return name;
}

export function checkName({ observed, project }: Situation, name: string): void {
  const owner = observed.foreignNames.get(name);
  if (owner === undefined) return;
  throw new ComposeError(
    'name-conflict',
    `container name ${name} is taken by service ${owner.service} of project ${owner.project}`,
    {
      hint: `take project ${owner.project} down, or give this service of ${project.name} another container_name`,
    },
  );
}
