// The boot id: how a reboot is noticed when the run directory is not on a tmpfs.
import { readFileSync } from 'node:fs';
import type { Context } from './context.ts';
import { makeDirectory } from './directory.ts';
import { bootIdFile } from './layout.ts';
import { readTextIfPresent, writeAtomically } from './record.ts';

/** The kernel's random id of this boot. */
export function currentBootId(): string {
  return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim();
}

/**
 * Makes the run directory ready: what an earlier boot left in it is removed.
 * Returns true when this is the first command since the machine started.
 */
export function enterBoot(ctx: Context): boolean {
  const { runDir } = ctx.layout;
  const bootId = currentBootId();
  const seen = readTextIfPresent(bootIdFile(ctx.layout))?.trim();
  if (seen === bootId) return false;
  if (seen !== undefined)
    for (const name of ['containers', 'networks']) ctx.core.removeTree(`${runDir}/${name}`);
  makeDirectory(runDir);
  writeAtomically(bootIdFile(ctx.layout), `${bootId}\n`, { mode: 0o644 });
  return true;
}
