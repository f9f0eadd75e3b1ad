// Networks that are there without being declared: `host`, `none`, the shared `bridge`, and those named by network_mode.
import type { Dict, NetworkConfig, Project, Service } from '../compose/project.ts';
import { ComposeError } from '../errors.ts';

/** The network of everybody who asks for `network_mode: bridge`; no project's own. */
export const SHARED_BRIDGE = 'bridge';

const OWN_MODES = /^(host|none|(service|container):.+)$/;

/**
 * The project with `network_mode: bridge` and `network_mode: NETWORK` as networks, and with networks that are the host's or
 * none at all as modes: what is left is one way to say each.
 */
export function withPredefined(project: Project): Project {
  const named = Object.values(project.services).flatMap(({ network_mode }) =>
    network_mode === undefined || OWN_MODES.test(network_mode) ? [] : [networkFor(network_mode)],
  );
  const special = Object.entries(project.networks).filter(([, config]) => modeFor(config) !== undefined);
  if (named.length === 0 && special.length === 0) return project;
  const gone = new Set(special.map(([key]) => key));
  const added = Object.fromEntries(named.map((config) => [keyFor(config.name), config]));
  const change = (networks: Dict<NetworkConfig>): Dict<NetworkConfig> => ({
    ...Object.fromEntries(Object.entries(networks).filter(([key]) => !gone.has(key))),
    ...added,
  });
  const services = Object.entries(project.services).map(([name, service]): [string, Service] => [
    name,
    withMode(project, name, service),
  ]);
  const { loaded } = project;
  return {
    ...project,
    services: Object.fromEntries(services),
    networks: change(project.networks),
    ...(loaded
      ? {
          loaded: { ...loaded, declared: { ...loaded.declared, networks: change(loaded.declared.networks) } },
        }
      : {}),
  };
}

function modeFor({ name, driver, external }: NetworkConfig): 'host' | 'none' | undefined {
  if (driver === 'host' || (external && name === 'host')) return 'host';
  return driver === 'none' || driver === 'null' || (external && name === 'none') ? 'none' : undefined;
}

function networkFor(mode: string): NetworkConfig {
  return mode === 'bridge' || mode === 'default' ? { name: SHARED_BRIDGE } : { name: mode, external: true };
}

// No key of a file can be like this.
function keyFor(name: string): string {
  return `network_mode ${name}`;
}

function withMode(project: Project, name: string, service: Service): Service {
  const { network_mode, networks = {}, ...rest } = service;
  const { extensions } = service;
  const others = { ...rest, ...(extensions === undefined ? {} : { extensions }) };
  if (network_mode !== undefined) {
    if (OWN_MODES.test(network_mode)) return service;
    return { ...others, networks: { [keyFor(networkFor(network_mode).name)]: null } };
  }
  const modes = Object.keys(networks).map((key) => [key, modeOf(project, key)] as const);
  const host = modes.find(([, mode]) => mode === 'host');
  if (host !== undefined && modes.length > 1) throw notAlone(project, name, host[0]);
  if (host !== undefined) return { ...others, network_mode: 'host' };
  if (modes.every(([, mode]) => mode === undefined)) return service;
  const left = Object.entries(networks).filter(([key]) => modeOf(project, key) === undefined);
  if (left.length === 0) return { ...others, network_mode: 'none' };
  return { ...others, networks: Object.fromEntries(left) };
}

function modeOf(project: Project, key: string): 'host' | 'none' | undefined {
  const config = project.networks[key];
  return config && modeFor(config);
}

function notAlone(project: Project, service: string, key: string): ComposeError {
  const at = project.positionOf(`services.${service}.networks.${key}`);
  const message = `service ${service} uses the host's network ${key} together with others`;
  return new ComposeError('conflicting-keys', message, {
    hint: 'a container has either the network of the host or networks of its own',
    ...(at === undefined ? {} : { at }),
  });
}
