// What a process in the container may do beyond its capabilities: security_opt, masked paths, sysctls.
import type { Dict, Service } from '../compose/project.ts';
import { ComposeError } from '../errors.ts';
import type { Machine } from './machine.ts';
import type { Warning } from './warning.ts';

export type SeccompWish =
  | { readonly kind: 'default' }
  | { readonly kind: 'unconfined' }
  /** Path as written. */
  | { readonly kind: 'file'; readonly path: string };

export interface Security {
  readonly noNewPrivileges: boolean;
  readonly seccomp: SeccompWish;
  readonly apparmor?: string;
  readonly selinux?: string;
  /** `systempaths=unconfined`: nothing masked, nothing read-only. */
  readonly openSystemPaths: boolean;
  readonly warnings: readonly Warning[];
}

/** Hidden in every container that is not privileged: they tell about the machine or reach into it. */
export const MASKED_PATHS: readonly string[] = [
  '/proc/acpi',
  '/proc/asound',
  '/proc/interrupts',
  '/proc/kcore',
  '/proc/keys',
  '/proc/latency_stats',
  '/proc/sched_debug',
  '/proc/scsi',
  '/proc/timer_list',
  '/proc/timer_stats',
  '/sys/devices/virtual/powercap',
  '/sys/firmware',
];

/** How often each processor of this machine was throttled, which tells a container what its neighbours do. */
export function throttlePaths({ listDirectory }: Pick<Machine, 'listDirectory'>): readonly string[] {
  const directory = '/sys/devices/system/cpu';
  const processors = (listDirectory(directory) ?? []).filter((name) => /^cpu\d+$/.test(name)).sort();
  const paths = processors.map((name) => `${directory}/${name}/thermal_throttle`);
  return paths.filter((path) => listDirectory(path) !== undefined);
}

export const READ_ONLY_PATHS: readonly string[] = [
  '/proc/bus',
  '/proc/fs',
  '/proc/irq',
  '/proc/sys',
  '/proc/sysrq-trigger',
];

/** Throws ComposeError `invalid-value` for an option that does not exist. */
export function securityOf(service: Service, machine: Pick<Machine, 'apparmor' | 'selinux'>): Security {
  const options = (service.security_opt ?? []).map(parseOption);
  const last = (name: string) => options.findLast((option) => option.name === name)?.value;
  const noNew = last('no-new-privileges');
  const apparmor = service.privileged ? undefined : last('apparmor');
  const label = selinuxLabel(options.filter(({ name }) => name === 'label').map(({ value }) => value));
  return {
    noNewPrivileges: noNew !== undefined && noNew !== 'false',
    seccomp: seccompWish(last('seccomp'), service.privileged ?? false),
    ...(apparmor && apparmor !== 'unconfined' && machine.apparmor ? { apparmor } : {}),
    ...(label && machine.selinux ? { selinux: label } : {}),
    openSystemPaths: (service.privileged ?? false) || last('systempaths') === 'unconfined',
    warnings: labelWarnings(machine, apparmor, label),
  };
}

const OPTIONS = ['no-new-privileges', 'seccomp', 'apparmor', 'label', 'systempaths'];

function parseOption(text: string, index: number): { readonly name: string; readonly value: string } {
  const match = /^([a-z-]+)(?:[=:](.*))?$/s.exec(text.trim());
  const name = match?.[1] ?? '';
  if (!OPTIONS.includes(name)) {
    const hint = `known are ${OPTIONS.join(', ')}`;
    throw new ComposeError('invalid-value', `unknown security_opt ${JSON.stringify(text)}`, {
      hint,
      path: `security_opt[${index}]`,
    });
  }
  return { name, value: match?.[2] ?? '' };
}

function seccompWish(value: string | undefined, privileged: boolean): SeccompWish {
  if (value === 'unconfined' || (privileged && value === undefined)) return { kind: 'unconfined' };
  if (value === undefined || value === 'builtin' || value === '') return { kind: 'default' };
  return { kind: 'file', path: value };
}

function selinuxLabel(values: readonly string[]): string | undefined {
  if (values.length === 0 || values.includes('disable')) return undefined;
  const part = (name: string, fallback: string) =>
    values.findLast((value) => value.startsWith(`${name}:`))?.slice(name.length + 1) ?? fallback;
  return [
    part('user', 'system_u'),
    part('role', 'system_r'),
    part('type', 'container_t'),
    part('level', 's0'),
  ].join(':');
}

/** The level of a service's SELinux label. */
export function selinuxLevel(service: Service): string {
  const label = selinuxLabel(
    (service.security_opt ?? [])
      .map(parseOption)
      .flatMap(({ name, value }) => (name === 'label' ? [value] : [])),
  );
  return label?.split(':').slice(3).join(':') ?? 's0';
}

/** The label of file systems that are made for a process with this one. */
export function fileLabel(processLabel: string): string {
  const [user = 'system_u', , , ...level] = processLabel.split(':');
  return [user, 'object_r', 'container_file_t', ...level].join(':');
}

function labelWarnings(
  machine: Pick<Machine, 'apparmor' | 'selinux'>,
  apparmor: string | undefined,
  label: string | undefined,
): Warning[] {
  const attribute = 'security_opt';
  return [
    ...(apparmor && apparmor !== 'unconfined' && !machine.apparmor
      ? [{ attribute, reason: 'AppArmor is not enabled in this kernel' }]
      : []),
    ...(label && !machine.selinux ? [{ attribute, reason: 'SELinux is not enabled on this machine' }] : []),
  ];
}

const IPC_SYSCTLS = [
  'kernel.msgmax',
  'kernel.msgmnb',
  'kernel.msgmni',
  'kernel.sem',
  'kernel.shmall',
  'kernel.shmmax',
  'kernel.shmmni',
  'kernel.shm_rmid_forced',
];

export interface SysctlScope {
  readonly ownNetwork: boolean;
  readonly ownIpc: boolean;
  readonly userNamespace: boolean;
}

/** Sysctls of the container; only those that belong to one of its own namespaces, else ComposeError `invalid-value`. */
export function sysctlsOf(service: Service, scope: SysctlScope): Dict<string> {
  const asked = Object.entries(service.sysctls ?? {}).flatMap(([name, value]): [string, string][] =>
    value === null ? [] : [[name.replaceAll('/', '.'), value]],
  );
  for (const [name] of asked) checkSysctl(name, scope);
  return { ...defaultSysctls(scope), ...Object.fromEntries(asked) };
}

// As in Docker: a process without capabilities may listen on low ports and ping.
function defaultSysctls({ ownNetwork, userNamespace }: SysctlScope): Dict<string> {
  if (!ownNetwork) return {};
  return {
    'net.ipv4.ip_unprivileged_port_start': '0',
    ...(userNamespace ? {} : { 'net.ipv4.ping_group_range': '0 2147483647' }),
  };
}

function checkSysctl(name: string, { ownNetwork, ownIpc }: SysctlScope): void {
  const ofNetwork = name.startsWith('net.');
  const ofIpc = name.startsWith('fs.mqueue.') || IPC_SYSCTLS.includes(name);
  if ((ofNetwork && ownNetwork) || (ofIpc && ownIpc) || name === 'kernel.domainname') return;
  const reason = ofNetwork
    ? 'the container does not have a network namespace of its own'
    : ofIpc
      ? 'the container does not have an IPC namespace of its own'
      : 'it belongs to the whole machine, not to a container';
  throw new ComposeError('invalid-value', `sysctl ${name} cannot be set: ${reason}`, {
    path: `sysctls.${name}`,
  });
}
