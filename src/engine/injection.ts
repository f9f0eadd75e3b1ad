// Variables that other parts of a project put into a service: models and providers.
import type { Dict, Project, Service } from '../compose/project.ts';

/** Where models answer unless TSCOMPOSE_MODELS_URL says otherwise: the name that Docker's runner has. */
const MODELS_URL = 'http://model-runner.docker.internal/engines/v1/';

/** The project with the addresses and names of models in the environment of the services that use them. */
export function withModels(project: Project): Project {
  const users = Object.entries(project.services).filter(([, { models }]) => models !== undefined);
  if (users.length === 0) return project;
  const changed = users.map(([name, service]): [string, Service] => [
    name,
    withEnvironment(service, { ...modelVariables(project, service), ...service.environment }),
  ]);
  return { ...project, services: { ...project.services, ...Object.fromEntries(changed) } };
}

// A plain copy would lose the extensions, which are not enumerable.
function withEnvironment(service: Service, environment: Dict<string | null>): Service {
  const { extensions } = service;
  return { ...service, ...(extensions === undefined ? {} : { extensions }), environment };
}

function modelVariables(project: Project, service: Service): Dict<string> {
  const url = project.environment.TSCOMPOSE_MODELS_URL ?? MODELS_URL;
  const variables = Object.entries(service.models ?? {}).flatMap(([key, names]): [string, string][] => {
    const prefix = key.toUpperCase().replaceAll('-', '_');
    const model = project.models[key]?.model ?? key;
    return [
      [names?.endpoint_var ?? `${prefix}_URL`, url],
      [names?.model_var ?? `${prefix}_MODEL`, model],
    ];
  });
  return Object.fromEntries(variables);
}

/** What a provider told: variables by name, with the service's name before them unless they are raw. */
export interface ProviderVariables {
  readonly service: string;
  readonly prefixed: Dict<string>;
  readonly raw: Dict<string>;
}

/** The project with the variables of a provider in the services that depend on it. */
export function withProvider(
  project: Project,
  { service: provider, prefixed, raw }: ProviderVariables,
): Project {
  const prefix = `${provider.toUpperCase()}_`;
  const named = Object.fromEntries(Object.entries(prefixed).map(([key, value]) => [prefix + key, value]));
  const services = Object.entries(project.services).map(([name, service]): [string, Service] => {
    if (service.depends_on === undefined || !Object.hasOwn(service.depends_on, provider))
      return [name, service];
    const environment = { ...service.environment, ...named, ...raw };
    return [name, withEnvironment(service, environment)];
  });
  return { ...project, services: Object.fromEntries(services) };
}
