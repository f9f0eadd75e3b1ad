// Every attribute of a project with the codec of its value, in the order in which the reference prints them.
import {
  command,
  deviceCount,
  deviceLimit,
  fileMode,
  genericResource,
  healthTest,
  hosts,
  multiOptions,
  sshKeys,
  ulimit,
} from './codecs.ts';
import {
  anyText,
  bool,
  bytes,
  type Codec,
  duration,
  float,
  int,
  listOf,
  mapOfValues,
  nullableTexts,
  optionalBool,
  optionalBytes,
  optionalDuration,
  optionalInt,
  optionalUnsigned,
  str,
  stringOrList,
  strings,
  struct,
  texts,
  unsigned,
} from './decode.ts';
import { plain } from './tree.ts';

const fileMount = struct(
  { source: str, target: str, uid: str, gid: str, mode: fileMode },
  { otherwise: { source: '' } },
);
const ulimits = mapOfValues(ulimit);

const build = struct({
  context: str,
  dockerfile: str,
  dockerfile_inline: str,
  entitlements: strings,
  args: nullableTexts,
  provenance: str,
  sbom: str,
  ssh: sshKeys,
  labels: texts,
  cache_from: stringOrList,
  cache_to: stringOrList,
  no_cache: bool,
  no_cache_filter: stringOrList,
  additional_contexts: texts,
  pull: bool,
  extra_hosts: hosts,
  isolation: str,
  network: str,
  target: str,
  secrets: listOf(fileMount),
  shm_size: bytes,
  tags: stringOrList,
  ulimits,
  platforms: stringOrList,
  privileged: bool,
});

const hookFields = { command, user: str, privileged: bool, working_dir: str, environment: nullableTexts };
const hook = struct(hookFields);
const preStartHook = struct({ ...hookFields, image: str, per_replica: bool });
const exec: Codec = (node, decoding) => hook(node, decoding) ?? Object.freeze({ command: null });

const develop = struct({
  watch: listOf(
    struct({
      path: anyText,
      action: anyText,
      target: str,
      exec,
      include: strings,
      ignore: strings,
      initial_sync: bool,
    }),
  ),
});

const rates = listOf(deviceLimit('Rate', optionalBytes));
const blkio = struct({
  weight: unsigned,
  weight_device: listOf(deviceLimit('Weight', unsigned)),
  device_read_bps: rates,
  device_read_iops: rates,
  device_write_bps: rates,
  device_write_iops: rates,
});

const deviceRequest = struct(
  { capabilities: strings, driver: str, count: deviceCount, device_ids: strings, options: texts },
  { extensible: false },
);

const resource = struct({
  cpus: float,
  memory: bytes,
  pids: int,
  devices: listOf(deviceRequest),
  generic_resources: listOf(genericResource),
});

const updateConfig = struct({
  parallelism: optionalUnsigned,
  delay: duration,
  failure_action: str,
  monitor: duration,
  max_failure_ratio: float,
  order: str,
});

const deploy = struct({
  mode: str,
  replicas: optionalInt,
  labels: texts,
  update_config: updateConfig,
  rollback_config: updateConfig,
  resources: struct({ limits: resource, reservations: resource }, { always: true }),
  restart_policy: struct({
    condition: str,
    delay: optionalDuration,
    max_attempts: optionalUnsigned,
    window: optionalDuration,
  }),
  placement: struct(
    {
      constraints: strings,
      preferences: listOf(struct({ spread: str })),
      max_replicas_per_node: unsigned,
    },
    { always: true },
  ),
  endpoint_mode: str,
});

const healthcheck = struct({
  test: healthTest,
  timeout: optionalDuration,
  interval: optionalDuration,
  retries: optionalUnsigned,
  start_period: optionalDuration,
  start_interval: optionalDuration,
  disable: bool,
});

const serviceNetwork = struct({
  aliases: strings,
  driver_opts: texts,
  gw_priority: int,
  interface_name: str,
  ipv4_address: str,
  ipv6_address: str,
  link_local_ips: strings,
  mac_address: str,
  priority: int,
});

const port = struct(
  {
    name: str,
    mode: str,
    host_ip: str,
    target: unsigned,
    published: str,
    protocol: str,
    app_protocol: str,
  },
  { otherwise: { target: 0 } },
);

const volume = struct(
  {
    type: str,
    source: str,
    target: str,
    read_only: bool,
    consistency: str,
    bind: struct({ selinux: str, propagation: str, create_host_path: bool, recursive: str }),
    volume: struct({ labels: texts, nocopy: bool, subpath: str }),
    tmpfs: struct({ size: bytes, mode: unsigned }),
    image: struct({ subpath: str }),
  },
  { otherwise: { target: '' } },
);

