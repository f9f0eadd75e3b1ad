// A temporary directory for the whole run, and the search for what the run left on the machine.
import { chmodSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from './eventually.ts';
import { newTraces, othersRun, traces } from './leftovers.ts';

/** What ends by itself has this long to do so. */
const SETTLING_MS = 30_000;

export default function setup(): () => Promise<void> {
  // Paths of sockets are short, so that this one has to be.
  const scratch = mkdtempSync(join(tmpdir(), 'tsc'));
  // Ids of user namespaces walk through it.
  chmodSync(scratch, 0o711);
  process.env.TMPDIR = scratch;
  const before = traces(scratch);
  let isDisturbed = othersRun(scratch);
  return async () => {
    if (process.env.TSCOMPOSE_TEST_LEFTOVERS) {
      isDisturbed ||= othersRun(scratch);
      await eventually(() => {
        const left = newTraces(before, scratch).filter((trace) => !isDisturbed || trace.includes(scratch));
        if (left.length > 0) throw new Error(`the tests left on this machine:\n  ${left.join('\n  ')}`);
      }, SETTLING_MS);
    }
    for (const name of readdirSync(scratch)) rmSync(join(scratch, name), { recursive: true, force: true });
    rmSync(scratch, { recursive: true, force: true });
  };
}
