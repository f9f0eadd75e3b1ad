// What becomes of each container of a service on the way up: kept, replaced, removed; and which are new.
import type { Service } from '../compose/project.ts';
import { ComposeError } from '../errors.ts';
import type { UpGoal } from './goal.ts';
import { serviceHash } from './hash.ts';
import { isAlive, type ObservedContainer } from './observed.ts';
import { namespaceOwners, networkKeys, replicaCount, volumeKeys, volumeSources } from './references.ts';
import { imageHere, type Situation, serviceNamed } from './situation.ts';

export type RecreatePolicy = 'diverged' | 'force' | 'never';

/** A container and why something happens to it. */
export interface Verdict {
  readonly container: ObservedContainer;
  readonly cause: string;
}

export interface Decision {
  readonly service: string;
  readonly keep: readonly ObservedContainer[];
  readonly replace: readonly Verdict[];
  readonly remove: readonly Verdict[];
  /** Numbers of containers that do not exist yet. */
  readonly create: readonly number[];
}

/** Decisions made so far; dependencies come before their dependents. */
export type Decisions = ReadonlyMap<string, Decision>;

export interface DecideInput {
  readonly situation: Situation;
  readonly goal: Pick<UpGoal, 'scale'>;
  readonly policyOf: (service: string) => RecreatePolicy;
  /** Names of volumes that are made anew. */
  readonly renewedVolumes: ReadonlySet<string>;
}

/** Decides for the services in the order given. */
export function decide(input: DecideInput, services: readonly string[]): Decisions {
  const decisions = new Map<string, Decision>();
  for (const name of services) {
    if (serviceNamed(input.situation, name).provider !== undefined) continue;
    decisions.set(name, decideService(input, name, decisions));
  }
  return decisions;
}

function decideService(input: DecideInput, name: string, decisions: Decisions): Decision {
  const { situation, goal } = input;
  const service = serviceNamed(situation, name);
  const wanted = goal.scale?.[name] ?? replicaCount(service);
  checkContainerName(situation, name, service, wanted);
  const diverged = divergence(input, name, service, decisions);
  const { current, superseded } = withoutDuplicates(situation.replicasOf(name), diverged);
  const verdicts = current.map((container) => ({ container, cause: diverged(container) }));
  const inOrder = [
    ...verdicts.filter(({ cause }) => cause === undefined),
    ...verdicts.filter(({ cause }) => cause !== undefined),
  ];
  const staying = inOrder.slice(0, wanted);
  const surplus = inOrder.slice(wanted).map(({ container }) => ({
    container,
    cause: `${wanted} of ${name} ${wanted === 1 ? 'is' : 'are'} wanted`,
  }));
  return {
    service: name,
    keep: staying.filter(({ cause }) => cause === undefined).map(({ container }) => container),
    replace: staying.flatMap(({ container, cause }) => (cause === undefined ? [] : [{ container, cause }])),
    remove: [...superseded, ...surplus],
    create: freeNumbers(
      staying.map(({ container }) => container.number),
      wanted - staying.length,
    ),
  };
}

function checkContainerName({ project }: Situation, name: string, service: Service, wanted: number): void {
  if (service.container_name === undefined || wanted <= 1) return;
  const at = project.positionOf(`services.${name}.container_name`);
  throw new ComposeError(
    'conflicting-keys',
    `service ${name} cannot have ${wanted} containers that are all called ${service.container_name}`,
    { hint: 'take container_name out, or ask for one container', ...(at === undefined ? {} : { at }) },
  );
}

// An interrupted replacement leaves two containers of one number: the one that is right stays, or else the newest.
function withoutDuplicates(
  containers: readonly ObservedContainer[],
  diverged: (container: ObservedContainer) => string | undefined,
): { readonly current: readonly ObservedContainer[]; readonly superseded: readonly Verdict[] } {
  const byNumber = new Map<number, ObservedContainer>();
  const superseded: Verdict[] = [];
  const cause = 'an interrupted replacement left it';
  for (const container of containers) {
    const other = byNumber.get(container.number);
    if (other === undefined) {
      byNumber.set(container.number, container);
    } else if (diverged(other) !== undefined && diverged(container) === undefined) {
      byNumber.set(container.number, container);
      superseded.push({ container: other, cause });
    } else {
      superseded.push({ container, cause });
    }
  }
  return { current: [...byNumber.values()], superseded };
}

function freeNumbers(taken: readonly number[], count: number): readonly number[] {
  const used = new Set(taken);
  const free: number[] = [];
  for (let number = 1; free.length < count; number++) if (!used.has(number)) free.push(number);
  return free;
}

