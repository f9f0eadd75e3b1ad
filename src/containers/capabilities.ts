// Linux capabilities: their numbers, Docker's default set, and what a service adds and drops.
import { ComposeError } from '../errors.ts';

/** In the order of their numbers. */
const NAMES = [
  'CHOWN',
  'DAC_OVERRIDE',
  'DAC_READ_SEARCH',
  'FOWNER',
  'FSETID',
  'KILL',
  'SETGID',
  'SETUID',
  'SETPCAP',
  'LINUX_IMMUTABLE',
  'NET_BIND_SERVICE',
  'NET_BROADCAST',
  'NET_ADMIN',
  'NET_RAW',
  'IPC_LOCK',
  'IPC_OWNER',
  'SYS_MODULE',
  'SYS_RAWIO',
  'SYS_CHROOT',
  'SYS_PTRACE',
  'SYS_PACCT',
  'SYS_ADMIN',
  'SYS_BOOT',
  'SYS_NICE',
  'SYS_RESOURCE',
  'SYS_TIME',
  'SYS_TTY_CONFIG',
  'MKNOD',
  'LEASE',
  'AUDIT_WRITE',
  'AUDIT_CONTROL',
  'SETFCAP',
  'MAC_OVERRIDE',
  'MAC_ADMIN',
  'SYSLOG',
  'WAKE_ALARM',
  'BLOCK_SUSPEND',
  'AUDIT_READ',
  'PERFMON',
  'BPF',
  'CHECKPOINT_RESTORE',
] as const;

/** Every capability, as `CAP_CHOWN`, in the order of their numbers. */
export const ALL_CAPABILITIES: readonly string[] = NAMES.map((name) => `CAP_${name}`);

/** What a container has unless told otherwise, as in Docker. */
export const DEFAULT_CAPABILITIES: readonly string[] = [
  'CAP_AUDIT_WRITE',
  'CAP_CHOWN',
  'CAP_DAC_OVERRIDE',
  'CAP_FOWNER',
  'CAP_FSETID',
  'CAP_KILL',
  'CAP_MKNOD',
  'CAP_NET_BIND_SERVICE',
  'CAP_NET_RAW',
  'CAP_SETFCAP',
  'CAP_SETGID',
  'CAP_SETPCAP',
  'CAP_SETUID',
  'CAP_SYS_CHROOT',
];

export interface CapabilityWish {
  readonly add: readonly string[];
  readonly drop: readonly string[];
  readonly privileged: boolean;
}

/**
 * The set that a wish stands for, in the order of capability numbers. `ALL` in `add` starts from everything, `ALL` in
 * `drop` from nothing; then names are added and dropped. Throws ComposeError `invalid-value` for an unknown name.
 */
export function wantedCapabilities({ add, drop, privileged }: CapabilityWish): readonly string[] {
  if (privileged) return ALL_CAPABILITIES;
  const added = add.map((name, index) => normalise(name, `cap_add[${index}]`));
  const dropped = drop.map((name, index) => normalise(name, `cap_drop[${index}]`));
  const wanted = new Set(baseOf(added, dropped));
  for (const name of dropped) wanted.delete(name);
  for (const name of added) if (!dropped.includes(name) || dropped.includes('ALL')) wanted.add(name);
  return ALL_CAPABILITIES.filter((name) => wanted.has(name));
}

function baseOf(added: readonly string[], dropped: readonly string[]): readonly string[] {
  if (added.includes('ALL')) return ALL_CAPABILITIES;
  return dropped.includes('ALL') ? [] : DEFAULT_CAPABILITIES;
}

function normalise(name: string, path: string): string {
  const upper = name.trim().toUpperCase();
  if (upper === 'ALL' || upper === 'CAP_ALL') return 'ALL';
  const full = upper.startsWith('CAP_') ? upper : `CAP_${upper}`;
  if (!ALL_CAPABILITIES.includes(full)) {
    throw new ComposeError('invalid-value', `unknown capability ${name}`, { path });
  }
  return full;
}

/** The bit mask of a set; at most 41 bits, so it is exact. */
export function capabilityMask(names: readonly string[]): number {
  return names.reduce((mask, name) => mask + 2 ** ALL_CAPABILITIES.indexOf(name), 0);
}

/** The set of a bit mask, as /proc/PID/status prints it in hexadecimal; unknown bits are left out. */
export function capabilitiesOf(mask: bigint): readonly string[] {
  return ALL_CAPABILITIES.filter((_, bit) => (mask >> BigInt(bit)) & 1n);
}
