// restart: the same containers stop and start again, with the dependents that ask for it.
import type { RestartGoal } from '../goal.ts';
import { withDependents } from '../graph.ts';
import { isAlive, type ObservedContainer } from '../observed.ts';
import { namespaceOwners } from '../references.ts';
import { refTo, type Situation, selected } from '../situation.ts';
import { addStarts } from '../starting.ts';
import { addStops } from '../stopping.ts';

/** Plans `restart`. */
export function planRestart(situation: Situation, goal: RestartGoal): void {
  const named = selected(situation, goal.services);
  const all = goal.noDeps ? new Set(named) : following(situation, named);
  const order = situation.graph.order.filter((name) => all.has(name));
  const containers = order.flatMap((name) =>
    situation.replicasOf(name).filter((c) => isNamed(c, named) || isAlive(c)),
  );
  const causeOf = ({ service }: ObservedContainer) =>
    named.includes(service) ? 'restarting was asked for' : 'what it depends on is restarted';
  const stops = addStops(
    situation,
    containers
      .filter((c) => isAlive(c) || c.state === 'dead')
      .map((container) => ({ container, cause: causeOf(container) })),
    { graceMs: goal.graceMs, hooks: () => true },
  );
  addStarts(situation, {
    order,
    targetsOf: (name) =>
      containers
        .filter(({ service }) => service === name)
        .map((container) => ({
          container: refTo(container),
          cause: causeOf(container),
          needs: [stops.get(container.id)],
        })),
    untouchedOf: () => [],
    providers: new Map(),
  });
}

// A shared network namespace goes with its owner, whatever the file says of restarts.
function following({ graph, project }: Situation, named: readonly string[]): ReadonlySet<string> {
  return withDependents(graph, named, ({ from, to, restart }) => {
    const service = project.services[from];
    return restart === true || (service !== undefined && namespaceOwners(service).includes(to));
  });
}

function isNamed({ service }: ObservedContainer, named: readonly string[]): boolean {
  return named.includes(service);
}
