// The Project: what a set of compose files means. Its shape is that of `config --format json` (before
// dollar signs are doubled): canonical long forms, absolute paths, defaults filled in, frozen.
//
// Durations are strings as Go prints them ("1m30s") and sizes strings of a decimal number of bytes;
// units.ts turns either into a number where one is needed.
import type { Position } from '../errors.ts';

export type Dict<T> = Readonly<Record<string, T>>;
/** A duration as Go prints it, for example `1m30s`. */
export type Duration = string;
/** A number of bytes, as a decimal string; `-1` means unlimited. */
export type Bytes = string;

export interface Project {
  readonly name: string;
  /** Absolute directory that relative paths of the first file start from. */
  readonly workingDir: string;
  /** Absolute paths of the files that were read, in order; `-` for standard input. */
  readonly files: readonly string[];
  /** Absolute paths of the env files used for interpolation. */
  readonly envFiles: readonly string[];
  /** The environment that values were interpolated with. */
  readonly environment: Dict<string>;
  /** Active services by name. */
  readonly services: Dict<Service>;
  /** Services that no active profile enables; they can be named on the command line. */
  readonly disabledServices: Dict<Service>;
  readonly networks: Dict<NetworkConfig>;
  readonly volumes: Dict<VolumeConfig>;
  readonly secrets: Dict<FileObjectConfig>;
  readonly configs: Dict<FileObjectConfig>;
  readonly models: Dict<ModelConfig>;
  /** Experimental jobs, services without a life cycle of their own. */
  readonly jobs: Dict<Job>;
  /** Top-level `x-` extensions. */
  readonly extensions: Dict<unknown>;
  readonly profiles: readonly string[];
  /** Where a path such as `services.web.ports[0]` was written; undefined when it was defaulted. */
  readonly positionOf: (path: string) => Position | undefined;
  /** What only a project that was loaded from files knows. */
  readonly loaded?: LoadedFrom;
}

/** What stays of the files after a project was loaded. */
export interface LoadedFrom {
  /** Every resource the files declare; the sections of the project hold those that active services use. */
  readonly declared: Declared;
  /** Whether resources that no service uses were asked for. */
  readonly allResources: boolean;
  /** Who set a value, oldest first; the last one won. Undefined when there is no such path. */
  readonly provenanceOf: (path: string) => readonly Provenance[] | undefined;
  /** A variable that values were interpolated with; without a place when the shell set it. */
  readonly variable: (
    name: string,
  ) => { readonly value: string; readonly at: Position | undefined } | undefined;
  /** Plain data of a YAML text of another kind, for example of a device's vendor; YAML costs to load. */
  readonly readYaml: (text: string) => unknown;
  /** The same files with other profiles enabled. */
  readonly withProfiles: (profiles: readonly string[]) => Project;
}

export type Declared = Pick<Project, 'networks' | 'volumes' | 'secrets' | 'configs' | 'models'>;

/** One of the places that set a value. */
export interface Provenance {
  readonly value: unknown;
  readonly at?: Position;
  /** What happened beside writing it: `from ${PORT}`, `default`, `implied`. */
  readonly note?: string;
  /** Why it won over the one before it. */
  readonly why?: 'file' | 'extends' | 'merge-key' | 'env-file' | 'label-file' | 'repeat';
}

export interface Dependency {
  readonly condition: 'service_started' | 'service_healthy' | 'service_completed_successfully';
  readonly required: boolean;
  readonly restart?: boolean;
}

export interface PortBinding {
  readonly name?: string;
  readonly mode?: string;
  readonly host_ip?: string;
  readonly target: number;
  /** A port, a range `8000-8010`, or absent for an ephemeral port. */
  readonly published?: string;
  readonly protocol?: string;
  readonly app_protocol?: string;
}

export interface Mount {
  readonly type: 'bind' | 'volume' | 'tmpfs' | 'image' | 'npipe' | 'cluster';
  readonly source?: string;
  readonly target: string;
  readonly read_only?: boolean;
  readonly consistency?: string;
  readonly bind?: {
    readonly propagation?: string;
    readonly create_host_path?: boolean;
    readonly recursive?: 'enabled' | 'disabled' | 'writable' | 'readonly';
    readonly selinux?: 'z' | 'Z';
  };
  readonly volume?: { readonly nocopy?: boolean; readonly subpath?: string; readonly labels?: Dict<string> };
  readonly tmpfs?: { readonly size?: Bytes; readonly mode?: number };
  readonly image?: { readonly subpath?: string };
}

export interface Healthcheck {
  readonly test?: readonly string[];
  readonly interval?: Duration;
  readonly timeout?: Duration;
  readonly retries?: number;
  readonly start_period?: Duration;
  readonly start_interval?: Duration;
  readonly disable?: boolean;
}

export interface ServiceNetwork {
  readonly aliases?: readonly string[];
  readonly ipv4_address?: string;
  readonly ipv6_address?: string;
  readonly link_local_ips?: readonly string[];
  readonly mac_address?: string;
  readonly interface_name?: string;
  readonly priority?: number;
  readonly gw_priority?: number;
  readonly driver_opts?: Dict<string>;
}

