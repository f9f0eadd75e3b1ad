// Published ports: sockets that hold them on the host, and the rules that take the traffic to containers.

import { errnoOf } from '../../core/index.ts';
import { ComposeError } from '../errors.ts';
import type { Context } from '../state/context.ts';
import { lockFile } from '../state/layout.ts';
import { withLock } from '../state/lock.ts';
import { parseAddress } from './address.ts';
import { forgetAnswered, forgetBatch, forgetStale } from './conntrack.ts';
import type { Endpoint } from './endpoint.ts';
import {
  type FirewallState,
  firewallState,
  rebuildFirewall,
  removeFromFirewall,
  replaceInFirewall,
} from './firewall.ts';
import { containerName } from './leases.ts';
import { gatewayMode, listNetworks, type NetworkRecord, OPTION } from './record.ts';
import { findPortHolder, type PortHolder } from './sockets.ts';
import {
  type Forwarding,
  PROTOCOL,
  portElements,
  removalBatch,
  type SetElements,
  tableName,
} from './table.ts';

export type Protocol = keyof typeof PROTOCOL;

export interface PortWanted {
  readonly protocol: Protocol;
  /** Absent or empty: every address of the host, of both families. */
  readonly hostIp?: string;
  /** A port, a range `8000-8010` of which the first free one is taken, or absent for any free port. */
  readonly published?: number | string;
  /** In the container. */
  readonly target: number;
}

/** A host port that is held by the socket `fd`. */
export interface BoundPort {
  readonly protocol: Protocol;
  /** Empty for every address. */
  readonly hostIp: string;
  readonly hostPort: number;
  readonly containerPort: number;
  readonly fd: number;
}

/** Holds all of the ports or none; ComposeError `port-in-use` names the process or container that has one. */
export function bindPorts(ctx: Context, ports: readonly PortWanted[]): BoundPort[] {
  const bound: BoundPort[] = [];
  try {
    for (const port of ports) bound.push(bindPort(ctx, port));
    return bound;
  } catch (error) {
    closePorts(ctx, bound);
    throw error;
  }
}

export function closePorts(ctx: Context, bound: readonly BoundPort[]): void {
  for (const { fd } of bound) ctx.core.close(fd);
}

/** The address that ports without one are bound to on this network, from its options. */
export function defaultHostIp({ options }: Pick<NetworkRecord, 'options'>): string {
  return options[OPTION.hostBinding] ?? '';
}

function bindPort(ctx: Context, wanted: PortWanted): BoundPort {
  const { protocol, hostIp = '', target } = wanted;
  if (hostIp !== '' && !parseAddress(hostIp)) {
    throw new ComposeError('invalid-value', `the host address of a port is not an IP address: ${hostIp}`);
  }
  const { first, last } = parseRange(wanted.published);
  for (let port = first; ; port++) {
    try {
      const { fd, port: hostPort } = ctx.core.listen(PROTOCOL[protocol], hostIp, port);
      return { protocol, hostIp, hostPort, containerPort: target, fd };
    } catch (error) {
      if (errnoOf(error) !== 'EADDRINUSE' || port >= last)
        throw explainBind(ctx, wanted, { port, first, last, error });
    }
  }
}

const MAX_PORT = 65535;

function parseRange(published: number | string | undefined): { first: number; last: number } {
  if (published === undefined || published === '') return { first: 0, last: 0 };
  const [, start, end] = /^(\d+)(?:-(\d+))?$/.exec(String(published)) ?? [];
  const first = Number(start);
  const last = end === undefined ? first : Number(end);
  if (start !== undefined && first <= last && last <= MAX_PORT) return { first, last };
  throw new ComposeError('invalid-value', `the published port ${published} is no port and no range of ports`);
}

interface BindFailure {
  readonly port: number;
  readonly first: number;
  readonly last: number;
  readonly error: unknown;
}

function explainBind(
  ctx: Context,
  { protocol, hostIp = '' }: PortWanted,
  { port, first, last, error }: BindFailure,
): unknown {
  const at = hostIp === '' ? '' : ` of ${hostIp}`;
  switch (errnoOf(error)) {
    case 'EADDRINUSE': {
      const holder = findPortHolder({ protocol, address: hostIp, port });
      const by = holder ? ` by ${describeHolder(ctx, holder)}` : '';
      const which =
        first === last
          ? `port ${port}/${protocol}${at} is`
          : `ports ${first}-${last}/${protocol}${at} are all`;
      const options = { cause: error, hint: 'stop what uses it, or publish another port' };
      return new ComposeError(
        'port-in-use',
        `${which} in use${first === last ? by : `, ${port}${by}`}`,
        options,
      );
    }
    case 'EADDRNOTAVAIL':
      return new ComposeError(
        'invalid-value',
        `cannot publish port ${port}/${protocol}: ${hostIp} is no address of this machine`,
        { cause: error },
      );
    case 'EACCES':
      return new ComposeError('not-root', `not allowed to publish port ${port}/${protocol}`, {
        cause: error,
        hint: 'ports below net.ipv4.ip_unprivileged_port_start (1024) need root',
      });
    case 'EPROTONOSUPPORT':
      return new ComposeError('kernel-feature', `the kernel does not know ${protocol}`, {
        cause: error,
        hint: `load the module ${protocol}`,
      });
    default:
      return error;
  }
}

