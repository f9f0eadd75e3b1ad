// start-container: shim, interfaces, names and ports, then the program, then its hooks.
import { existsSync } from 'node:fs';
import { type Launch, launchContainer } from '../containers/container.ts';
import type { ContainerRecord, EndpointRecord } from '../containers/record.ts';
import { ComposeError } from '../errors.ts';
import { resolveImage } from '../images/image.ts';
import { attach, type Endpoint } from '../networks/endpoint.ts';
import { type BoundPort, closePorts, type PortTarget, portRules, portTarget } from '../networks/ports.ts';
import type { ActionOf } from '../plan/plan.ts';
import { containerFiles } from '../state/layout.ts';
import { publishedNow } from './firewall.ts';
import { runHooks } from './hooks.ts';
import { holdPorts, portOwner, rememberPorts, takePorts } from './ports.ts';
import { runPreStart } from './pre-start.ts';
import { forgetTraces } from './remove.ts';
import type { Session } from './session.ts';

/** Starts a container that exists and does not run; resolves when its program runs and its hooks are through. */
export async function startContainer(
  session: Session,
  action: ActionOf<'start-container'>,
  signal: AbortSignal,
): Promise<void> {
  const record = session.world.container(action.container);
  await prepareOnce(session, record);
  await runPreStart(session, record, { action, signal });
  await launch(session, record, { signal });
  const hooks = session.project.services[record.service]?.post_start ?? [];
  if (!record.oneoff) await runHooks(session, record, { kind: 'post_start', hooks, action, signal });
}

export interface LaunchWish {
  readonly signal: AbortSignal;
  /** Called at the closed gate: everything is there, the program has not begun. */
  readonly beforeStart?: (record: ContainerRecord) => Promise<void>;
}

/** Everything up to the running program. */
export async function launch(
  session: Session,
  record: ContainerRecord,
  { signal, beforeStart }: LaunchWish,
): Promise<void> {
  const { ctx } = session;
  holdPorts(session, portOwner(session, record));
  const bound = takePorts(session, record.name);
  try {
    const endpoints = await Promise.all(
      record.networks.map((endpoint) => endpointOf(session, record, endpoint)),
    );
    const target = portTarget(endpoints);
    const relays = bound.map(({ protocol, fd, containerPort }) => {
      return { protocol, fd, address: target.ipv4 ?? target.ipv6 ?? '127.0.0.1', port: containerPort };
    });
    const shim = launchContainer(ctx, record, { relays });
    try {
      await shim.until('creating', signal);
      if (hasOwnNetwork(record)) attach(ctx, shim.netnsPath, endpoints);
      await tellNames(session, record, endpoints);
      await openPorts(session, record, { bound, target, netfilter: (batches) => shim.netfilter(batches) });
      await shim.until('created', signal);
      await beforeStart?.(record);
      await shim.start();
    } catch (error) {
      const reason = await reasonOf(error, shim, signal);
      shim.close();
      // The shim takes back what it knows of; a launch that failed early left more.
      await forgetTraces(session, record).catch(() => undefined);
      throw reason;
    } finally {
      shim.close();
    }
  } finally {
    closePorts(ctx, bound);
  }
}

// A shim whose launch failed takes its network namespace with it: then its reason is the one to tell.
async function reasonOf(error: unknown, shim: Launch, signal: AbortSignal): Promise<unknown> {
  if (!(error instanceof ComposeError) || error.code !== 'system') return error;
  return shim.until('created', signal).then(
    () => error,
    (reason: unknown) => reason,
  );
}

/** A new container's upper directory has to fit its image; not at creation, which may be interrupted. */
export async function prepareOnce(session: Session, { id, image }: ContainerRecord): Promise<void> {
  const { ctx, world } = session;
  const files = containerFiles(ctx.layout, id);
  if (existsSync(files.launched)) return;
  const found =
    world.images.get(image.name) ??
    (await resolveImage(ctx, image.id)) ??
    (await resolveImage(ctx, image.name));
  if (found !== undefined) await session.snapshot(found).prepare(files.upper);
}

function hasOwnNetwork({ networkMode }: ContainerRecord): boolean {
  return networkMode !== 'host' && !networkMode.startsWith('container:');
}

async function endpointOf(
  session: Session,
  { id }: ContainerRecord,
  endpoint: EndpointRecord,
): Promise<Endpoint> {
  const network = await session.raised(endpoint.name);
  const { ipv4, ipv6, mac } = endpoint;
  const wanted = {
    ...(ipv4 === undefined ? {} : { ipv4 }),
    ...(ipv6 === undefined ? {} : { ipv6 }),
    ...(mac === undefined ? {} : { mac }),
  };
  const lease = await session.lease(endpoint.name, { container: id, wanted });
  return {
    network,
    lease,
    containerId: id,
    ...(endpoint.interface === undefined ? {} : { interfaceName: endpoint.interface }),
    ...(endpoint.gwPriority === undefined ? {} : { gatewayPriority: endpoint.gwPriority }),
    ...(endpoint.linkLocalIps === undefined ? {} : { linkLocalIps: endpoint.linkLocalIps }),
  };
}

async function tellNames(
  session: Session,
  { id, networks }: ContainerRecord,
  endpoints: readonly Endpoint[],
): Promise<void> {
  await Promise.all(
    endpoints.map(({ network, lease }, index) => {
      const names = networks[index]?.aliases ?? [];
      const addresses = [lease.ipv4, lease.ipv6].filter((address) => address !== undefined);
      const lines = addresses.map((address) => ({ address, names }));
      return session.addNames(network.name, { container: id, lines });
    }),
  );
}

interface Opening {
  readonly bound: readonly BoundPort[];
  readonly target: PortTarget;
  readonly netfilter: (batches: readonly Uint8Array[]) => Promise<void>;
}

async function openPorts(
  { ctx }: Session,
  { id }: ContainerRecord,
  { bound, target, netfilter }: Opening,
): Promise<void> {
  rememberPorts(ctx, id, bound);
  if (bound.length === 0) return;
  const batches = portRules(ctx, { ports: bound, target }, () => publishedNow(ctx));
  if (batches.length > 0) await netfilter(batches);
}
