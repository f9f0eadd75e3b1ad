// What happens to directories of the machine before a container has them: limits of what it writes, SELinux labels.
import { spawnSync } from 'node:child_process';
import { errnoOf } from '../../core/index.ts';
import type { Service } from '../compose/project.ts';
import { ComposeError } from '../errors.ts';
import type { Context } from '../state/context.ts';
import type { ContainerFiles } from '../state/layout.ts';
import type { Machine } from './machine.ts';
import type { BindMount, ResolvedMount } from './mounts.ts';
import { selinuxLevel } from './security.ts';
import type { Warning } from './warning.ts';

const SUFFIX: Readonly<Record<string, number>> = { '': 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 };

/** Bytes of `storage_opt.size`, as Docker writes sizes; undefined when there is none, ComposeError `invalid-value` for what is no size. */
export function storageLimit({ storage_opt }: Service): number | undefined {
  const text = storage_opt?.size;
  if (text === undefined || text === '' || text === '0') return undefined;
  const match = /^(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?$/i.exec(text.trim());
  if (match !== null) return Math.round(Number(match[1]) * (SUFFIX[(match[2] ?? '').toLowerCase()] ?? 1));
  throw new ComposeError('invalid-value', `storage_opt.size: ${JSON.stringify(text)} is no size`, {
    path: 'storage_opt.size',
  });
}

/** Limits what the container writes into its root file system; says why, where that cannot be. */
export function limitStorage(
  { core }: Context,
  { upper, work }: Pick<ContainerFiles, 'upper' | 'work'>,
  { id, bytes }: { readonly id: string; readonly bytes: number },
): readonly Warning[] {
  try {
    core.claimQuota([upper, work], projectOf(id), bytes);
    return [];
  } catch (error) {
    if (!['EOPNOTSUPP', 'ENOTSUP', 'ENOSYS', 'ENOTTY', 'EPERM'].includes(errnoOf(error) ?? '')) throw error;
    const reason =
      'what a container writes has no limit of its own: the file system of the state directory enforces no project quotas (xfs or ext4, mounted with prjquota)';
    return [{ attribute: 'storage_opt.size', reason }];
  }
}

// Anywhere among the upper half of all ids: the lower ones are what administrators count from.
function projectOf(id: string): number {
  return 0x4000_0000 + (Number.parseInt(id.slice(0, 8), 16) & 0x3fff_ffff);
}

const NEVER_LABELLED = new Set([
  '/',
  '/boot',
  '/dev',
  '/etc',
  '/home',
  '/proc',
  '/root',
  '/run',
  '/sys',
  '/usr',
  '/var',
]);

/** Gives bind sources marked `z` or `Z` a label that containers may use; nothing without SELinux, as in Docker. */
export function relabel(
  mounts: readonly ResolvedMount[],
  service: Service,
  { selinux }: Pick<Machine, 'selinux'>,
): void {
  if (!selinux) return;
  for (const mount of mounts)
    if (mount.type === 'bind' && mount.selinux !== undefined) relabelOne(mount, service);
}

function relabelOne({ source, selinux, at }: BindMount, service: Service): void {
  const place = at === undefined ? {} : { at };
  if (NEVER_LABELLED.has(source)) {
    throw new ComposeError(
      'invalid-value',
      `${source} belongs to the machine: it is given no other SELinux label`,
      {
        hint: 'bind a directory below it',
        ...place,
      },
    );
  }
  const level = selinux === 'Z' ? selinuxLevel(service) : 's0';
  const label = `system_u:object_r:container_file_t:${level}`;
  const { status, stderr, error } = spawnSync('chcon', ['-hR', label, source], { encoding: 'utf8' });
  if (status === 0) return;
  const reason = error?.message ?? stderr.trim().split('\n')[0];
  throw new ComposeError('system', `cannot give ${source} the SELinux label ${label}: ${reason}`, place);
}
