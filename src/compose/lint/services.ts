// Lint rules that look at one service.
import type { Lint, ServiceRule } from '../lint.ts';
import type { Mount, PortBinding, Service } from '../project.ts';

/** Ports of services that hold data or give control, and are rarely meant for a whole network. */
const PRIVATE_PORTS: ReadonlyMap<number, string> = new Map([
  [1433, 'SQL Server'],
  [1521, 'Oracle'],
  [2375, 'the Docker API without encryption'],
  [2379, 'etcd'],
  [3306, 'MySQL'],
  [5432, 'PostgreSQL'],
  [5672, 'RabbitMQ'],
  [5984, 'CouchDB'],
  [6379, 'Redis'],
  [7000, 'Cassandra'],
  [7687, 'Neo4j'],
  [8086, 'InfluxDB'],
  [8529, 'ArangoDB'],
  [9042, 'Cassandra'],
  [9092, 'Kafka'],
  [9200, 'Elasticsearch'],
  [11211, 'memcached'],
  [26257, 'CockroachDB'],
  [27017, 'MongoDB'],
]);
const ENGINE_SOCKETS = /\/(docker|podman\/podman|containerd\/containerd|crio\/crio)\.sock$/;
const HOST_DIRECTORIES = new Set([
  '/',
  '/boot',
  '/dev',
  '/etc',
  '/home',
  '/lib',
  '/proc',
  '/root',
  '/sys',
  '/usr',
  '/var',
]);
const SECRET_NAME =
  /(^|_)(PASSWORD|PASSWD|PASSPHRASE|SECRET|SECRET_KEY|TOKEN|API_?KEY|ACCESS_KEY|PRIVATE_KEY)$/i;
/** Attributes that do nothing on one Linux machine, with the reason. */
const WITHOUT_EFFECT: ReadonlyMap<keyof Service, string> = new Map<keyof Service, string>([
  ['cpu_count', 'is for Windows containers'],
  ['cpu_percent', 'is for Windows containers'],
  ['credential_spec', 'is for Windows containers'],
  ['isolation', 'is for Windows containers'],
  ['cpu_rt_period', 'needs control groups of version 1'],
  ['cpu_rt_runtime', 'needs control groups of version 1'],
  ['mem_swappiness', 'needs control groups of version 1'],
  ['oom_kill_disable', 'needs control groups of version 1'],
]);

export const SERVICE_RULES: readonly ServiceRule[] = [
  untaggedImage,
  exposedPorts,
  scaledPorts,
  healthcheckForm,
  inlineSecrets,
  quotedValues,
  privileges,
  mounts,
  withoutEffect,
  obsolete,
];

function untaggedImage(lint: Lint, { image, build }: Service, name: string): void {
  if (image === undefined || build !== undefined || image === 'host' || image.startsWith('rootfs:')) return;
  if (image.includes('@') || /^[0-9a-f]{64}$/.test(image)) return;
  const tag = /:([^/:]+)$/.exec(image)?.[1];
  if (tag !== undefined && tag !== 'latest') return;
  const what = tag === undefined ? 'has no tag' : 'has the tag latest';
  lint.warn(
    'untagged-image',
    `services.${name}.image`,
    `image ${image} of service ${name} ${what}: what it is changes from one day and machine to the next`,
    'name the version that was tested',
  );
}

function exposedPorts(lint: Lint, { ports = [] }: Service, name: string): void {
  ports.forEach((port, index) => {
    const what = PRIVATE_PORTS.get(port.target);
    if (what === undefined || !onAllAddresses(port)) return;
    const published = port.published ?? port.target;
    lint.warn(
      'exposed-port',
      `services.${name}.ports[${index}]`,
      `port ${port.target} (${what}) of service ${name} is open to every machine that reaches this one`,
      `for this machine only: "127.0.0.1:${published}:${port.target}"; other services reach it without ports`,
    );
  });
}

