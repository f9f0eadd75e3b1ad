// Published ports: held for a whole plan before anything starts, and remembered while the container runs.
import type { ContainerRecord, PortRecord } from '../containers/record.ts';
import { portsOf } from '../containers/supervise.ts';
import { ComposeError, InternalError } from '../errors.ts';
import {
  type BoundPort,
  bindPorts,
  defaultHostIp,
  type PortWanted,
  type Protocol,
} from '../networks/ports.ts';
import type { ContainerRef } from '../plan/plan.ts';
import { networkOrder } from '../plan/references.ts';
import type { Context } from '../state/context.ts';
import { asArray, asNumber, asObject, asString } from '../state/decode.ts';
import { containerFiles } from '../state/layout.ts';
import { readRecord, writeRecord } from '../state/record.ts';
import type { Session } from './session.ts';

/** A published port of a running container. */
export type PublishedPort = Omit<BoundPort, 'fd'>;

/** Whose ports they are, and where the file says so. */
export interface PortOwner {
  readonly service: string;
  readonly name: string;
  readonly ports: readonly PortRecord[];
  /** Where ports without a host address are bound. */
  readonly hostIp: string;
}

/** What a container that exists publishes; nothing without a network of its own. */
export function portOwner(
  { world, project }: Session,
  { service, name, ports, networks }: ContainerRecord,
): PortOwner {
  const first = networks[0];
  if (first === undefined) return { service, name, ports: [], hostIp: '' };
  // A network that is not there is made before the container starts.
  const future = { options: project.networks[first.key]?.driver_opts ?? {} };
  return { service, name, ports, hostIp: defaultHostIp(world.networkIfThere(first.name) ?? future) };
}

/** What a container of a service will publish. */
export function futurePortOwner({ project }: Session, { service, name }: ContainerRef): PortOwner {
  const definition = project.services[service];
  if (definition === undefined || definition.network_mode !== undefined)
    return { service, name, ports: [], hostIp: '' };
  const [key = ''] = networkOrder(definition);
  const options = project.networks[key]?.driver_opts ?? {};
  return { service, name, ports: portsOf(definition), hostIp: defaultHostIp({ options }) };
}

/**
 * Holds the published ports of a container that are not held yet; those that `later` accepts are left out.
 * ComposeError `port-in-use` names service, port, holder and place.
 */
export function holdPorts(
  session: Session,
  owner: PortOwner,
  later: (port: PortRecord) => boolean = () => false,
): void {
  const held = session.ports.get(owner.name) ?? new Map<number, BoundPort>();
  session.ports.set(owner.name, held);
  for (const [index, port] of owner.ports.entries()) {
    if (!held.has(index) && !later(port)) held.set(index, holdOne(session, owner, index, port));
  }
}

/** Takes over what is held for a container; the caller closes it. */
export function takePorts(session: Session, name: string): readonly BoundPort[] {
  const held = session.ports.get(name);
  session.ports.delete(name);
  return [...(held?.values() ?? [])];
}

function holdOne(session: Session, owner: PortOwner, index: number, port: PortRecord): BoundPort {
  const hostIp = port.hostIp ?? owner.hostIp;
  const wanted: PortWanted = {
    protocol: protocolOf(port),
    target: port.target,
    ...(hostIp === '' ? {} : { hostIp }),
    ...(port.published === undefined ? {} : { published: port.published }),
  };
  try {
    const [bound] = bindPorts(session.ctx, [wanted]);
    if (bound === undefined) throw new InternalError('no port was bound');
    return bound;
  } catch (cause) {
    if (!(cause instanceof ComposeError)) throw cause;
    throw explained(session, owner, { index, port, cause });
  }
}

interface Refusal {
  readonly index: number;
  readonly port: PortRecord;
  readonly cause: ComposeError;
}

function explained(session: Session, owner: PortOwner, { index, port, cause }: Refusal): ComposeError {
  const at = session.project.positionOf(`services.${owner.service}.ports[${index}]`) ?? cause.at;
  const rival =
    cause.code === 'port-in-use'
      ? (holderHere(session, port) ?? replicaWith(session, owner, port))
      : undefined;
  const place = at === undefined ? {} : { at };
  if (rival !== undefined) {
    const message = `${owner.name} and ${rival} cannot both publish port ${port.published}/${port.protocol}`;
    const hint = 'publish a range of ports, so that each replica gets one, or none for any free port';
    return new ComposeError(cause.code, message, { cause, hint, ...place });
  }
  const hint = cause.hint === undefined ? {} : { hint: cause.hint };
  return new ComposeError(cause.code, `service ${owner.service} (${owner.name}): ${cause.message}`, {
    cause,
    ...hint,
    ...place,
  });
}

/** Another container of this plan that the port is held for. */
function holderHere({ ports }: Session, { published, protocol }: PortRecord): string | undefined {
  for (const [name, held] of ports) {
    for (const bound of held.values()) {
      if (bound.hostPort === published && bound.protocol === protocol) return name;
    }
  }
  return undefined;
}

/** A container of the same service that runs and has the port. */
function replicaWith(
  { ctx, world }: Session,
  { service, name }: PortOwner,
  { published, protocol }: PortRecord,
): string | undefined {
  const others = world.replicasOf(service).filter((replica) => replica.name !== name);
  return others.find((record) =>
    publishedPorts(ctx, record).some((port) => port.hostPort === published && port.protocol === protocol),
  )?.name;
}

function protocolOf({ protocol }: PortRecord): Protocol {
  if (protocol === 'udp' || protocol === 'sctp') return protocol;
  return 'tcp';
}

/** Remembers what was held, for `ps` and `port`. */
export function rememberPorts(ctx: Context, id: string, bound: readonly BoundPort[]): void {
  if (bound.length === 0) return;
  writeRecord(
    containerFiles(ctx.layout, id).ports,
    bound.map(({ protocol, hostIp, hostPort, containerPort }) => ({
      protocol,
      hostIp,
      hostPort,
      containerPort,
    })),
  );
}

/** The host ports of a container as they were held at its last start. */
export function publishedPorts(
  ctx: Context,
  { id, ports }: Pick<ContainerRecord, 'id' | 'ports'>,
): readonly PublishedPort[] {
  // Who publishes nothing has no such file.
  if (ports.length === 0) return [];
  const file = containerFiles(ctx.layout, id).ports;
  return readRecord(file, (value) => asArray(value, 'ports', decodePort)) ?? [];
}

function decodePort(value: unknown, what: string): PublishedPort {
  const object = asObject(value, what);
  return {
    protocol: protocolOf({ target: 0, protocol: asString(object.protocol, 'protocol') }),
    hostIp: asString(object.hostIp, 'hostIp'),
    hostPort: asNumber(object.hostPort, 'hostPort'),
    containerPort: asNumber(object.containerPort, 'containerPort'),
  };
}
