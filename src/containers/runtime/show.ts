// `state`, `list` and `ps`: what there is, as values.
import { readFileSync } from 'node:fs';
import type { RuntimeContext } from './context.ts';
import { processesIn } from './control-groups.ts';
import { listIds, type RuntimeRecord, readState, statusOf } from './state.ts';

/** The state document of the specification, and what runc adds to it. */
export function describeContainer(ctx: RuntimeContext, id: string) {
  return describe(ctx, readState(ctx.root, id));
}

function describe(ctx: RuntimeContext, record: RuntimeRecord) {
  const status = statusOf(ctx.root, record);
  return {
    ociVersion: record.ociVersion,
    id: record.id,
    pid: status === 'stopped' ? 0 : record.pid,
    status,
    bundle: record.bundle,
    rootfs: record.rootfs,
    created: record.created,
    owner: record.owner === 0 ? 'root' : String(record.owner),
    ...(record.annotations ? { annotations: record.annotations } : {}),
  };
}

/** All containers of the root, by id. */
export function describeAll(ctx: RuntimeContext) {
  return listIds(ctx.root).map((id) => describeContainer(ctx, id));
}

/** Pids of all processes, as this machine numbers them. */
export function processIds(ctx: RuntimeContext, id: string): readonly number[] {
  return processesIn(readState(ctx.root, id).cgroups);
}

/** The command line of a process; its name in brackets when it has none. */
export function commandLine(pid: number): string {
  try {
    const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').filter(Boolean);
    return words.length > 0 ? words.join(' ') : `[${readFileSync(`/proc/${pid}/comm`, 'utf8').trim()}]`;
  } catch {
    return '';
  }
}
