// `container:NAME` where NAME is a container of the same project: it is a service that has to be there first.
import type { Dependency, Dict, Project, Service } from '../compose/project.ts';

const CONTAINER = 'container:';
const IMPLIED: Dependency = { condition: 'service_started', required: true, restart: true };

/** The project with `container:NAME` of its own containers as services, which are ordered; others stay as they are. */
export function withOwnContainers(project: Project, separator: '-' | '_'): Project {
  const owners = new Map(
    Object.entries(project.services).map(([name, { container_name }]) => [
      container_name ?? [project.name, name, '1'].join(separator),
      name,
    ]),
  );
  const changed = Object.entries(project.services).map(([name, service]): [string, Service] => [
    name,
    withServices(service, (container) => {
      const owner = owners.get(container);
      return owner === name ? undefined : owner;
    }),
  ]);
  return { ...project, services: Object.fromEntries(changed) };
}

function withServices(service: Service, ownerOf: (container: string) => string | undefined): Service {
  const owners = new Set<string>();
  const meant = (reference: string): string | undefined => {
    if (!reference.startsWith(CONTAINER)) return undefined;
    const owner = ownerOf(reference.slice(CONTAINER.length));
    if (owner !== undefined) owners.add(owner);
    return owner;
  };
  const modes = Object.fromEntries(
    (['network_mode', 'pid', 'ipc'] as const).flatMap((attribute) => {
      const owner = meant(service[attribute] ?? '');
      return owner === undefined ? [] : [[attribute, `service:${owner}`]];
    }),
  );
  const volumes = (service.volumes_from ?? []).map((entry) => {
    const [, name = '', access = ''] = /^container:([^:]+)(:.*)?$/.exec(entry) ?? [];
    const owner = meant(`${CONTAINER}${name}`);
    return owner === undefined ? entry : `${owner}${access}`;
  });
  if (owners.size === 0) return service;
  // Not enumerable, so that it is not printed: a copy has to be given it.
  const { extensions } = service;
  return {
    ...service,
    ...(extensions === undefined ? {} : { extensions }),
    ...modes,
    ...(service.volumes_from === undefined ? {} : { volumes_from: volumes }),
    depends_on: { ...implied(owners), ...service.depends_on },
  };
}

function implied(owners: ReadonlySet<string>): Dict<Dependency> {
  return Object.fromEntries([...owners].map((owner) => [owner, IMPLIED]));
}
