// up, create, scale and run: the services as the files say, made, replaced and started where they are not.
import { ComposeError } from '../../errors.ts';
import type { RunGoal, UpGoal } from '../goal.ts';
import { withDependencies } from '../graph.ts';
import { checkName, creationNeeds, makeContainers } from '../making.ts';
import { type Situation, selected, serviceNamed } from '../situation.ts';
import { addFinalWaits, addStarts, readiness } from '../starting.ts';
import { survey } from '../survey.ts';
import { startSet } from '../targets.ts';

/** Plans `up`, `create` and `scale`. */
export function planUp(situation: Situation, goal: UpGoal): void {
  for (const name of Object.keys(goal.scale ?? {})) serviceNamed(situation, name);
  const named = selected(situation, goal.services);
  const wanted = goal.noDeps ? new Set(named) : withDependencies(situation.graph, named);
  const scope = situation.graph.order.filter((name) => wanted.has(name));
  const work = survey(situation, goal, scope, new Set(named), scope);
  const made = makeContainers(work);
  const set = startSet(work, made);
  const starts = addStarts(situation, set);
  if (goal.wait) addFinalWaits(situation, { ...set, order: scope }, starts);
}

/** Plans `run`: what the service depends on is up, its one-off container is made. */
export function planRun(situation: Situation, goal: RunGoal): void {
  const service = serviceNamed(situation, goal.service);
  if (service.provider !== undefined) throw notAContainer(situation, goal.service);
  const needed = goal.noDeps ? new Set<string>() : withDependencies(situation.graph, [goal.service]);
  const scope = situation.graph.order.filter((name) => needed.has(name) && name !== goal.service);
  const work = survey(situation, goal, scope, new Set(), [...scope, goal.service]);
  const made = makeContainers(work);
  const set = startSet(work, made);
  const starts = addStarts(situation, set);
  const { needs, after } = goal.noDeps
    ? { needs: [], after: [] }
    : readiness(situation, set, goal.service, starts);
  checkName(situation, goal.name);
  situation.plan.add({
    kind: 'create-container',
    container: { service: goal.service, number: 1, name: goal.name },
    oneoff: true,
    cause: 'run makes a container of its own',
    needs: [...creationNeeds(work, goal.service, made.created), ...needs],
    after,
  });
}

function notAContainer({ project }: Situation, name: string): ComposeError {
  const at = project.positionOf(`services.${name}.provider`);
  const message = `service ${name} is provided by another program and has no container to run`;
  return new ComposeError('unsupported', message, at === undefined ? {} : { at });
}
