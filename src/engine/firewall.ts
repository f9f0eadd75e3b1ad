// What the firewall is to hold for containers that run: asked for when somebody else has emptied it.
import { listContainers } from '../containers/listing.ts';
import type { ContainerRecord } from '../containers/record.ts';
import { isAlive, readStatus, sight } from '../containers/status.ts';
import { type Published, portTarget } from '../networks/ports.ts';
import { listNetworks, type NetworkRecord } from '../networks/record.ts';
import type { Member } from '../networks/vip.ts';
import type { Context } from '../state/context.ts';
import { publishedPorts } from './ports.ts';

/** Published ports of every container of the machine that runs, and where they lead. */
export function publishedNow(ctx: Context): readonly Published[] {
  const networks = listNetworks(ctx);
  return sight(ctx, listContainers(ctx))
    .filter(({ status }) => isAlive(status))
    .map(({ record }) => publishedBy(ctx, record, networks))
    .filter(({ ports }) => ports.length > 0);
}

/** Containers of the machine that share an address with others of their service. */
export function sharingNow(ctx: Context): readonly Member[] {
  return listContainers(ctx).flatMap(({ id, project, service, number, oneoff, networks }) => {
    const places = networks.filter(({ shared }) => shared);
    if (oneoff || places.length === 0) return [];
    const running = RUNNING.includes(readStatus(ctx, id).state);
    return places.map((place) => {
      return { network: place.id, container: id, service: `${project}/${service}`, number, running };
    });
  });
}

const RUNNING: readonly string[] = ['running', 'paused', 'restarting'];

/** What a container published at its last start. */
export function publishedBy(
  ctx: Context,
  record: ContainerRecord,
  networks: readonly NetworkRecord[],
): Published {
  const { id, networks: endpoints } = record;
  const places = endpoints.flatMap((endpoint) => {
    const network = networks.find((candidate) => candidate.id === endpoint.id);
    const lease = network?.leases[id];
    return network && lease ? [{ network, lease }] : [];
  });
  return { ports: publishedPorts(ctx, record), target: portTarget(places) };
}
