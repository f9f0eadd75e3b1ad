// Lint rules that look at several services or at the top level.
import type { Lint, ProjectRule } from '../lint.ts';
import type { Dict, Healthcheck, PortBinding, Service } from '../project.ts';
import { replicasOf } from './services.ts';

export const PROJECT_RULES: readonly ProjectRule[] = [
  conditions,
  restartOfTasks,
  duplicatePorts,
  staticAddresses,
  overlappingSubnets,
  unusedResources,
];

/** Whether the file itself gives a service a health check. */
type Health = 'file' | 'off' | 'unknown';

function healthOf(healthcheck: Healthcheck | undefined): Health {
  if (healthcheck?.disable || healthcheck?.test?.[0] === 'NONE') return 'off';
  return healthcheck?.test === undefined ? 'unknown' : 'file';
}

function conditions(lint: Lint): void {
  const { services } = lint.project;
  for (const [name, service] of Object.entries(services)) {
    for (const [needed, { condition }] of Object.entries(service.depends_on ?? {})) {
      const target = services[needed];
      const path = `services.${name}.depends_on.${needed}`;
      if (target === undefined || lint.project.positionOf(path) === undefined) continue;
      const health = healthOf(target.healthcheck);
      if (condition === 'service_healthy' && health !== 'file')
        missingHealthcheck(lint, { name, needed, path, health });
      if (condition === 'service_started' && health === 'file' && !isChosen(lint, path))
        unusedHealthcheck(lint, { name, needed, path });
    }
  }
}

/** The condition was written down, and not only the name of the service. */
function isChosen(lint: Lint, path: string): boolean {
  return lint.written(`${path}.condition`)?.includes('service_started') ?? false;
}

function missingHealthcheck(
  lint: Lint,
  { name, needed, path, health }: { name: string; needed: string; path: string; health: Health },
): void {
  const why = health === 'off' ? 'has its health check switched off' : 'has no health check in this file';
  lint.warn(
    'missing-healthcheck',
    path,
    `${name} waits until ${needed} is healthy, but ${needed} ${why}`,
    health === 'off'
      ? `remove disable, or wait for service_started`
      : `add healthcheck to ${needed}, unless its image has one`,
  );
}

function unusedHealthcheck(
  lint: Lint,
  { name, needed, path }: { name: string; needed: string; path: string },
): void {
  lint.warn(
    'unused-healthcheck',
    path,
    `${name} starts as soon as the container of ${needed} runs; the health check of ${needed} is not waited for`,
    `${needed}: { condition: service_healthy }`,
  );
}

/** A service that others wait to see ended must not be started again and again. */
function restartOfTasks(lint: Lint): void {
  const { services } = lint.project;
  const waiting = Object.entries(services).flatMap(([name, service]) =>
    Object.entries(service.depends_on ?? {})
      .filter(([, { condition }]) => condition === 'service_completed_successfully')
      .map(([needed]) => ({ name, needed })),
  );
  for (const { name, needed } of waiting) {
    const restart = services[needed]?.restart;
    if (restart !== 'always' && restart !== 'unless-stopped') continue;
    lint.warn(
      'restart-conflict',
      `services.${needed}.restart`,
      `${name} waits for ${needed} to end, but restart: ${restart} starts it again each time`,
      'use restart: on-failure, or none',
    );
  }
}

interface Listener {
  readonly name: string;
  readonly index: number;
  readonly port: PortBinding;
}

function duplicatePorts(lint: Lint): void {
  const seen = new Map<string, Listener[]>();
  for (const [name, { ports = [], network_mode }] of Object.entries(lint.project.services)) {
    if (network_mode === 'host') continue;
    ports.forEach((port, index) => {
      if (!/^\d+$/.test(port.published ?? '')) return;
      const key = `${port.published}/${port.protocol ?? 'tcp'}`;
      const others = seen.get(key) ?? [];
      const other = others.find((listener) => listener.name !== name && addressesMeet(listener.port, port));
      if (other) duplicatePort(lint, { name, index, port }, other.name);
      seen.set(key, [...others, { name, index, port }]);
    });
  }
}

function duplicatePort(lint: Lint, { name, index, port }: Listener, other: string): void {
  lint.warn(
    'duplicate-port',
    `services.${name}.ports[${index}]`,
    `services ${other} and ${name} both publish port ${port.published}; only one of them can start`,
    'publish one of them elsewhere, on another address, or not at all',
  );
}

function addressesMeet(a: PortBinding, b: PortBinding): boolean {
  const all = (address: string | undefined): boolean => !address || address === '0.0.0.0' || address === '::';
  return all(a.host_ip) || all(b.host_ip) || a.host_ip === b.host_ip;
}