function onAllAddresses({ host_ip }: PortBinding): boolean {
  return host_ip === undefined || host_ip === '' || host_ip === '0.0.0.0' || host_ip === '::';
}

function scaledPorts(lint: Lint, service: Service, name: string): void {
  const replicas = replicasOf(service);
  if (replicas < 2) return;
  (service.ports ?? []).forEach((port, index) => {
    const free = portsIn(port.published);
    if (free === undefined || free >= replicas) return;
    lint.warn(
      'scaled-port',
      `services.${name}.ports[${index}]`,
      `service ${name} has ${replicas} containers, but ${free === 1 ? 'one port' : `${free} ports`} for them: ${port.published}`,
      'leave the published port out, give a range, or put one service in front of them',
    );
  });
}

/** How many containers a service starts with. */
export function replicasOf({ scale, deploy }: Service): number {
  return scale ?? deploy?.replicas ?? 1;
}

function portsIn(published: string | undefined): number | undefined {
  const range = /^(\d+)(?:-(\d+))?$/.exec(published ?? '');
  if (range === null) return undefined;
  return range[2] === undefined ? 1 : Number(range[2]) - Number(range[1]) + 1;
}

function healthcheckForm(lint: Lint, { healthcheck }: Service, name: string): void {
  const [kind, ...words] = healthcheck?.test ?? [];
  const shell = words.find((word) => /^(\|\||&&|\||;|>|2>&1)$/.test(word));
  const single = words.length === 1 && /\s/.test(words[0] ?? '');
  if (kind !== 'CMD' || (shell === undefined && !single)) return;
  if (/^(sh|bash|ash|\/bin\/\w*sh)$/.test(words[0] ?? '')) return;
  const problem = single
    ? `looks for a program called "${words[0]}"`
    : `passes ${shell} to ${words[0]} as an argument`;
  lint.warn(
    'healthcheck-form',
    [`services.${name}.healthcheck.test`, `services.${name}.healthcheck`],
    `the health check of service ${name} runs without a shell and ${problem}`,
    `write CMD-SHELL in place of CMD, with the command as one string`,
  );
}

function inlineSecrets(lint: Lint, { environment = {} }: Service, name: string): void {
  for (const [variable, value] of Object.entries(environment)) {
    const path = `services.${name}.environment.${variable}`;
    if (value === null || /^(|[01]|true|false|yes|no)$/i.test(value) || !SECRET_NAME.test(variable)) continue;
    const written = lint.written(path);
    if (written === undefined || written === variable || written.includes('$')) continue;
    lint.warn(
      'inline-secret',
      path,
      `${variable} of service ${name} is in the file for everybody who reads it`,
      `write \${${variable}} and set it in .env, or use a secret`,
    );
  }
}

