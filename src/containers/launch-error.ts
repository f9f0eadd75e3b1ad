// What a failed launch means for the user: step and errno become one sentence.
import { constants } from 'node:os';
import { getSystemErrorMap } from 'node:util';
import { ComposeError, type ErrorCode } from '../errors.ts';
import type { ContainerRecord } from './record.ts';
import type { LaunchFailure } from './status.ts';

interface Sentence {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint?: string;
  /** The attribute that asks for it. */
  readonly path?: string;
}

type Subject = Pick<ContainerRecord, 'service' | 'name' | 'command'>;
type Row = readonly [
  step: string | RegExp,
  errno: string,
  sentence: (failure: LaunchFailure, subject: Subject) => Sentence,
];

const MOUNTS =
  /^(BIND|MOUNT|ROOT_OVERLAY|ROOT_BIND|COPY_UP|FILE|DIRECTORY|DEVICE|SYMLINK|WORKING_DIRECTORY)$/;
const KERNEL =
  /^(NAMESPACES|JOIN_NAMESPACE|SECCOMP|CGROUP_DEVICES|TIME_OFFSET|LSM_LABEL|CAPABILITIES|ROOT_OVERLAY|BIND)$/;

const NEEDED: Readonly<Record<string, string>> = {
  NAMESPACES: 'namespaces of every kind',
  JOIN_NAMESPACE: 'joining namespaces',
  SECCOMP: 'seccomp filters',
  CGROUP_DEVICES: 'BPF programs for control groups',
  TIME_OFFSET: 'time namespaces',
  LSM_LABEL: 'the security module that the label belongs to',
  CAPABILITIES: 'ambient capabilities',
  ROOT_OVERLAY: 'overlayfs with these options',
  BIND: 'open_tree and mount_setattr (Linux 5.12)',
};

/** The first row that fits speaks; steps that no row names are told as they are. */
const ROWS: readonly Row[] = [
  [
    'EXEC',
    'ENOENT',
    (failure, { service, command }) => ({
      code: 'command-not-found',
      path: 'command',
      message: `service ${service}: ${quote(failure.path || command[0] || '')} was not found in the container`,
      hint: 'check `command` and `entrypoint`; a script is also not found when the program of its first line is missing',
    }),
  ],
  [
    'EXEC',
    'EACCES',
    (failure, { service, command }) => ({
      code: 'command-not-executable',
      path: 'command',
      message: `service ${service}: ${quote(failure.path || command[0] || '')} may not be executed`,
      hint: 'it is a directory, has no x permission for the user, or lies on a mount with noexec',
    }),
  ],
  [
    'EXEC',
    'ENOEXEC',
    (failure, { service, command }) => ({
      code: 'command-not-executable',
      path: 'command',
      message: `service ${service}: ${quote(failure.path || command[0] || '')} is no program for this machine`,
      hint: 'a script needs a first line such as #!/bin/sh, a binary the architecture of this machine',
    }),
  ],
  [
    'USER',
    'ENOENT|ESRCH|EINVAL|ENODATA',
    ({ path }, { service }) => ({
      code: 'unknown-user',
      path: 'user',
      message: `service ${service}: the user or group ${quote(path)} does not exist in the container`,
      hint: 'use one that its /etc/passwd or /etc/group has, or numbers',
    }),
  ],
  [
    'WORKING_DIRECTORY',
    '*',
    (failure, { service }) => ({
      code: 'working-directory',
      path: 'working_dir',
      message: `service ${service}: cannot use ${failure.path} as working directory: ${strerror(failure)}`,
    }),
  ],
  [
    'BIND',
    'ENOENT',
    ({ path }, { service }) => ({
      code: 'bind-source-missing',
      path: 'volumes',
      message: `service ${service}: ${path} does not exist, so it cannot be mounted`,
    }),
  ],
  [
    'BIND',
    'ENOTDIR|EISDIR',
    ({ path }, { service }) => ({
      code: 'launch-step',
      path: 'volumes',
      message: `service ${service}: ${path} is a file on one side of the mount and a directory on the other`,
      hint: 'mount files on files and directories on directories',
    }),
  ],
  [
    /./,
    'ENOSPC|EDQUOT',
    ({ step, path }, { service }) => ({
      code: 'disk-full',
      message: `service ${service}: no space left${path ? ` at ${path}` : ''} (${step})`,
      ...(step.startsWith('CGROUP') ? { hint: 'or the kernel has no room for more control groups' } : {}),
    }),
  ],
  [
    'RLIMIT',
    'EPERM|EINVAL',
    ({ path }, { service }) => ({
      code: 'launch-step',
      path: 'ulimits',
      message: `service ${service}: the limit${path ? ` ${path}` : ''} in \`ulimits\` cannot be set here`,
      hint: 'a hard limit above this machine’s own takes CAP_SYS_RESOURCE: ask for less',
    }),
  ],
  [
    'SYSCTL',
    '*',
    (failure, { service }) => ({
      code: 'launch-step',
      path: `sysctls.${failure.path}`,
      message: `service ${service}: cannot set the sysctl ${failure.path}: ${strerror(failure)}`,
    }),
  ],
  [
    /^CGROUP_(WRITE|CREATE|JOIN)$/,
    '*',
    (failure, { service }) => ({
      code: 'launch-step',
      path: limitOf(failure.path),
      message: `service ${service}: cannot set the limit ${failure.path}: ${strerror(failure)}`,
    }),
  ],
  [
    'JOIN_NAMESPACE',
    'ENOENT|ESRCH|EBADF',
    (_, { service }) => ({
      code: 'container-not-running',
      message: `service ${service}: the container whose namespace it shares is not running`,
    }),
  ],
  [
    'LSM_LABEL',
    'ENOENT|EINVAL|EACCES|EPERM',
    (failure, { service }) => ({
      code: 'launch-step',
      path: 'security_opt',
      message: `service ${service}: the kernel refuses the security label ${failure.path}: ${strerror(failure)}`,
      hint: 'load an AppArmor profile first (apparmor_parser), or name a label that the SELinux policy has',
    }),
  ],
  [
    'ROOT_OVERLAY',
    'EINVAL|EOPNOTSUPP',
    (failure, { service }) => ({
      code: 'kernel-feature',
      message: `service ${service}: this kernel cannot mount overlayfs on the file system of the state directory: ${strerror(failure)}${failure.path ? ` (${failure.path})` : ''}`,
      hint: 'use --state-dir or TSCOMPOSE_STATE_DIR with a directory on ext4, xfs, btrfs or tmpfs',
    }),
  ],
  [
    KERNEL,
    'ENOSYS|EOPNOTSUPP|ENODEV|EINVAL',
    (failure, { service }) => ({
      code: 'kernel-feature',
      message: `service ${service}: this kernel does not support ${NEEDED[failure.step]}: ${strerror(failure)}${failure.path ? ` (${failure.path})` : ''}`,
    }),
  ],
  [
    /^(NAMESPACES|ROOT_PROPAGATION|ROOT_OVERLAY|ROOT_BIND|MOUNT|UID_MAP|GID_MAP)$/,
    'EPERM|EACCES',
    ({ step, path }, { service }) => ({
      code: 'not-root',
      message: `service ${service}: this machine does not let us make containers (${step}${path ? ` ${path}` : ''})`,
      hint: 'run as root, or allow unprivileged user namespaces',
    }),
  ],
  [
    MOUNTS,
    'EROFS',
    ({ path }, { service }) => ({
      code: 'launch-step',
      message: `service ${service}: ${path} cannot be made: the file system around it is read-only`,
      hint: 'mount it at a path that exists in the image or volume',
    }),
  ],
];

