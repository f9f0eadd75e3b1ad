// stop, kill, pause, unpause and rm: what is done to containers that exist.
import type { Verdict } from '../decide.ts';
import type { KillGoal, PauseGoal, RemoveGoal, StopGoal } from '../goal.ts';
import { isAlive, type ObservedContainer } from '../observed.ts';
import { orphansOf, refTo, type Situation, selected } from '../situation.ts';
import { addStops } from '../stopping.ts';

/** Plans `stop`: running containers stop, dependents first. */
export function planStop(situation: Situation, goal: StopGoal): void {
  const order = selected(situation, goal.services);
  const running = order.flatMap((name) => situation.replicasOf(name)).filter(needsStop);
  addStops(situation, running.map(because('stopping was asked for')), {
    graceMs: goal.graceMs,
    hooks: () => true,
  });
  for (const service of order) {
    if (situation.project.services[service]?.provider === undefined) continue;
    situation.plan.add({ kind: 'run-provider', service, verb: 'stop', cause: 'stopping was asked for' });
  }
}

/** Plans `kill`: a signal to every running container. */
export function planKill(situation: Situation, goal: KillGoal): void {
  const order = selected(situation, goal.services);
  const targets = order.flatMap((name) => situation.replicasOf(name));
  const orphans = goal.removeOrphans ? orphansOf(situation) : [];
  const killed = new Map(
    [...targets, ...orphans].filter(isAlive).map((container) => {
      const cause = 'killing was asked for';
      const draft = {
        kind: 'kill-container',
        container: refTo(container),
        signal: goal.signal,
        cause,
      } as const;
      return [container.id, situation.plan.add(draft)];
    }),
  );
  for (const container of orphans) {
    const cause = 'no service of the project has it';
    const needs = [killed.get(container.id)];
    situation.plan.add({
      kind: 'remove-container',
      container: refTo(container),
      volumes: false,
      cause,
      needs,
    });
  }
}

/** Plans `pause` and `unpause`. */
export function planPause(situation: Situation, goal: PauseGoal): void {
  const kind = goal.kind === 'pause' ? 'pause-container' : 'unpause-container';
  for (const name of selected(situation, goal.services)) {
    for (const container of situation.replicasOf(name).filter(isAlive)) {
      situation.plan.add({ kind, container: refTo(container), cause: `${goal.kind} was asked for` });
    }
  }
}

/** Plans `rm`: stopped containers go, one-offs too; all of them with `stop`. */
export function planRemove(situation: Situation, goal: RemoveGoal): void {
  const order = selected(situation, goal.services);
  const cause = 'removal was asked for';
  const replicas = order.flatMap((name) => situation.replicasOf(name));
  const oneoffs = order.flatMap((name) => situation.oneoffsOf(name));
  const stopping = goal.stop ? [...replicas, ...oneoffs].filter(isAlive) : [];
  const stops = addStops(situation, stopping.map(because(cause)), { hooks: () => true });
  for (const container of [...replicas, ...oneoffs]) {
    if (isAlive(container) && !stops.has(container.id)) continue;
    situation.plan.add({
      kind: 'remove-container',
      container: refTo(container),
      volumes: goal.volumes ?? false,
      cause,
      needs: [stops.get(container.id)],
    });
  }
}

// Processes of a container whose shim died may be left.
function needsStop(container: ObservedContainer): boolean {
  return isAlive(container) || container.state === 'dead';
}

function because(cause: string): (container: ObservedContainer) => Verdict {
  return (container) => ({ container, cause });
}