function quotedValues(lint: Lint, { environment = {}, labels = {} }: Service, name: string): void {
  for (const [kind, values] of Object.entries({ environment, labels })) {
    for (const [key, value] of Object.entries(values)) {
      const quoted = typeof value === 'string' && /^(["']).*\1$/s.test(value) && value.length > 1;
      const path = `services.${name}.${kind}.${key}`;
      if (!quoted || !lint.written(path)?.includes('=')) continue;
      lint.warn(
        'quoted-value',
        path,
        `the quotes are part of the value of ${key} in service ${name}`,
        `quote the whole entry: - "${key}=${value.slice(1, -1)}"`,
      );
    }
  }
}

function privileges(lint: Lint, service: Service, name: string): void {
  const warn = (path: string, what: string, hint?: string): void =>
    lint.warn('weak-isolation', `services.${name}.${path}`, `${what} service ${name}`, hint);
  if (service.privileged) {
    warn(
      'privileged',
      'nothing keeps root of the machine from',
      'give it what it needs: devices, cap_add, or a single security_opt',
    );
  }
  (service.cap_add ?? []).forEach((capability, index) => {
    if (!/^(CAP_)?(ALL|SYS_ADMIN|SYS_MODULE|SYS_PTRACE|SYS_RAWIO|DAC_READ_SEARCH)$/i.test(capability)) return;
    warn(`cap_add[${index}]`, `${capability} is nearly all of root for`);
  });
  (service.security_opt ?? []).forEach((option, index) => {
    if (!/^(seccomp|apparmor|systempaths)[=:]unconfined$|^label[=:]disable$/.test(option)) return;
    warn(`security_opt[${index}]`, `${option} takes a protection away from`);
  });
}

function mounts(lint: Lint, { volumes = [] }: Service, name: string): void {
  volumes.forEach((mount, index) => {
    if (mount.type !== 'bind' || mount.source === undefined) return;
    const path = `services.${name}.volumes[${index}]`;
    engineSocket(lint, mount.source, name, path);
    hostDirectory(lint, mount, name, path);
    missingSource(lint, mount, name, path);
    selinuxLabel(lint, mount, name, path);
  });
}

function engineSocket(lint: Lint, source: string, name: string, path: string): void {
  if (!ENGINE_SOCKETS.test(source)) return;
  lint.warn(
    'engine-socket',
    path,
    `service ${name} gets ${source}: whoever controls it controls the machine`,
    'put a proxy in between that allows the few calls it needs; read-only does not help with a socket',
  );
}

function hostDirectory(lint: Lint, mount: Mount, name: string, path: string): void {
  if (mount.read_only || !HOST_DIRECTORIES.has(mount.source ?? '')) return;
  lint.warn(
    'host-mount',
    path,
    `service ${name} can write to ${mount.source} of the machine`,
    'mount the one directory that it needs, or add :ro',
  );
}

function missingSource(lint: Lint, mount: Mount, name: string, path: string): void {
  const source = mount.source ?? '';
  if (mount.bind?.create_host_path === false || lint.exists?.(source) !== false) return;
  const file = /\.[A-Za-z]\w{0,5}$/.test(mount.target);
  lint.warn(
    'bind-source-missing',
    path,
    `${source} does not exist; service ${name} gets an empty directory at ${mount.target}${file ? ', where a file seems to be wanted' : ''}`,
    file ? 'create the file first' : undefined,
  );
}

function selinuxLabel(lint: Lint, mount: Mount, name: string, path: string): void {
  if (mount.bind?.selinux === undefined || lint.selinux !== false) return;
  lint.warn(
    'without-effect',
    path,
    `:${mount.bind.selinux} on ${mount.target} of service ${name} needs SELinux, which is off here`,
  );
}

function withoutEffect(lint: Lint, service: Service, name: string): void {
  for (const [attribute, reason] of WITHOUT_EFFECT) {
    if (service[attribute] === undefined) continue;
    lint.warn('without-effect', `services.${name}.${attribute}`, `${attribute} of service ${name} ${reason}`);
  }
  const placement = Object.keys(service.deploy?.placement ?? {});
  if (placement.length > 0) {
    lint.warn(
      'without-effect',
      [`services.${name}.deploy.placement`, `services.${name}.deploy`],
      `placement of service ${name} chooses among the machines of a cluster; there is one here`,
    );
  }
  if (service.network_mode === 'host' && (service.ports ?? []).length > 0) {
    lint.warn(
      'without-effect',
      `services.${name}.ports`,
      `ports of service ${name} are not translated: with network_mode host it listens on the machine itself`,
      'remove ports, or network_mode',
    );
  }
}

function obsolete(lint: Lint, service: Service, name: string): void {
  if ((service.links ?? []).length > 0) {
    lint.warn(
      'deprecated',
      `services.${name}.links`,
      `links of service ${name} are not needed: services of one network find each other by name`,
      'use depends_on for the order, and aliases of a network for other names',
    );
  }
  if ((service.external_links ?? []).length > 0) {
    lint.warn(
      'deprecated',
      `services.${name}.external_links`,
      `external_links of service ${name} only add names`,
      'share an external network instead',
    );
  }
}
