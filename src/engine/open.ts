// Opening a container: its ports, addresses, shim and interfaces, everything but its first process.
//
// That may be done ahead of its start, while other containers are still made or started: the shim is held until then.
import { type Launch, launchContainer } from '../containers/container.ts';
import type { ContainerRecord, EndpointRecord } from '../containers/record.ts';
import type { State } from '../containers/status.ts';
import { ComposeError } from '../errors.ts';
import type { PortMapping } from '../networks/cni.ts';
import type { Endpoint } from '../networks/endpoint.ts';
import { type Joined, joinNetworks } from '../networks/join.ts';
import { type BoundPort, closePorts, portTarget } from '../networks/ports.ts';
import type { Action, Plan } from '../plan/plan.ts';
import { holdPorts, portOwner, takePorts } from './ports.ts';
import { forgetTraces } from './remove.ts';
import type { Session } from './session.ts';

/** A container whose shim waits for the word to make the first process. */
export interface Opened {
  readonly shim: Launch;
  /** Its published ports; their sockets are the shim's by now. */
  readonly bound: readonly BoundPort[];
  readonly joined: readonly Joined[];
  /** Ends the connection to the shim. */
  close(): void;
}

const HARMLESS: ReadonlySet<Action['kind']> = new Set<Action['kind']>([
  'create-container',
  'start-container',
  'create-network',
  'create-volume',
  'pull-image',
]);

/** Names of the new containers whose start waits for nothing that may take long, or that has to be freed first. */
export function openedAhead({ actions }: Plan): ReadonlySet<string> {
  const late = new Set<string>();
  const names = new Set<string>();
  for (const action of actions) {
    const replaces = action.kind === 'create-container' && action.replaces !== undefined;
    const waits = [...action.needs, ...action.after].some((id) => late.has(id));
    if (waits || replaces || !HARMLESS.has(action.kind)) late.add(action.id);
    else if (action.kind === 'start-container' && action.container.id === undefined)
      names.add(action.container.name);
  }
  return names;
}

/** So many, at most, wait for their start: they must not keep others from theirs. */
const AHEAD_MAX = 64;

/** Opens a container that was just made, where nothing speaks against it; a failure is told when it is started. */
export function openAhead(session: Session, record: ContainerRecord, signal: AbortSignal): void {
  if (session.opened.size >= AHEAD_MAX || !session.ahead.has(record.name)) return;
  if (!mayOpenAhead(session, record)) return;
  const opening = openContainer(session, record, signal);
  opening.catch(() => undefined);
  session.opened.set(record.id, opening);
}

function mayOpenAhead(session: Session, record: ContainerRecord): boolean {
  const free = portOwner(session, record).ports.length - (session.ports.get(record.name)?.size ?? 0);
  const hooks = session.project.services[record.service]?.pre_start ?? [];
  const joins = Object.keys(record.joins);
  const networks = record.networks.map(({ name }) => session.world.network(name));
  return free === 0 && hooks.length === 0 && joins.length === 0 && makesNetwork(record, networks);
}

/** What was opened for the container ahead, or is now. */
export async function takeOpened(
  session: Session,
  record: ContainerRecord,
  signal: AbortSignal,
): Promise<Opened> {
  const ahead = session.opened.get(record.id);
  session.opened.delete(record.id);
  return ahead ?? openContainer(session, record, signal);
}

/** Takes back what was opened ahead for containers that were not started after all. */
export async function closeOpened({ opened }: Session): Promise<void> {
  const left = [...opened.values()];
  opened.clear();
  await Promise.allSettled(left.map(async (opening) => abandon(await opening)));
}

async function abandon({ shim, close }: Opened): Promise<void> {
  try {
    await shim.control.stop();
  } finally {
    close();
  }
}

async function openContainer(
  session: Session,
  record: ContainerRecord,
  signal: AbortSignal,
): Promise<Opened> {
  const { ctx } = session;
  holdPorts(session, portOwner(session, record));
  const bound = takePorts(session, record.name);
  try {
    const endpoints = await Promise.all(
      record.networks.map((endpoint) => endpointOf(session, record, endpoint)),
    );
    await session.turns.take();
    try {
      return await openAt(session, record, { endpoints, bound, signal });
    } catch (error) {
      session.turns.pass();
      throw error;
    }
  } finally {
    closePorts(ctx, bound);
  }
}

