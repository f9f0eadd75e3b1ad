// up, create, scale and run: the services as the files say, made, replaced and started where they are not.
import { ComposeError } from '../../errors.ts';
import { type Decisions, decide, decideRestarts, type RecreatePolicy, type Verdict } from '../decide.ts';
import type { RunGoal, UpGoal } from '../goal.ts';
import { withDependencies } from '../graph.ts';
import { isAlive, type ObservedContainer } from '../observed.ts';
import { namespaceOwners, networkKeys, volumeKeys, volumeSources } from '../references.ts';
import { addImage, type Wanted, wantedNetworks, wantedVolumes } from '../resources.ts';
import { containerName, orphansOf, refTo, type Situation, selected, serviceNamed } from '../situation.ts';
import { addFinalWaits, addStarts, readiness, type StartSet, type StartTarget } from '../starting.ts';
import { addStops } from '../stopping.ts';

/** Everything that the parts of the plan have to know of each other. */
interface Work {
  readonly situation: Situation;
  readonly goal: Omit<UpGoal, 'kind'>;
  /** Services in dependency order. */
  readonly scope: readonly string[];
  readonly decisions: Decisions;
  readonly restarts: ReadonlyMap<string, Verdict>;
  readonly networks: readonly Wanted<unknown>[];
  readonly volumes: readonly Wanted<unknown>[];
  readonly providers: ReadonlyMap<string, string>;
}

/** Ids of the actions on containers, by container id or (created, started) by name. */
interface Made {
  readonly created: ReadonlyMap<string, string>;
  readonly stopped: ReadonlyMap<string, string>;
  readonly removed: ReadonlyMap<string, string>;
}

/** Plans `up`, `create` and `scale`. */
export function planUp(situation: Situation, goal: UpGoal): void {
  const named = selected(situation, goal.services);
  const wanted = goal.noDeps ? new Set(named) : withDependencies(situation.graph, named);
  const scope = situation.graph.order.filter((name) => wanted.has(name));
  const work = survey(situation, goal, scope, new Set(named), scope);
  const made = makeContainers(work);
  const set = startSet(work, made);
  const starts = addStarts(situation, set);
  if (goal.wait) addFinalWaits(situation, { ...set, order: scope }, starts);
}

/** Plans `run`: what the service depends on is up, its one-off container is made. */
export function planRun(situation: Situation, goal: RunGoal): void {
  const service = serviceNamed(situation, goal.service);
  if (service.provider !== undefined) throw notAContainer(situation, goal.service);
  const needed = goal.noDeps ? new Set<string>() : withDependencies(situation.graph, [goal.service]);
  const scope = situation.graph.order.filter((name) => needed.has(name) && name !== goal.service);
  const work = survey(situation, goal, scope, new Set(), [...scope, goal.service]);
  const made = makeContainers(work);
  const set = startSet(work, made);
  const starts = addStarts(situation, set);
  const { needs, after } = goal.noDeps
    ? { needs: [], after: [] }
    : readiness(situation, set, goal.service, starts);
  checkName(situation, goal.name);
  situation.plan.add({
    kind: 'create-container',
    container: { service: goal.service, number: 1, name: goal.name },
    oneoff: true,
    cause: 'run makes a container of its own',
    needs: [...creationNeeds(work, goal.service, made.created), ...needs],
    after,
  });
}

function survey(
  situation: Situation,
  goal: Work['goal'],
  scope: readonly string[],
  named: ReadonlySet<string>,
  users: readonly string[],
): Work {
  const all = situation.project.loaded?.allResources ?? false;
  const networks = wantedNetworks(situation, users, all);
  const volumes = keptVolumes(situation, goal, wantedVolumes(situation, users, all));
  const renewedVolumes = new Set(volumes.filter((v) => v.existing !== undefined).map((v) => v.name));
  const policyOf = (name: string): RecreatePolicy =>
    (named.has(name) ? goal.recreate : goal.recreateDependencies) ?? 'diverged';
  const decisions = decide({ situation, goal, policyOf, renewedVolumes }, scope);
  const replaced = replacedNetworks(situation, networks);
  const restarts = decideRestarts(situation, goal.start === false ? new Map() : decisions, replaced);
  const providers = addProviders(situation, users);
  return { situation, goal, scope, decisions, restarts, networks, volumes, providers };
}

// A changed volume is only made anew when that was allowed: its data would be lost.
function keptVolumes<T extends Wanted<unknown>>(
  { plan }: Situation,
  goal: Work['goal'],
  volumes: readonly T[],
): readonly T[] {
  return volumes.filter(({ existing, name }) => {
    if (existing === undefined || goal.recreateVolumes) return true;
    plan.warn(
      `volume ${name} was made from another definition than the file has now, and is used as it is`,
      'to make it anew, and lose its data, remove it with "down -v" first',
    );
    return false;
  });
}

