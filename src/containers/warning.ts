// What a machine cannot honour: said once, never dropped silently.
import type { Position } from '../errors.ts';

export interface Warning {
  /** The attribute as the compose file has it, for example `mem_swappiness` or `volumes[0].bind.selinux`. */
  readonly attribute: string;
  /** Why it has no effect: one lower-case clause. */
  readonly reason: string;
}

/** One limit that a file can write in several ways. */
const SPELLINGS: Readonly<Record<string, readonly string[]>> = {
  command: ['entrypoint', 'command', 'image'],
  cpus: ['deploy.resources.limits.cpus', 'cpus', 'cpu_quota', 'cpu_period'],
  mem_limit: ['deploy.resources.limits.memory', 'mem_limit'],
  mem_reservation: ['deploy.resources.reservations.memory', 'mem_reservation'],
  memswap_limit: ['memswap_limit', 'deploy.resources.limits.memory', 'mem_limit'],
  pids_limit: ['deploy.resources.limits.pids', 'pids_limit'],
};

export interface WarningPlace {
  /** As the file spells it. */
  readonly attribute: string;
  readonly at: Position | undefined;
}

/** Where the file asks for what is warned about: the attribute, or the nearest thing around it that has a place. */
export function placeOf(
  { attribute }: Pick<Warning, 'attribute'>,
  service: string,
  positionOf: (path: string) => Position | undefined,
): WarningPlace {
  const spelled = (SPELLINGS[attribute] ?? []).find((one) => positionOf(`${service}.${one}`) !== undefined);
  const name = spelled ?? attribute;
  for (let path = `${service}.${name}`; path !== ''; path = path.replace(/(?:^|\.|\[)[^.[]*$/, '')) {
    const at = positionOf(path);
    if (at !== undefined) return { attribute: name, at };
  }
  return { attribute: name, at: undefined };
}
