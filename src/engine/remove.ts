// remove-container, and what a container whose shim died has left behind.
import { removeContainer } from '../containers/container.ts';
import type { ContainerRecord } from '../containers/record.ts';
import { readStatus } from '../containers/status.ts';
import { removeByPlugins } from '../networks/cni.ts';
import { removeNames } from '../networks/hosts.ts';
import { dropPortRules } from '../networks/ports.ts';
import { removeVolume } from '../volumes/volume.ts';
import { publishedBy } from './firewall.ts';
import { asError } from './result.ts';
import type { Session } from './session.ts';

/** Removes a container with its directory, addresses and names; its anonymous volumes too when asked, or when it goes by itself. */
export async function discardContainer(
  session: Session,
  record: ContainerRecord,
  volumes: boolean,
): Promise<void> {
  const { ctx, world } = session;
  if (readStatus(ctx, record.id).state === 'lost') await forgetTraces(session, record);
  await leaveNetworks(session, record);
  await removeContainer(ctx, record);
  world.forget(record.id);
  await Promise.all(record.networks.map(({ name }) => session.release(name, record.id)));
  if (record.networks.some(({ shared }) => shared)) await session.rebalance();
  if (!volumes && !record.autoRemove) return;
  for (const name of record.anonymousVolumes) await removeVolume(ctx, name);
}

/** Has plugins undo what they did for a container that has ended. */
export async function leaveNetworks(session: Session, { id, networks }: ContainerRecord): Promise<void> {
  const { ctx, world } = session;
  for (const { name } of networks) {
    const network = world.networkIfThere(name);
    if (network?.driver !== 'cni') continue;
    // What others keep must not keep the container.
    await removeByPlugins(ctx, network, id).catch((error: unknown) =>
      session.warnOnce(asError(error).message),
    );
  }
}

/** What the shim would have taken back at its end: lines of the name tables and rules for published ports. */
export async function forgetTraces(session: Session, record: ContainerRecord): Promise<void> {
  const { ctx } = session;
  const networks = record.networks.flatMap(({ name }) => session.world.networkIfThere(name) ?? []);
  for (const network of networks) await removeNames(ctx, network, record.id);
  dropPortRules(ctx, publishedBy(ctx, record, networks));
}