// Returns why a container is not what its service wants any more; undefined when it is.
function divergence(input: DecideInput, name: string, service: Service, decisions: Decisions) {
  const { situation } = input;
  const policy = input.policyOf(name);
  const hash = policy === 'diverged' ? serviceHash(service) : '';
  const image = imageHere(situation, name)?.id;
  const networks = networkKeys(service).map((key) => situation.project.networks[key]?.name ?? key);
  const volumes = volumeKeys(service).map((key) => situation.project.volumes[key]?.name ?? key);
  const borrowed = borrowing(situation, service, decisions);
  return (container: ObservedContainer): string | undefined => {
    if (container.state === 'dead') return 'its shim died';
    if (policy === 'never') return undefined;
    if (policy === 'force') return 'recreation was asked for';
    if (container.configHash !== hash) return 'its configuration changed';
    if (image !== undefined && container.image.id !== image) return 'its image changed';
    const missing = networks.find((network) => !container.networks.includes(network));
    if (missing !== undefined) return `it is not on network ${missing}`;
    const unmounted = volumes.find((volume) => !container.volumes.includes(volume));
    if (unmounted !== undefined) return `it does not mount volume ${unmounted}`;
    const renewed = volumes.find((volume) => input.renewedVolumes.has(volume));
    if (renewed !== undefined) return `volume ${renewed} is made anew`;
    return borrowed(container);
  };
}

// Why what a container borrows from others is not right any more.
function borrowing(situation: Situation, service: Service, decisions: Decisions) {
  const lenders = namespaceOwners(service).map((owner) => {
    return { owner, kept: (decisions.get(owner)?.keep ?? situation.replicasOf(owner))[0] };
  });
  const source = volumeSources(service).find((name) => (decisions.get(name)?.replace.length ?? 0) > 0);
  return ({ joins }: ObservedContainer): string | undefined => {
    const gone = lenders.find(({ kept }) => kept === undefined || !joins.includes(kept.id));
    if (gone !== undefined) return `it shares namespaces with ${gone.owner}, which is replaced`;
    return source === undefined ? undefined : `it mounts the volumes of ${source}, which is replaced`;
  };
}

/** Running containers that stay, and have to stop and start again, with the cause; by id. */
export function decideRestarts(
  situation: Situation,
  decisions: Decisions,
  replacedNetworks: ReadonlySet<string>,
): ReadonlyMap<string, Verdict> {
  const restarts = new Map<string, Verdict>();
  const touched = new Map<string, string>();
  for (const name of situation.graph.order) {
    const decision = decisions.get(name);
    const staying = (decision?.keep ?? situation.replicasOf(name)).filter(isAlive);
    const ofService = decision && restartCause(situation, name, touched);
    const stale = staleness(situation, name);
    for (const container of staying) {
      const network = container.networks.find((candidate) => replacedNetworks.has(candidate));
      const cause =
        network === undefined
          ? decision && (ofService ?? stale(container))
          : `network ${network} is replaced`;
      if (cause !== undefined) restarts.set(container.id, { container, cause });
    }
    const what = whatHappens(decision, staying, restarts);
    if (what !== undefined) touched.set(name, what);
  }
  return restarts;
}

function whatHappens(
  decision: Decision | undefined,
  staying: readonly ObservedContainer[],
  restarts: ReadonlyMap<string, Verdict>,
): string | undefined {
  if (decision !== undefined && decision.replace.length > 0) return 'replaced';
  if (staying.some((container) => restarts.has(container.id))) return 'restarted';
  if (decision?.keep.some((container) => !isAlive(container))) return 'started';
  return undefined;
}

// Who started before what it shares namespaces with is still in those of an earlier run, which lead nowhere any more.
function staleness(situation: Situation, name: string) {
  const service = situation.project.services[name];
  const owners = service === undefined ? [] : namespaceOwners(service);
  return ({ joins, since: begin }: ObservedContainer): string | undefined => {
    const owner = owners.find((owning) =>
      situation.replicasOf(owning).some(({ id, since }) => joins.includes(id) && since > begin),
    );
    return owner === undefined ? undefined : `it shares namespaces with ${owner}, which was started after it`;
  };
}

function restartCause(
  { graph, project }: Situation,
  name: string,
  touched: ReadonlyMap<string, string>,
): string | undefined {
  const owners = namespaceOwners(project.services[name] ?? { command: null, entrypoint: null });
  for (const { to, restart } of graph.dependenciesOf(name)) {
    const what = touched.get(to);
    const follows = what === 'started' ? owners.includes(to) : what !== undefined && restart === true;
    if (follows) return `it depends on ${to}, which is ${what}`;
  }
  return undefined;
}