function describeHolder(ctx: Context, { pid, name, argv }: PortHolder): string {
  const id = argv[argv.indexOf('--id') + 1];
  if (name.startsWith('tscompose-shim') && id !== undefined) return `container ${containerName(ctx, id)}`;
  return `${name} (pid ${pid})`;
}

/** The addresses of a container that published traffic goes to. */
export interface PortTarget {
  readonly ipv4?: string;
  readonly ipv6?: string;
  /** Of every network that the container is on. */
  readonly bridges?: readonly string[];
  /** Families in which it is reached as it is. */
  readonly routed?: readonly (4 | 6)[];
}

/** Where the published ports of a container lead: to its first network that is not internal. */
export function portTarget(endpoints: readonly Pick<Endpoint, 'network' | 'lease'>[]): PortTarget {
  const chosen = endpoints.find(({ network }) => !network.internal) ?? endpoints[0];
  const { ipv4, ipv6 } = chosen?.lease ?? {};
  const routed = ([4, 6] as const).filter(
    (family) => chosen !== undefined && gatewayMode(chosen.network, family) === 'routed',
  );
  return {
    ...(ipv4 === undefined ? {} : { ipv4 }),
    ...(ipv6 === undefined ? {} : { ipv6 }),
    ...(routed.length === 0 ? {} : { routed }),
    bridges: endpoints
      .filter(({ network }) => network.driver === 'bridge')
      .map(({ network }) => network.bridge),
  };
}

export function forwardings({
  ports,
  target: { ipv4, ipv6, bridges = [], routed = [] },
}: Published): Forwarding[] {
  return ports.map(({ protocol, hostIp, hostPort, containerPort }) => ({
    protocol,
    hostIp,
    hostPort,
    containerPort,
    bridges,
    ...(routed.length === 0 ? {} : { routed }),
    ...(ipv4 === undefined ? {} : { ipv4 }),
    ...(ipv6 === undefined ? {} : { ipv6 }),
  }));
}

/** A running container's published ports. */
export interface Published {
  readonly ports: readonly Omit<BoundPort, 'fd'>[];
  readonly target: PortTarget;
}

/** What containers that run publish; asked for when somebody else has emptied the firewall. */
export type Running = () => readonly Published[];

export function nobody(): readonly Published[] {
  return [];
}

/**
 * Lets the kernel take published traffic to the container. Returns the netlink batches that end this, for the shim to
 * send when the container has ended; none when there is nothing to take back.
 */
export function portRules(
  ctx: Context,
  { ports, target }: Published,
  running: Running = nobody,
): readonly Uint8Array[] {
  const all = forwardings({ ports, target });
  const sets = portElements(all);
  if (sets.length === 0 || firewallState(ctx) === 'none') return [];
  if (!replaceInFirewall(ctx, sets)) {
    rebuildFirewall(ctx, listNetworks(ctx), [...running().flatMap(forwardings), ...all]);
  }
  if (firewallState(ctx) !== 'full') return [removalBatch(tableName(ctx.layout), sets)];
  forgetStale(ctx, all);
  return [removalBatch(tableName(ctx.layout), sets), forgetBatch(all)];
}

/** Takes back what `portRules` did, for a container whose shim could not; the rules of another one stay. */
export function dropPortRules(ctx: Context, published: Published): void {
  const all = forwardings(published);
  for (const { set, elements } of portElements(all)) {
    for (const element of elements) dropElement(ctx, { set, elements: [element] });
  }
  if (firewallState(ctx) === 'full') forgetAnswered(ctx, all);
}

function dropElement(ctx: Context, element: SetElements): void {
  try {
    removeFromFirewall(ctx, [element]);
  } catch (error) {
    // Somebody else publishes that port by now.
    if (errnoOf(error) !== 'EEXIST') throw error;
  }
}

/** Makes the table anew from the networks on record and the containers that run; what else was in it is gone. */
export function reconcileFirewall(ctx: Context, running: Running): Promise<FirewallState> {
  return withLock(ctx.core, lockFile(ctx.layout, 'networks'), { exclusive: true }, () =>
    rebuildFirewall(ctx, listNetworks(ctx), running().flatMap(forwardings)),
  );
}