function staticAddresses(lint: Lint): void {
  const owners = new Map<string, string>();
  for (const [name, service] of Object.entries(lint.project.services)) {
    for (const [network, settings] of Object.entries(service.networks ?? {})) {
      const address = settings?.ipv4_address;
      if (address === undefined) continue;
      const path = `services.${name}.networks.${network}.ipv4_address`;
      const problem = addressProblem(lint, { name, service, network, address, owners });
      if (problem !== undefined) lint.warn('static-address', path, problem);
      owners.set(`${network} ${address}`, name);
    }
  }
}

interface FixedAddress {
  readonly name: string;
  readonly service: Service;
  readonly network: string;
  readonly address: string;
  readonly owners: ReadonlyMap<string, string>;
}

function addressProblem(
  lint: Lint,
  { name, service, network, address, owners }: FixedAddress,
): string | undefined {
  const owner = owners.get(`${network} ${address}`);
  if (owner !== undefined)
    return `services ${owner} and ${name} have the same address ${address} on ${network}`;
  const replicas = replicasOf(service);
  if (replicas > 1) return `service ${name} has ${replicas} containers, but one address on ${network}`;
  const config = lint.project.networks[network];
  if (config === undefined || config.external) return undefined;
  const subnets = subnetsOf(config.ipam?.config).filter(({ subnet }) => !subnet.includes(':'));
  if (subnets.length === 0)
    return `network ${network} has no subnet in this file, so that ${address} may not belong to it`;
  const inside = subnets.some(({ range }) => range && isWithin(address, range));
  return inside
    ? undefined
    : `${address} of service ${name} is outside ${subnets.map(({ subnet }) => subnet).join(', ')} of ${network}`;
}

interface Range {
  readonly first: number;
  readonly last: number;
}

function subnetsOf(
  config: readonly { readonly subnet?: string }[] = [],
): { subnet: string; range: Range | undefined }[] {
  return config.flatMap(({ subnet }) => (subnet === undefined ? [] : [{ subnet, range: rangeOf(subnet) }]));
}

function rangeOf(subnet: string): Range | undefined {
  const [address = '', prefix = ''] = subnet.split('/');
  const base = numberOf(address);
  const bits = Number(prefix);
  if (base === undefined || !/^\d+$/.test(prefix) || bits > 32) return undefined;
  const size = 2 ** (32 - bits);
  const first = base - (base % size);
  return { first, last: first + size - 1 };
}

function isWithin(address: string, { first, last }: Range): boolean {
  const number = numberOf(address);
  return number !== undefined && number >= first && number <= last;
}

function numberOf(address: string): number | undefined {
  const parts = address.split('.').map(Number);
  if (parts.length !== 4 || parts.some((part) => !Number.isInteger(part) || part < 0 || part > 255))
    return undefined;
  return parts.reduce((sum, part) => sum * 256 + part, 0);
}

function overlappingSubnets(lint: Lint): void {
  const known: { network: string; subnet: string; range: Range }[] = [];
  for (const [network, config] of Object.entries(lint.project.networks)) {
    subnetsOf(config.ipam?.config).forEach(({ subnet, range }, index) => {
      if (range === undefined) return;
      const other = known.find((entry) => entry.range.first <= range.last && range.first <= entry.range.last);
      if (other) {
        lint.warn(
          'subnet-conflict',
          [`networks.${network}.ipam.config[${index}].subnet`, `networks.${network}`],
          `${subnet} of network ${network} overlaps ${other.subnet} of network ${other.network}`,
        );
      }
      known.push({ network, subnet, range });
    });
  }
}

function unusedResources(lint: Lint): void {
  const { services, disabledServices, jobs, networks, volumes, secrets, configs } = lint.project;
  const users: readonly Partial<Service>[] = [services, disabledServices, jobs].flatMap(
    (group: Dict<Partial<Service>>) => Object.values(group),
  );
  const declared = { networks, volumes, secrets, configs };
  const used = {
    networks: new Set(['default', ...users.flatMap((user) => Object.keys(user.networks ?? {}))]),
    volumes: new Set(users.flatMap((user) => user.volumes ?? []).map(({ source }) => source)),
    secrets: new Set(
      users
        .flatMap((user) => [...(user.secrets ?? []), ...(user.build?.secrets ?? [])])
        .map(({ source }) => source),
    ),
    configs: new Set(users.flatMap((user) => user.configs ?? []).map(({ source }) => source)),
  };
  for (const kind of ['networks', 'volumes', 'secrets', 'configs'] as const) {
    for (const name of Object.keys(declared[kind])) {
      if (used[kind].has(name)) continue;
      lint.warn(
        'unused-resource',
        `${kind}.${name}`,
        `no service uses ${kind.slice(0, -1)} ${name}`,
        'remove it, or use it',
      );
    }
  }
}
