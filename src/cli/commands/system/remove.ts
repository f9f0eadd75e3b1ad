// Containers that do not run, and networks and volumes that no container has.
import { listContainers } from '../../../containers/listing.ts';
import { isAlive, readStatus } from '../../../containers/status.ts';
import { removeNetworks } from '../../../networks/network.ts';
import { listNetworks } from '../../../networks/record.ts';
import type { Context } from '../../../state/context.ts';
import { listVolumes, removeVolume } from '../../../volumes/volume.ts';
import type { CliContext } from '../../command.ts';

/** Removes every container that does not run; returns their names. */
export async function pruneContainers(context: CliContext): Promise<string[]> {
  const state = await context.state();
  const engine = await context.engine();
  const stopped = listContainers(state).filter(({ id }) => !isAlive(readStatus(state, id)));
  for (const record of stopped) await engine.discard(record);
  return stopped.map(({ name }) => name);
}

/** Removes every network that no container is on; returns their names. */
export async function pruneNetworks(state: Context): Promise<string[]> {
  const used = new Set(listContainers(state).flatMap(({ networks }) => networks.map(({ id }) => id)));
  const unused = listNetworks(state).filter(({ id, leases }) => !used.has(id) && isEmpty(leases));
  await removeNetworks(state, unused);
  return unused.map(({ name }) => name);
}

function isEmpty(leases: Readonly<Record<string, unknown>>): boolean {
  return Object.keys(leases).length === 0;
}

/** Removes every volume that no container has; returns their names. */
export async function pruneVolumes(context: CliContext): Promise<string[]> {
  const state = await context.state();
  const used = new Set(
    listContainers(state).flatMap(({ mounts }) => mounts.flatMap(({ name }) => name ?? [])),
  );
  const unused = listVolumes(state).filter(({ name }) => !used.has(name));
  for (const { name } of unused) await removeVolume(state, name);
  return unused.map(({ name }) => name);
}
