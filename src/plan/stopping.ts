// Stopping in reverse dependency order.
import type { Verdict } from './decide.ts';
import { refTo, type Situation } from './situation.ts';

export interface StopOptions {
  readonly graceMs?: number | undefined;
  /** Whether pre_stop hooks run. */
  readonly hooks: (verdict: Verdict) => boolean;
  /** Further ids that the stop of this container waits for. */
  readonly needs?: (verdict: Verdict) => Iterable<string | undefined>;
}

/** Adds a stop for each container, after the stops of what depends on it; returns the action of each container id. */
export function addStops(
  situation: Situation,
  verdicts: readonly Verdict[],
  { graceMs, hooks, needs }: StopOptions,
): ReadonlyMap<string, string> {
  const stops = new Map<string, string>();
  const ofService = new Map<string, string[]>();
  const rank = new Map(situation.graph.order.map((name, index) => [name, index]));
  const late = (verdict: Verdict) => rank.get(verdict.container.service) ?? Number.MAX_SAFE_INTEGER;
  for (const verdict of [...verdicts].sort((a, b) => late(b) - late(a))) {
    const { container, cause } = verdict;
    const dependents = situation.graph.dependentsOf(container.service);
    const id = situation.plan.add({
      kind: 'stop-container',
      container: refTo(container),
      hooks: hooks(verdict),
      cause,
      needs: [...dependents.flatMap(({ from }) => ofService.get(from) ?? []), ...(needs?.(verdict) ?? [])],
      ...(graceMs === undefined ? {} : { graceMs }),
    });
    stops.set(container.id, id);
    ofService.set(container.service, [...(ofService.get(container.service) ?? []), id]);
  }
  return stops;
}
