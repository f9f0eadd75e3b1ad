// The process of a container: argv, environment, identity and limits, from the service and its image.
import type { Dict, Service, Ulimit } from '../compose/project.ts';
import { ComposeError } from '../errors.ts';
import type { Machine } from './machine.ts';
import type { OciRlimit } from './oci.ts';

/** What an OCI image config says about running it; the names are the image specification's. */
export interface ImageDefaults {
  readonly Env?: readonly string[] | null;
  readonly Entrypoint?: readonly string[] | null;
  readonly Cmd?: readonly string[] | null;
  readonly WorkingDir?: string;
  readonly User?: string;
  readonly ExposedPorts?: Readonly<Record<string, unknown>> | null;
  readonly Volumes?: Readonly<Record<string, unknown>> | null;
  readonly Labels?: Dict<string> | null;
  readonly StopSignal?: string;
  readonly Healthcheck?: ImageHealthcheck | null;
}

/** Durations are nanoseconds. */
export interface ImageHealthcheck {
  readonly Test?: readonly string[] | null;
  readonly Interval?: number;
  readonly Timeout?: number;
  readonly StartPeriod?: number;
  readonly StartInterval?: number;
  readonly Retries?: number;
}

const DEFAULT_PATH = 'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';

/** The effective argv. An `entrypoint` of the service drops the image's command. */
export function commandOf(service: Service, image: ImageDefaults): readonly string[] {
  const entrypoint = service.entrypoint ?? image.Entrypoint ?? [];
  const ownEntrypoint = service.entrypoint !== null && service.entrypoint.length > 0;
  const command = service.command ?? (ownEntrypoint ? [] : (image.Cmd ?? []));
  const argv = [...entrypoint, ...command];
  if (argv.length > 0) return argv;
  throw new ComposeError(
    'command-not-found',
    'no command: neither the service nor its image names a program',
    {
      hint: 'add `command:` to the service',
      path: 'image',
    },
  );
}

export interface EnvironmentWish {
  readonly service: Service;
  readonly image: ImageDefaults;
  readonly hostname: string;
}

/** `NAME=value` entries: PATH, HOSTNAME and TERM, then the image's, then the service's; `null` takes a name away. */
export function environmentOf({ service, image, hostname }: EnvironmentWish): readonly string[] {
  const values = new Map<string, string>();
  const set = (entry: string) => {
    const at = entry.indexOf('=');
    if (at > 0) values.set(entry.slice(0, at), entry);
  };
  for (const entry of [DEFAULT_PATH, `HOSTNAME=${hostname}`]) set(entry);
  if (service.tty) set('TERM=xterm');
  for (const entry of image.Env ?? []) set(entry);
  for (const [name, value] of Object.entries(service.environment ?? {})) {
    if (value === null) values.delete(name);
    else values.set(name, `${name}=${value}`);
  }
  return [...values.values()];
}

const RLIMITS = [
  'as',
  'core',
  'cpu',
  'data',
  'fsize',
  'locks',
  'memlock',
  'msgqueue',
  'nice',
  'nofile',
  'nproc',
  'rss',
  'rtprio',
  'rttime',
  'sigpending',
  'stack',
];

/** Docker's default for open files; an unlimited one makes programs hang that close every descriptor. */
const DEFAULT_NOFILE = { soft: 1024, hard: 524_288 };

/** Limits of the process. The default for open files never asks for more than this machine can give. */
export function rlimitsOf(
  service: Service,
  machine: Pick<Machine, 'nofileHard' | 'capabilities'>,
): OciRlimit[] {
  const asked = Object.entries(service.ulimits ?? {}).map(([name, value]) => rlimit(name, value));
  if (asked.some(({ type }) => type === 'RLIMIT_NOFILE')) return asked;
  const bounded = machine.nofileHard >= 0 && !machine.capabilities.includes('CAP_SYS_RESOURCE');
  const hard = bounded ? Math.min(machine.nofileHard, DEFAULT_NOFILE.hard) : DEFAULT_NOFILE.hard;
  return [...asked, { type: 'RLIMIT_NOFILE', soft: Math.min(DEFAULT_NOFILE.soft, hard), hard }];
}

function rlimit(name: string, value: Ulimit): OciRlimit {
  if (!RLIMITS.includes(name.toLowerCase())) {
    throw new ComposeError('invalid-value', `unknown ulimit ${name}`, {
      hint: `known are ${RLIMITS.join(', ')}`,
      path: `ulimits.${name}`,
    });
  }
  const type = `RLIMIT_${name.toUpperCase()}`;
  if (typeof value === 'number') return { type, soft: value, hard: value };
  const { single, soft = single ?? 0, hard = single ?? soft } = value;
  if (hard >= 0 && (soft > hard || soft < 0)) {
    throw new ComposeError(
      'invalid-value',
      `ulimits.${name}: the soft limit ${soft} is above the hard limit ${hard}`,
      { path: `ulimits.${name}` },
    );
  }
  return { type, soft, hard };
}

/** `user[:group]` as written by the service, else by the image; empty is root. */
export function userOf(service: Service, image: ImageDefaults): string {
  return service.user || image.User || '';
}

/** `user[:group]` as numbers, undefined when it has names that only the container's own files can resolve. */
export function numericUser(user: string): { readonly uid: number; readonly gid: number } | undefined {
  const match = /^(\d+)(?::(\d+))?$/.exec(user);
  if (match === null) return user === '' ? { uid: 0, gid: 0 } : undefined;
  return { uid: Number(match[1]), gid: Number(match[2] ?? 0) };
}
