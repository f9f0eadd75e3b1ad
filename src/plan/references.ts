// What a service borrows from other services: namespaces and volumes.
import type { Service } from '../compose/project.ts';

const SERVICE = 'service:';

/** Services whose namespaces this one shares, each once. */
export function namespaceOwners(service: Service): readonly string[] {
  const modes = [service.network_mode, service.ipc, service.pid, service.uts, service.cgroup];
  const owners = modes.filter((mode) => mode?.startsWith(SERVICE)).map((mode) => mode?.slice(SERVICE.length));
  return [...new Set(owners.filter((owner) => owner !== undefined))];
}

/** Services whose volumes this one mounts, each once. */
export function volumeSources(service: Service): readonly string[] {
  const entries = (service.volumes_from ?? []).map((entry) => entry.split(':'));
  const services = entries.filter(([first]) => first !== 'container').map(([first]) => first ?? '');
  return [...new Set(services)];
}

/** Names of the named volumes that a service mounts, as keys of the project. */
export function volumeKeys(service: Service): readonly string[] {
  const named = (service.volumes ?? []).filter((mount) => mount.type === 'volume');
  return [...new Set(named.flatMap((mount) => (mount.source === undefined ? [] : [mount.source])))];
}

/** Names of the images that a service mounts, each once. */
export function mountedImages(service: Service): readonly string[] {
  const mounts = (service.volumes ?? []).filter((mount) => mount.type === 'image');
  return [...new Set(mounts.flatMap(({ source }) => source ?? []))];
}

/** Keys of the networks of a service; none when it shares or lacks a network namespace. */
export function networkKeys(service: Service): readonly string[] {
  return service.network_mode === undefined ? Object.keys(service.networks ?? {}) : [];
}

/** Number of containers that a service wants by its file alone. */
export function replicaCount(service: Service): number {
  if (service.deploy?.mode?.startsWith('global')) return 1;
  return service.scale ?? service.deploy?.replicas ?? 1;
}

/** Keys of the networks of a service in the order of its interfaces: by priority, then by name. */
export function networkOrder({ networks }: Service): readonly string[] {
  const entries = Object.entries(networks ?? {});
  const sorted = entries.sort(
    ([a, x], [b, y]) => (y?.priority ?? 0) - (x?.priority ?? 0) || (a < b ? -1 : 1),
  );
  return sorted.map(([key]) => key);
}
