// Control groups as a container sees its own: where a limit is, on v1 and on v2.
import { existsSync } from 'node:fs';

/** Only the unified hierarchy is mounted. */
export const isV2 = existsSync('/sys/fs/cgroup/cgroup.controllers');

/** One of two values, for the version that this machine has. */
export function ofVersion<T>(v1: T, v2: T): T {
  return isV2 ? v2 : v1;
}

/** The path inside a container of a file of its group: `memory/memory.limit_in_bytes` on v1, `memory.max` on v2. */
export function groupFile(v1: string, v2: string): string {
  return `/sys/fs/cgroup/${ofVersion(v1, v2)}`;
}
