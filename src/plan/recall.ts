// A project put together from its containers, networks and volumes alone, for `-p NAME` without files.
import type { Dependency, Dict, NetworkConfig, Project, Service, VolumeConfig } from '../compose/project.ts';
import type { Observed } from './observed.ts';

/** The project as its labels tell it: services that have a container, their dependencies and resources. */
export function recallProject(name: string, observed: Observed): Project {
  const replicas = observed.containers.filter(({ oneoff }) => !oneoff);
  const names = [...new Set(replicas.map(({ service }) => service))].sort();
  const services = names.map((service): [string, Service] => {
    const own = replicas.filter((container) => container.service === service);
    const label = own[0]?.dependsOn ?? '';
    const image = own[0]?.image.name ?? '';
    return [
      service,
      { command: null, entrypoint: null, image, scale: own.length, depends_on: parseDependsOn(label) },
    ];
  });
  return {
    name,
    workingDir: '/',
    files: [],
    envFiles: [],
    environment: {},
    services: Object.fromEntries(services),
    disabledServices: {},
    networks: resources(name, observed.networks) satisfies Dict<NetworkConfig>,
    volumes: resources(name, observed.volumes) satisfies Dict<VolumeConfig>,
    secrets: {},
    configs: {},
    models: {},
    jobs: {},
    extensions: {},
    profiles: [],
    positionOf: () => undefined,
  };
}

/** The label com.docker.compose.depends_on: `name:condition:restart`, separated by commas. */
export function formatDependsOn(dependencies: Dict<Dependency> = {}): string {
  return Object.entries(dependencies)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, { condition, restart }]) => `${name}:${condition}:${restart ?? false}`)
    .join(',');
}

const CONDITIONS = ['service_started', 'service_healthy', 'service_completed_successfully'] as const;

/** What formatDependsOn wrote; a dependency that cannot be read counts as started. */
export function parseDependsOn(label: string): Dict<Dependency> {
  const entries = label.split(',').filter((entry) => entry !== '');
  return Object.fromEntries(
    entries.map((entry) => {
      const [name = '', written, restart] = entry.split(':');
      const condition = CONDITIONS.find((known) => known === written) ?? 'service_started';
      return [name, { condition, required: false, restart: restart === 'true' }];
    }),
  );
}

function resources(
  project: string,
  observed: readonly { readonly name: string; readonly project: string; readonly key: string }[],
): Dict<{ readonly name: string }> {
  const own = observed.filter((resource) => resource.project === project && resource.key !== '');
  return Object.fromEntries(own.map(({ key, name }) => [key, { name }]));
}
