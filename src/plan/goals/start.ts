// start: containers that exist run again, in dependency order.
import { ComposeError } from '../../errors.ts';
import type { StartGoal } from '../goal.ts';
import { isAlive } from '../observed.ts';
import { refTo, type Situation, selected } from '../situation.ts';
import { addFinalWaits, addStarts, type StartSet } from '../starting.ts';

/** Plans `start`; ComposeError `container-not-found` when there is nothing to start. */
export function planStart(situation: Situation, goal: StartGoal): void {
  const order = selected(situation, goal.services);
  const containers = order.filter((name) => situation.project.services[name]?.provider === undefined);
  const without = containers.filter((name) => situation.replicasOf(name).length === 0);
  const named = goal.services !== undefined && goal.services.length > 0;
  const lacking = named ? without[0] : without.length === containers.length ? without[0] : undefined;
  if (lacking !== undefined) throw nothingToStart(lacking);
  const set: StartSet = {
    order,
    targetsOf: (name) =>
      (order.includes(name) ? situation.replicasOf(name) : [])
        .filter((container) => !isAlive(container))
        .map((container) => ({
          container: refTo(container),
          cause: container.state === 'created' ? 'it was never started' : 'it is not running',
          needs: [],
        })),
    untouchedOf: (name) => situation.replicasOf(name).filter(isAlive),
    providers: new Map(),
  };
  const starts = addStarts(situation, set);
  if (goal.wait) addFinalWaits(situation, set, starts);
}

function nothingToStart(service: string): ComposeError {
  return new ComposeError('container-not-found', `service ${service} has no container to start`, {
    hint: 'make it with "up" or "create"',
  });
}
