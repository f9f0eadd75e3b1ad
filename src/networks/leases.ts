// The addresses that containers have on networks, kept in the networks' records.
import { readFileSync } from 'node:fs';
import { ComposeError } from '../errors.ts';
import type { Context } from '../state/context.ts';
import { containerFiles, lockFile, networkFiles } from '../state/layout.ts';
import { withLock } from '../state/lock.ts';
import { writeRecord } from '../state/record.ts';
import { type AddressesWanted, chooseLease, type Lease, TakenAddresses } from './ipam.ts';
import { type NetworkRecord, readNetwork } from './record.ts';

/** All networks of the machine are changed by one command at a time. */
export function locked<T>(ctx: Context, run: () => T): Promise<T> {
  return withLock(ctx.core, lockFile(ctx.layout, 'networks'), { exclusive: true }, run);
}

/** Gives a container its addresses on a network; it keeps them until `release`. */
export async function lease(
  ctx: Context,
  network: NetworkRecord,
  container: string,
  wanted: AddressesWanted = {},
): Promise<Lease> {
  const [first] = await leaseAll(ctx, network, [{ container, wanted }]);
  if (first) return first;
  throw new ComposeError('network-not-found', `network "${network.name}" is gone`);
}

export interface LeaseRequest {
  readonly container: string;
  readonly wanted?: AddressesWanted;
  /** The network's key in the compose file. */
  readonly key?: string;
}

/** Addresses for many containers at once, in order: static ones are set aside first. */
export function leaseAll(
  ctx: Context,
  network: NetworkRecord,
  requests: readonly LeaseRequest[],
): Promise<Lease[]> {
  return locked(ctx, () => {
    const record = requireNetwork(ctx, network);
    const leases: Record<string, Lease> = Object.assign(Object.create(null), record.leases);
    const taken = new TakenAddresses(record.subnets, leases);
    const nameOf = (id: string): string => containerName(ctx, id);
    for (const { container, wanted = {}, key } of [...requests].sort(staticFirst)) {
      const chosen = chooseLease({
        network: record.name,
        subnets: record.subnets,
        leases,
        taken,
        container,
        wanted,
        nameOf,
        ...(key === undefined ? {} : { key }),
      });
      leases[container] = chosen;
      taken.add(container, chosen);
    }
    writeNetwork(ctx, { ...record, leases });
    return requests.flatMap(({ container }) => leases[container] ?? []);
  });
}

/** Keeps addresses that somebody else has given to a container. */
export function keepLease(
  ctx: Context,
  network: NetworkRecord,
  container: string,
  lease: Lease,
): Promise<void> {
  return locked(ctx, () => {
    const record = requireNetwork(ctx, network);
    writeNetwork(ctx, { ...record, leases: { ...record.leases, [container]: lease } });
  });
}

function staticFirst(a: LeaseRequest, b: LeaseRequest): number {
  const rank = ({ wanted }: LeaseRequest): number => (wanted?.ipv4 || wanted?.ipv6 ? 0 : 1);
  return rank(a) - rank(b);
}

function requireNetwork(ctx: Context, { id, name }: NetworkRecord): NetworkRecord {
  const record = readNetwork(ctx, id);
  if (record) return record;
  throw new ComposeError('network-not-found', `network "${name}" is gone`);
}

/** Gives a container's addresses back; none, or no such network any more, is fine. */
export function release(ctx: Context, network: NetworkRecord, container: string): Promise<void> {
  return releaseAll(ctx, network, [container]);
}

export function releaseAll(
  ctx: Context,
  network: NetworkRecord,
  containers: readonly string[],
): Promise<void> {
  return locked(ctx, () => {
    const record = readNetwork(ctx, network.id);
    if (!record) return;
    const gone = new Set(containers);
    const leases = Object.fromEntries(Object.entries(record.leases).filter(([id]) => !gone.has(id)));
    if (Object.keys(leases).length < Object.keys(record.leases).length)
      writeNetwork(ctx, { ...record, leases });
  });
}

export function writeNetwork(ctx: Context, network: NetworkRecord): void {
  writeRecord(networkFiles(ctx.layout, network.id).record, network);
}

/** The name of a container for messages, or the start of its id. */
export function containerName(ctx: Context, id: string): string {
  try {
    const record: unknown = JSON.parse(readFileSync(containerFiles(ctx.layout, id).record, 'utf8'));
    if (typeof record === 'object' && record && 'name' in record && typeof record.name === 'string')
      return record.name;
  } catch {
    // Messages do without.
  }
  return id.slice(0, 12);
}