function replacedNetworks(
  situation: Situation,
  networks: ReturnType<typeof wantedNetworks>,
): ReadonlySet<string> {
  const own = new Set(situation.observed.containers.map(({ id }) => id));
  const replaced = networks.filter(({ existing }) => existing !== undefined);
  for (const { name, existing } of replaced) {
    if (existing?.users.every((id) => own.has(id))) continue;
    throw new ComposeError('network-in-use', `network ${name} changed, but other projects use it`, {
      hint: 'stop the containers of the other projects, or change it back',
    });
  }
  return new Set(replaced.map(({ name }) => name));
}

function addProviders(situation: Situation, services: readonly string[]): ReadonlyMap<string, string> {
  const providers = services.filter((name) => serviceNamed(situation, name).provider !== undefined);
  return new Map(
    providers.map((service) => {
      const cause = 'it is provided by another program';
      return [service, situation.plan.add({ kind: 'run-provider', service, verb: 'up', cause })];
    }),
  );
}

function makeContainers(work: Work): Made {
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

function creationNeeds(work: Work, service: string, created: ReadonlyMap<string, string>): readonly string[] {
  const { situation, networks, volumes, decisions, providers } = work;
  const definition = serviceNamed(situation, service);
  const image = addImage(situation, service, work.goal);
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

function startSet(work: Work, made: Made): StartSet {
  const { situation, decisions, restarts, goal } = work;
  const others = situation.observed.containers.map(({ service }) => service).sort();
  const order = [...new Set([...situation.graph.order, ...others])];
  const restarted = new Map<string, Verdict[]>();
  for (const verdict of restartedBy(work, made)) {
    const { service } = verdict.container;
    restarted.set(service, [...(restarted.get(service) ?? []), verdict]);
  }
  const targets = new Map(
    order.map((name) => [
      name,
      [
        ...(goal.start === false ? [] : freshTargets(work, made, name)),
        ...(restarted.get(name) ?? []).map((verdict) => restartTarget(work, made, verdict)),
      ],
    ]),
  );
  return {
    order,
    targetsOf: (name) => targets.get(name) ?? [],
    untouchedOf: (name) =>
      (decisions.get(name)?.keep ?? []).filter(
        (c) => isAlive(c) && c.state !== 'paused' && !restarts.has(c.id),
      ),
    providers: work.providers,
  };
}

function restartedBy({ situation, restarts }: Work, made: Made): readonly Verdict[] {
  const outsiders = situation.observed.containers.filter(
    ({ id }) => made.stopped.has(id) && !made.removed.has(id) && !restarts.has(id),
  );
  return [
    ...restarts.values(),
    ...outsiders.map((container) => ({ container, cause: 'it was stopped for a network that is replaced' })),
  ];
}

function restartTarget({ networks }: Work, made: Made, { container, cause }: Verdict): StartTarget {
  const replaced = networks.filter(
    ({ existing, name }) => existing !== undefined && container.networks.includes(name),
  );
  return {
    container: refTo(container),
    cause,
    needs: [made.stopped.get(container.id), ...replaced.map(({ name }) => `create-network ${name}`)],
  };
}

function freshTargets(work: Work, made: Made, name: string): readonly StartTarget[] {
  const { situation, decisions, networks } = work;
  const decision = decisions.get(name);
  if (decision === undefined) return [];
  const replaced = networks
    .filter(
      ({ existing, key }) =>
        existing !== undefined && networkKeys(serviceNamed(situation, name)).includes(key),
    )
    .map(({ name: network }) => `create-network ${network}`);
  const missing = networks
    .filter(
      ({ existing, key }) =>
        existing === undefined && networkKeys(serviceNamed(situation, name)).includes(key),
    )
    .map(({ name: network }) => `create-network ${network}`);
  const superseded = new Map(
    decision.remove.map((v) => [v.container.number, made.removed.get(v.container.id)]),
  );
  const kept = decision.keep
    .filter((container) => container.state === 'paused' || !isAlive(container))
    .map((container) => ({
      container: refTo(container),
      cause: idleCause(container),
      needs: [superseded.get(container.number), ...replaced, ...missing],
      paused: container.state === 'paused',
    }));
  const fresh = [
    ...decision.replace.map(({ container }) => ({
      number: container.number,
      old: made.removed.get(container.id),
    })),
    ...decision.create.map((number) => ({ number, old: superseded.get(number) })),
  ].map(({ number, old }) => {
    const container = { service: name, number, name: nameFor(situation, name, number) };
    return { container, cause: 'it is new', needs: [made.created.get(container.name), old, ...replaced] };
  });
  return [...kept, ...fresh].sort((a, b) => a.container.number - b.container.number);
}

function idleCause({ state }: ObservedContainer): string {
  if (state === 'paused') return 'it is paused';
  return state === 'created' ? 'it was never started' : 'it is not running';
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

function nameFor(situation: Situation, service: string, number: number): string {
  const name = containerName(situation, service, number);
  checkName(situation, name);
  return name;
}

function checkName({ observed, project }: Situation, name: string): void {
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

function notAContainer({ project }: Situation, name: string): ComposeError {
  const at = project.positionOf(`services.${name}.provider`);
  const message = `service ${name} is provided by another program and has no container to run`;
  return new ComposeError('unsupported', message, at === undefined ? {} : { at });
}
