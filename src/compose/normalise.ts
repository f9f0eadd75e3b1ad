// What a model means beyond what it says: default network, names, implied dependencies, inherited variables.
import type { Environment } from './environment.ts';
import { cleanPath } from './short.ts';
import {
  asList,
  asMap,
  flag,
  get,
  isNull,
  type MapNode,
  map,
  mapOf,
  type Node,
  scalar,
  text,
  textOf,
} from './tree.ts';

/** Gives the variables of services that have no value the value that the project's environment has. */
export function inheritVariables(model: MapNode, environment: Environment): void {
  for (const service of servicesOf(model)) inherit(get(service, 'environment'), environment, true);
}

function servicesOf(model: MapNode): readonly Node[] {
  return ['services', 'jobs'].flatMap((section) => [
    ...(asMap(model.entries.get(section))?.entries.values() ?? []),
  ]);
}

/** Completes a model in place. */
export function normalise(model: MapNode, name: string, environment: Environment): void {
  const services = servicesOf(model);
  inheritVariables(model, environment);
  joinDefaultNetwork(model, services);
  for (const service of services) if (service.kind === 'map') normaliseService(service, environment);
  for (const section of ['networks', 'volumes', 'configs', 'secrets']) nameResources(model, section, name);
}

const byDefault = (node: Node, note = 'default'): Node => ({ ...node, note });

function joinDefaultNetwork(model: MapNode, services: readonly Node[]): void {
  let used = false;
  for (const service of services) {
    if (service.kind !== 'map' || service.entries.has('provider') || service.entries.has('network_mode'))
      continue;
    const networks = asMap(service.entries.get('networks'));
    if (networks === undefined || networks.entries.size === 0) {
      service.entries.set('networks', mapOf({ default: byDefault(scalar(null, 'null')) }));
      used = true;
    } else used ||= networks.entries.has('default');
  }
  if (!used) return;
  const networks = asMap(model.entries.get('networks')) ?? map(new Map());
  if (!networks.entries.has('default')) networks.entries.set('default', byDefault(scalar(null, 'null')));
  model.entries.set('networks', networks);
}

function normaliseService(service: MapNode, environment: Environment): void {
  const policy = service.entries.get('pull_policy');
  if (textOf(policy) === 'if_not_present') service.entries.set('pull_policy', text('missing', policy));
  const build = asMap(service.entries.get('build'));
  if (build !== undefined) normaliseBuild(build, environment);
  for (const volume of asList(service.entries.get('volumes'))?.items ?? []) {
    const target = get(volume, 'target');
    const path = textOf(target);
    // An empty target is cleaned to the current directory, as the reference does.
    if (volume.kind === 'map' && path !== undefined)
      volume.entries.set('target', text(cleanPath(path) || '.', target));
  }
  implyDependencies(service);
}

function normaliseBuild(build: MapNode, environment: Environment): void {
  if (!build.entries.has('context')) build.entries.set('context', byDefault(text('.')));
  if (!build.entries.has('dockerfile') && !build.entries.has('dockerfile_inline')) {
    build.entries.set('dockerfile', byDefault(text('Dockerfile')));
  }
  inherit(build.entries.get('args'), environment, false);
}

/** Gives variables without a value the value that the project's environment has; else keeps or drops them. */
function inherit(variables: Node | undefined, environment: Environment, keep: boolean): void {
  if (variables?.kind !== 'map') return;
  for (const [name, node] of variables.entries) {
    if (!isNull(node)) continue;
    const variable = environment.get(name);
    if (variable !== undefined) {
      const note = `from the variable ${name}`;
      variables.entries.set(name, { ...scalar(variable.value, 'string', node), note });
    } else if (!keep) variables.entries.delete(name);
  }
}

/** Services whose namespaces, volumes or names a service uses have to be started before it. */
function implyDependencies(service: MapNode): void {
  const dependencies = asMap(service.entries.get('depends_on')) ?? map(new Map());
  const imply = (name: string, source: Node, restart: boolean): void => {
    if (dependencies.entries.has(name)) return;
    const fields = {
      condition: text('service_started', source),
      restart: flag(restart),
      required: flag(true),
    };
    dependencies.entries.set(name, { ...mapOf(fields, source), note: 'implied' });
  };
  for (const link of asList(service.entries.get('links'))?.items ?? []) {
    const parts = (textOf(link) ?? '').split(':');
    imply((parts.length === 2 ? parts[0] : textOf(link)) ?? '', link, true);
  }
  for (const attribute of ['network_mode', 'ipc', 'pid', 'uts', 'cgroup']) {
    const mode = service.entries.get(attribute);
    const value = textOf(mode);
    if (mode !== undefined && value?.startsWith('service:'))
      imply(value.slice('service:'.length), mode, true);
  }
  for (const from of asList(service.entries.get('volumes_from'))?.items ?? []) {
    const value = textOf(from) ?? '';
    if (!value.startsWith('container:')) imply(value.split(':', 1)[0] ?? '', from, false);
  }
  if (dependencies.entries.size > 0) service.entries.set('depends_on', dependencies);
}

function nameResources(model: MapNode, section: string, project: string): void {
  const resources = asMap(model.entries.get(section));
  if (resources === undefined) return;
  for (const [key, node] of resources.entries) {
    const resource = node.kind === 'map' ? node : map(new Map(), node);
    resources.entries.set(key, resource);
    const own = resource.entries.get('name');
    if (own !== undefined && !isNull(own)) continue;
    const external = get(resource, 'external');
    const isExternal = external?.kind === 'scalar' && (external.value === true || external.value === 'true');
    resource.entries.set('name', byDefault(text(isExternal ? key : `${project}_${key}`)));
  }
}
