// Chooses services of a project: those that are named, what they depend on, and the resources they use.
import { ComposeError } from '../errors.ts';
import { nearest } from './hints.ts';
import type { Declared, Dict, Project, Service } from './project.ts';

export interface SelectOptions {
  readonly includeDependencies: boolean;
}

/**
 * The project with only the named services (all when none is named) and what they depend on.
 * Naming a service enables its profiles. Throws `unknown-service`.
 */
export function selectServices(project: Project, names: readonly string[], options: SelectOptions): Project {
  if (names.length === 0) return project;
  const enabled = enableNamed(project, names);
  const chosen = new Set<string>();
  const pending = names.map((name) => ({ name, required: true }));
  for (let next = pending.pop(); next !== undefined; next = pending.pop()) {
    const matching = matchingNames(next.name, enabled);
    if (matching.length === 0 && next.required) throw unknownService(next.name, enabled);
    for (const name of matching) {
      if (chosen.has(name)) continue;
      chosen.add(name);
      if (options.includeDependencies) pending.push(...dependenciesOf(enabled.services[name]));
    }
  }
  return restrict(enabled, chosen);
}

function enableNamed(project: Project, names: readonly string[]): Project {
  const disabled = names.flatMap((name) =>
    Object.hasOwn(project.services, name) ? [] : (project.disabledServices[name]?.profiles ?? []),
  );
  const { loaded } = project;
  if (disabled.length === 0 || loaded === undefined) return project;
  return loaded.withProfiles([...project.profiles, ...disabled]);
}

function dependenciesOf(service: Service | undefined): { name: string; required: boolean }[] {
  return Object.entries(service?.depends_on ?? {}).map(([name, { required }]) => ({ name, required }));
}

/** Service names that a name or a pattern with `*`, `?` or `[a-z]` means. */
function matchingNames(pattern: string, project: Project): string[] {
  if (Object.hasOwn(project.services, pattern)) return [pattern];
  if (!/[*?[\\]/.test(pattern)) return [];
  const source = pattern
    .replace(/[.+^${}()|\\]/g, '\\$&')
    .replaceAll('*', '[^/]*')
    .replaceAll('?', '[^/]');
  try {
    const expression = new RegExp(`^${source}$`, 'u');
    return Object.keys(project.services).filter((name) => expression.test(name));
  } catch {
    return [];
  }
}

function unknownService(name: string, project: Project): ComposeError {
  const near = nearest(name, Object.keys(project.services));
  const hint = near === undefined ? {} : { hint: `did you mean ${near}?` };
  return new ComposeError('unknown-service', `no such service: ${name}`, hint);
}

function restrict(project: Project, chosen: ReadonlySet<string>): Project {
  const services: Record<string, Service> = {};
  const disabledServices: Record<string, Service> = { ...project.disabledServices };
  for (const [name, service] of Object.entries(project.services)) {
    if (chosen.has(name)) services[name] = withDependencies(service, chosen);
    else disabledServices[name] = service;
  }
  const { loaded } = project;
  const keepAll = loaded?.allResources !== false;
  const used = keepAll
    ? {}
    : usedResources([...Object.values(services), ...Object.values(project.jobs)], loaded.declared);
  return Object.freeze({
    ...project,
    ...used,
    services: Object.freeze(services),
    disabledServices: Object.freeze(disabledServices),
  });
}

/** The service with only those dependencies that were chosen too. */
function withDependencies(service: Service, chosen: ReadonlySet<string>): Service {
  const entries = Object.entries(service.depends_on ?? {});
  if (entries.every(([name]) => chosen.has(name))) return service;
  const { depends_on: _all, ...rest } = service;
  const kept = entries.filter(([name]) => chosen.has(name));
  return Object.freeze(
    kept.length === 0 ? rest : { ...rest, depends_on: Object.freeze(Object.fromEntries(kept)) },
  );
}

/** Only those resources that services use. */
export function usedResources(services: readonly Partial<Service>[], declared: Declared): Declared {
  const used = {
    networks: new Set<string>(),
    volumes: new Set<string>(),
    secrets: new Set<string>(),
    configs: new Set<string>(),
    models: new Set<string>(),
  };
  for (const service of services) {
    for (const name of Object.keys(service.networks ?? {})) used.networks.add(name);
    for (const mount of service.volumes ?? []) {
      if (mount.type === 'volume' && mount.source !== undefined) used.volumes.add(mount.source);
    }
    for (const secret of [...(service.secrets ?? []), ...(service.build?.secrets ?? [])])
      used.secrets.add(secret.source);
    for (const config of service.configs ?? []) used.configs.add(config.source);
    for (const name of Object.keys(service.models ?? {})) used.models.add(name);
  }
  return {
    networks: pick(declared.networks, used.networks),
    volumes: pick(declared.volumes, used.volumes),
    secrets: pick(declared.secrets, used.secrets),
    configs: pick(declared.configs, used.configs),
    models: pick(declared.models, used.models),
  };
}

function pick<T>(from: Dict<T>, names: ReadonlySet<string>): Dict<T> {
  return Object.freeze(Object.fromEntries(Object.entries(from).filter(([name]) => names.has(name))));
}