/** A config or secret as a service uses it. */
export interface FileObjectMount {
  readonly source: string;
  readonly target?: string;
  readonly uid?: string;
  readonly gid?: string;
  /** Octal, for example `"0440"`. */
  readonly mode?: string;
}

export interface Hook {
  /** `null`: written without a value. */
  readonly command: readonly string[] | null;
  readonly user?: string;
  readonly privileged?: boolean;
  readonly working_dir?: string;
  readonly environment?: Dict<string | null>;
}

export interface PreStartHook extends Hook {
  readonly image?: string;
  readonly per_replica?: boolean;
}

export interface DeviceMapping {
  readonly source: string;
  readonly target?: string;
  readonly permissions?: string;
}

export interface DeviceRequest {
  readonly capabilities?: readonly string[];
  readonly count?: number;
  readonly device_ids?: readonly string[];
  readonly driver?: string;
  readonly options?: Dict<string>;
}

export interface Resources {
  readonly limits?: {
    readonly cpus?: number | string;
    readonly memory?: Bytes;
    readonly pids?: number;
    readonly devices?: readonly DeviceRequest[];
    readonly generic_resources?: readonly unknown[];
  };
  readonly reservations?: {
    readonly cpus?: number | string;
    readonly memory?: Bytes;
    readonly pids?: number;
    readonly devices?: readonly DeviceRequest[];
    readonly generic_resources?: readonly unknown[];
  };
}

export interface UpdateConfig {
  readonly parallelism?: number;
  readonly delay?: Duration;
  readonly failure_action?: string;
  readonly monitor?: Duration;
  readonly max_failure_ratio?: number;
  readonly order?: 'start-first' | 'stop-first';
}

export interface Deploy {
  readonly mode?: string;
  readonly replicas?: number;
  readonly labels?: Dict<string>;
  readonly update_config?: UpdateConfig;
  readonly rollback_config?: UpdateConfig;
  readonly resources?: Resources;
  readonly restart_policy?: {
    readonly condition?: string;
    readonly delay?: Duration;
    readonly max_attempts?: number;
    readonly window?: Duration;
  };
  readonly placement?: Readonly<Record<string, unknown>>;
  readonly endpoint_mode?: 'vip' | 'dnsrr';
}

export interface Build {
  readonly context?: string;
  readonly dockerfile?: string;
  readonly dockerfile_inline?: string;
  readonly additional_contexts?: Dict<string>;
  readonly args?: Dict<string | null>;
  readonly target?: string;
  readonly ssh?: Dict<string> | readonly string[];
  readonly secrets?: readonly FileObjectMount[];
  readonly labels?: Dict<string>;
  readonly tags?: readonly string[];
  readonly cache_from?: readonly string[];
  readonly cache_to?: readonly string[];
  readonly no_cache?: boolean;
  readonly no_cache_filter?: readonly string[];
  readonly pull?: boolean;
  readonly network?: string;
  readonly extra_hosts?: readonly string[];
  readonly shm_size?: Bytes;
  readonly ulimits?: Dict<Ulimit>;
  readonly platforms?: readonly string[];
  readonly privileged?: boolean;
  readonly entitlements?: readonly string[];
  readonly isolation?: string;
  readonly provenance?: string;
  readonly sbom?: string;
}

export type Ulimit = number | { readonly soft?: number; readonly hard?: number; readonly single?: number };

export interface BlkioConfig {
  readonly weight?: number;
  readonly weight_device?: readonly { readonly Path: string; readonly Weight: number }[];
  readonly device_read_bps?: readonly { readonly Path: string; readonly Rate: number | string }[];
  readonly device_read_iops?: readonly { readonly Path: string; readonly Rate: number | string }[];
  readonly device_write_bps?: readonly { readonly Path: string; readonly Rate: number | string }[];
  readonly device_write_iops?: readonly { readonly Path: string; readonly Rate: number | string }[];
}

export interface WatchRule {
  readonly path: string;
  readonly action: 'rebuild' | 'sync' | 'sync+restart' | 'sync+exec' | 'restart';
  readonly target?: string;
  readonly ignore?: readonly string[];
  readonly include?: readonly string[];
  readonly initial_sync?: boolean;
  readonly exec?: Hook;
}

