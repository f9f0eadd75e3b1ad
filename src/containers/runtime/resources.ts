// `update` and `events`: limits and counters of a container that exists.
import { readFileSync, writeFileSync } from 'node:fs';
import { ComposeError } from '../../errors.ts';
import { planCgroups } from '../cgroup.ts';
import type { OciResources } from '../oci.ts';
import type { RuntimeContext } from './context.ts';
import { decodeResources } from './decode-resources.ts';
import { parseJson } from './json.ts';
import { readState } from './state.ts';

/** Throws ComposeError `invalid-value`. */
export function decodeUpdate(text: string): OciResources {
  try {
    const { devices: _, ...limits } = decodeResources(parseJson(text), 'resources');
    return limits;
  } catch (cause) {
    throw new ComposeError('invalid-value', cause instanceof Error ? cause.message : String(cause), {
      cause,
    });
  }
}

/** Sets limits of a container; what is not named stays as it is. */
export function updateResources(ctx: RuntimeContext, id: string, resources: OciResources): void {
  const record = readState(ctx.root, id);
  const { cgroups: layout, hasCgroupFile: hasFile } = ctx.machine();
  const { writes, warnings } = planCgroups({ path: record.cgroupsPath, resources, layout, hasFile });
  for (const { attribute, reason } of warnings) ctx.warn(`${attribute}: ${reason}`);
  const refused = writes.filter(([file, value]) => !written(file, value));
  // Memory above memory and swap is refused, whichever comes first: the second round finds the other one raised.
  for (const [file, value] of refused) writeOrThrow(file, value);
}

function written(file: string, value: string): boolean {
  try {
    writeFileSync(file, value);
    return true;
  } catch {
    return false;
  }
}

function writeOrThrow(file: string, value: string): void {
  try {
    writeFileSync(file, value);
  } catch (cause) {
    throw new ComposeError('system', `cannot write ${value} to ${file}`, { cause });
  }
}

/** One line of `events`, in the form that runc gives it. */
export function statistics(ctx: RuntimeContext, id: string) {
  const { cgroups } = readState(ctx.root, id);
  const text = (...names: readonly string[]) => firstOf(cgroups, names);
  const number = (...names: readonly string[]) => Number(text(...names)?.trim() ?? 0) || 0;
  return {
    type: 'stats',
    id,
    data: {
      cpu: {
        usage: {
          total: number('cpuacct.usage') || (counters(text('cpu.stat')).usage_usec ?? 0) * 1000,
          kernel: number('cpuacct.usage_sys') || (counters(text('cpu.stat')).system_usec ?? 0) * 1000,
          user: number('cpuacct.usage_user') || (counters(text('cpu.stat')).user_usec ?? 0) * 1000,
        },
        throttling: throttling(counters(text('cpu.stat'))),
      },
      memory: {
        usage: {
          usage: number('memory.usage_in_bytes', 'memory.current'),
          limit: number('memory.limit_in_bytes', 'memory.max'),
          failcnt: number('memory.failcnt'),
        },
        raw: counters(text('memory.stat')),
      },
      pids: { current: number('pids.current'), limit: number('pids.max') },
    },
  };
}

function firstOf(cgroups: readonly string[], names: readonly string[]): string | undefined {
  for (const path of cgroups.flatMap((directory) => names.map((name) => `${directory}/${name}`))) {
    try {
      return readFileSync(path, 'utf8');
    } catch {
      // Of another controller or another version.
    }
  }
  return undefined;
}

function counters(text = ''): Readonly<Record<string, number>> {
  const lines = text.split('\n').map((line) => line.split(' '));
  return Object.fromEntries(lines.flatMap(([name, value]) => (name && value ? [[name, Number(value)]] : [])));
}

function throttling(stat: Readonly<Record<string, number>>) {
  return {
    periods: stat.nr_periods ?? 0,
    throttledPeriods: stat.nr_throttled ?? 0,
    throttledTime: stat.throttled_time ?? (stat.throttled_usec ?? 0) * 1000,
  };
}
