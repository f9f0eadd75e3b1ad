// Fails when the whole suite left something on the machine. Only for `npm test`: on a machine where others run
// containers at the same time, what they start would be taken for a leftover.
import { eventually } from './eventually.ts';
import { newTraces, traces } from './leftovers.ts';

/** What ends by itself has this long to do so. */
const SETTLING_MS = 15_000;

export default function setup(): (() => Promise<void>) | undefined {
  if (!process.env.TSCOMPOSE_TEST_LEFTOVERS) return undefined;
  const before = traces();
  return () =>
    eventually(() => {
      const left = newTraces(before);
      if (left.length > 0) throw new Error(`the tests left on this machine:\n  ${left.join('\n  ')}`);
    }, SETTLING_MS);
}