/** Attributes of a service in the order of the specification's alphabet. */
export interface Service {
  readonly annotations?: Dict<string>;
  readonly attach?: boolean;
  readonly blkio_config?: BlkioConfig;
  readonly build?: Build;
  readonly cap_add?: readonly string[];
  readonly cap_drop?: readonly string[];
  readonly cgroup?: 'host' | 'private';
  readonly cgroup_parent?: string;
  /** `null`: as the image says. */
  readonly command: readonly string[] | null;
  readonly configs?: readonly FileObjectMount[];
  readonly container_name?: string;
  readonly cpu_count?: number;
  readonly cpu_percent?: number;
  readonly cpu_period?: string | number;
  readonly cpu_quota?: string | number;
  readonly cpu_rt_period?: string | number;
  readonly cpu_rt_runtime?: string | number;
  readonly cpu_shares?: number;
  readonly cpus?: number;
  readonly cpuset?: string;
  readonly credential_spec?: Dict<string>;
  readonly depends_on?: Dict<Dependency>;
  readonly deploy?: Deploy;
  readonly develop?: { readonly watch?: readonly WatchRule[] };
  readonly device_cgroup_rules?: readonly string[];
  readonly devices?: readonly DeviceMapping[];
  readonly dns?: readonly string[];
  readonly dns_opt?: readonly string[];
  readonly dns_search?: readonly string[];
  readonly domainname?: string;
  readonly entrypoint: readonly string[] | null;
  /** `null`: named without a value and not set in the project's environment. */
  readonly environment?: Dict<string | null>;
  readonly expose?: readonly string[];
  /** Only left when the extended service is empty. */
  readonly extends?: { readonly file?: string; readonly service?: string };
  readonly external_links?: readonly string[];
  /** `host=address` entries. */
  readonly extra_hosts?: readonly string[];
  readonly gpus?: readonly DeviceRequest[];
  readonly group_add?: readonly string[];
  readonly healthcheck?: Healthcheck;
  readonly hostname?: string;
  readonly image?: string;
  readonly init?: boolean;
  readonly ipc?: string;
  readonly isolation?: string;
  readonly labels?: Dict<string>;
  readonly links?: readonly string[];
  readonly logging?: { readonly driver?: string; readonly options?: Dict<string> };
  readonly mac_address?: string;
  readonly mem_limit?: Bytes;
  readonly mem_reservation?: Bytes;
  readonly mem_swappiness?: string;
  readonly memswap_limit?: Bytes;
  readonly models?: Dict<{ readonly endpoint_var?: string; readonly model_var?: string } | null>;
  readonly network_mode?: string;
  readonly networks?: Dict<ServiceNetwork | null>;
  readonly oom_kill_disable?: boolean;
  readonly oom_score_adj?: number;
  readonly pid?: string;
  readonly pids_limit?: number;
  readonly platform?: string;
  readonly ports?: readonly PortBinding[];
  readonly post_start?: readonly Hook[];
  readonly pre_start?: readonly PreStartHook[];
  readonly pre_stop?: readonly Hook[];
  readonly privileged?: boolean;
  readonly profiles?: readonly string[];
  readonly provider?: { readonly type: string; readonly options?: Dict<readonly string[]> };
  readonly pull_policy?: string;
  readonly pull_refresh_after?: string;
  readonly read_only?: boolean;
  readonly restart?: string;
  readonly runtime?: string;
  readonly scale?: number;
  readonly secrets?: readonly FileObjectMount[];
  readonly security_opt?: readonly string[];
  readonly shm_size?: Bytes;
  readonly stdin_open?: boolean;
  readonly stop_grace_period?: Duration;
  readonly stop_signal?: string;
  readonly storage_opt?: Dict<string>;
  readonly sysctls?: Dict<string | null>;
  readonly tmpfs?: readonly string[];
  readonly tty?: boolean;
  readonly ulimits?: Dict<Ulimit>;
  readonly use_api_socket?: boolean;
  readonly user?: string;
  readonly userns_mode?: string;
  readonly uts?: string;
  readonly volumes?: readonly Mount[];
  readonly volumes_from?: readonly string[];
  readonly working_dir?: string;
  /** `x-` attributes, with their prefix. */
  readonly extensions?: Dict<unknown>;
}

export interface Job extends Service {
  readonly triggers?: Dict<unknown>;
}

export interface NetworkConfig {
  /** Name on this machine, for example `project_default`. */
  readonly name: string;
  readonly driver?: string;
  readonly driver_opts?: Dict<string>;
  readonly ipam?: {
    readonly driver?: string;
    readonly config?: readonly {
      readonly subnet?: string;
      readonly ip_range?: string;
      readonly gateway?: string;
      readonly aux_addresses?: Dict<string>;
    }[];
  };
  readonly external?: boolean;
  readonly internal?: boolean;
  readonly attachable?: boolean;
  readonly enable_ipv4?: boolean;
  readonly enable_ipv6?: boolean;
  readonly labels?: Dict<string>;
}

export interface VolumeConfig {
  readonly name: string;
  readonly driver?: string;
  readonly driver_opts?: Dict<string>;
  readonly external?: boolean;
  readonly labels?: Dict<string>;
}

/** A config or secret of the project: its content comes from exactly one of the sources. */
export interface FileObjectConfig {
  readonly name: string;
  readonly file?: string;
  readonly environment?: string;
  readonly content?: string;
  readonly external?: boolean;
  readonly labels?: Dict<string>;
  readonly driver?: string;
  readonly driver_opts?: Dict<string>;
  readonly template_driver?: string;
}

export interface ModelConfig {
  readonly name?: string;
  readonly model: string;
  readonly context_size?: number;
  readonly runtime_flags?: readonly string[];
}