/** What a file of a control group is the limit of. */
const LIMIT_FILES: readonly (readonly [file: RegExp, attribute: string])[] = [
  [/\/cpuset\./, 'cpuset'],
  [/\/cpu\.(shares|weight)$/, 'cpu_shares'],
  [/\/cpu\.rt_/, 'cpu_rt_runtime'],
  [/\/cpu\./, 'cpus'],
  [/\/memory\.(memsw|swap\.max)/, 'memswap_limit'],
  [/\/memory\.(low|soft_limit)/, 'mem_reservation'],
  [/\/memory\./, 'mem_limit'],
  [/\/pids\./, 'pids_limit'],
  [/\/(io|blkio)\./, 'blkio_config'],
  [/\/devices\./, 'devices'],
  [/\/hugetlb\./, 'x-tscompose.hugetlb'],
];

function limitOf(file: string): string {
  return LIMIT_FILES.find(([pattern]) => pattern.test(file))?.[1] ?? 'cgroup_parent';
}

/** The error of a launch that failed: names the service, the object and what to do. */
export function launchError(subject: Subject, failure: LaunchFailure): ComposeError {
  const errno = errnoName(failure.errno);
  const row = ROWS.find(
    ([step, errnos]) => matches(step, failure.step) && (errnos === '*' || errnos.split('|').includes(errno)),
  );
  const { code, message, hint, path } = row?.[2](failure, subject) ?? plain(failure, subject);
  return new ComposeError(code, message, {
    ...(hint === undefined ? {} : { hint }),
    ...(path === undefined ? {} : { path }),
    cause: failure,
  });
}

function matches(pattern: string | RegExp, step: string): boolean {
  return typeof pattern === 'string' ? pattern === step : pattern.test(step);
}

function plain(failure: LaunchFailure, { service }: Subject): Sentence {
  const object = failure.path ? ` ${failure.path}` : '';
  const reason = failure.message || strerror(failure);
  return {
    code: 'launch-step',
    message: `service ${service}: launch step ${failure.step}${object} failed: ${reason}`,
  };
}

function quote(text: string): string {
  return JSON.stringify(text);
}

function strerror({ errno }: LaunchFailure): string {
  return getSystemErrorMap().get(-errno)?.[1] ?? `errno ${errno}`;
}

function errnoName(errno: number): string {
  return Object.entries(constants.errno).find(([, number]) => number === errno)?.[0] ?? '';
}