interface Places {
  readonly endpoints: readonly Endpoint[];
  readonly bound: readonly BoundPort[];
  readonly signal: AbortSignal;
}

/** In the turn of the container, which `close` passes on. */
async function openAt(
  session: Session,
  record: ContainerRecord,
  { endpoints, bound, signal }: Places,
): Promise<Opened> {
  const { ctx } = session;
  let network: number | undefined;
  try {
    const target = portTarget(endpoints);
    const relays = bound.map(({ protocol, fd, containerPort }) => {
      return { protocol, fd, address: target.ipv4 ?? target.ipv6 ?? '127.0.0.1', port: containerPort };
    });
    const networks = endpoints.map((endpoint) => endpoint.network);
    if (makesNetwork(record, networks)) network = await ctx.core.networkNamespace();
    const shim = await launchContainer(ctx, record, {
      relays,
      ...(network === undefined ? {} : { network }),
    });
    try {
      if (network === undefined) await shim.until('creating', signal);
      const netns = network === undefined ? shim.netnsPath : `/proc/self/fd/${network}`;
      const ports = mappingsOf(bound);
      const joined = hasOwnNetwork(record) ? await joinNetworks(ctx, netns, { endpoints, ports }) : [];
      const close = () => {
        shim.close();
        session.turns.pass();
      };
      return { shim, bound, joined, close };
    } catch (error) {
      throw await takenBack(session, record, { shim, error, state: 'creating', signal });
    }
  } finally {
    if (network !== undefined) ctx.core.close(network);
  }
}

// Interfaces are made while the shim gets ready. Not where only the shim can make their namespace, and not where
// plugins, which are other processes, have to find it.
function makesNetwork(record: ContainerRecord, networks: readonly Endpoint['network'][]): boolean {
  const plugins = networks.some(({ driver }) => driver === 'cni');
  return hasOwnNetwork(record) && !record.ownsUsers && !plugins;
}

function hasOwnNetwork({ networkMode }: ContainerRecord): boolean {
  return networkMode !== 'host' && !networkMode.startsWith('container:');
}

function mappingsOf(bound: readonly BoundPort[]): readonly PortMapping[] {
  return bound.map(({ hostPort, containerPort, protocol, hostIp }) => {
    return { hostPort, containerPort, protocol, ...(hostIp === '' ? {} : { hostIP: hostIp }) };
  });
}

async function endpointOf(
  session: Session,
  { id, project, service }: ContainerRecord,
  endpoint: EndpointRecord,
): Promise<Endpoint> {
  const network = await session.raised(endpoint.name);
  const { ipv4, ipv6, mac } = endpoint;
  const wanted = {
    ...(ipv4 === undefined ? {} : { ipv4 }),
    ...(ipv6 === undefined ? {} : { ipv6 }),
    ...(mac === undefined ? {} : { mac }),
  };
  const lease = await session.lease(endpoint.name, { container: id, wanted, key: endpoint.key });
  const shared = endpoint.shared ? await session.share(network, `${project}/${service}`) : undefined;
  return {
    network,
    lease,
    containerId: id,
    ...(endpoint.interface === undefined ? {} : { interfaceName: endpoint.interface }),
    ...(endpoint.gwPriority === undefined ? {} : { gatewayPriority: endpoint.gwPriority }),
    ...(endpoint.linkLocalIps === undefined ? {} : { linkLocalIps: endpoint.linkLocalIps }),
    ...(shared === undefined ? {} : { shared }),
  };
}

interface Failure {
  readonly shim: Launch;
  readonly error: unknown;
  /** What the shim was on its way to. */
  readonly state: State;
  readonly signal: AbortSignal;
}

/** Undoes a launch; returns the error that tells most. */
export async function takenBack(
  session: Session,
  record: ContainerRecord,
  failure: Failure,
): Promise<unknown> {
  const reason = await reasonOf(failure);
  failure.shim.close();
  // The shim takes back what it knows of; a launch that failed early left more.
  await forgetTraces(session, record).catch(() => undefined);
  return reason;
}

// A shim whose launch failed takes its network namespace with it: then its reason is the one to tell.
async function reasonOf({ error, shim, state, signal }: Failure): Promise<unknown> {
  if (!(error instanceof ComposeError) || error.code !== 'system') return error;
  return shim.until(state, signal).then(
    () => error,
    (reason: unknown) => reason,
  );
}