const serviceFields: Readonly<Record<string, Codec>> = {
  profiles: strings,
  annotations: texts,
  attach: optionalBool,
  build,
  develop,
  blkio_config: blkio,
  cap_add: strings,
  cap_drop: strings,
  cgroup_parent: str,
  cgroup: str,
  cpu_count: int,
  cpu_percent: float,
  cpu_period: int,
  cpu_quota: int,
  cpu_rt_period: int,
  cpu_rt_runtime: int,
  cpus: float,
  cpuset: str,
  cpu_shares: int,
  command,
  configs: listOf(fileMount),
  container_name: str,
  credential_spec: struct({ config: str, file: str, registry: str }),
  depends_on: mapOfValues(
    struct(
      { condition: str, restart: bool, required: optionalBool },
      { otherwise: { condition: 'service_started', required: true } },
    ),
  ),
  deploy,
  device_cgroup_rules: strings,
  devices: listOf(struct({ source: str, target: str, permissions: str }, { otherwise: { source: '' } })),
  dns: stringOrList,
  dns_opt: strings,
  dns_search: stringOrList,
  domainname: str,
  entrypoint: command,
  provider: struct({ type: str, options: multiOptions }, { otherwise: { type: '' } }),
  environment: nullableTexts,
  env_file: listOf(struct({ path: str, required: optionalBool, format: str })),
  expose: strings,
  extends: struct({ file: str, service: str }),
  external_links: strings,
  extra_hosts: hosts,
  group_add: strings,
  gpus: listOf(deviceRequest),
  hostname: str,
  healthcheck,
  image: str,
  init: optionalBool,
  ipc: str,
  isolation: str,
  labels: texts,
  label_file: strings,
  links: strings,
  logging: struct({ driver: str, options: texts }),
  mem_limit: bytes,
  mem_reservation: bytes,
  memswap_limit: bytes,
  mem_swappiness: bytes,
  mac_address: str,
  models: mapOfValues(struct({ endpoint_var: str, model_var: str }), null),
  network_mode: str,
  networks: mapOfValues(serviceNetwork, null),
  oom_kill_disable: bool,
  oom_score_adj: int,
  pid: str,
  pids_limit: int,
  platform: str,
  ports: listOf(port),
  privileged: bool,
  pull_policy: str,
  pull_refresh_after: str,
  read_only: bool,
  restart: str,
  runtime: str,
  scale: optionalInt,
  secrets: listOf(fileMount),
  security_opt: strings,
  shm_size: bytes,
  stdin_open: bool,
  stop_grace_period: optionalDuration,
  stop_signal: str,
  storage_opt: texts,
  sysctls: texts,
  tmpfs: stringOrList,
  tty: bool,
  ulimits,
  use_api_socket: bool,
  user: str,
  userns_mode: str,
  uts: str,
  volumes: listOf(volume),
  volumes_from: strings,
  working_dir: str,
  pre_start: listOf(preStartHook),
  post_start: listOf(hook),
  pre_stop: listOf(hook),
};

export const service = struct(serviceFields);

export const job = struct({
  ...serviceFields,
  triggers: (node) => (node === undefined ? undefined : plain(node)),
});

const ipamConfig = struct(
  { subnet: str, gateway: str, ip_range: str, aux_addresses: texts },
  { extensible: false },
);

/** Names are given when a model is normalised. */
const named = { otherwise: { name: '' } };

export const network = struct(
  {
    name: str,
    driver: str,
    driver_opts: texts,
    ipam: struct(
      {
        driver: str,
        config: listOf(ipamConfig),
        options: texts,
      },
      { always: true },
    ),
    external: bool,
    internal: bool,
    attachable: bool,
    labels: texts,
    enable_ipv4: optionalBool,
    enable_ipv6: optionalBool,
  },
  named,
);

export const topVolume = struct(
  {
    name: str,
    driver: str,
    driver_opts: texts,
    external: bool,
    labels: texts,
  },
  named,
);

export const fileObject = struct(
  {
    name: str,
    file: str,
    environment: str,
    content: str,
    external: bool,
    labels: texts,
    driver: str,
    driver_opts: texts,
    template_driver: str,
  },
  named,
);

export const model = struct(
  { name: str, model: str, context_size: int, runtime_flags: strings },
  { otherwise: { model: '' } },
);
