// Project × Observed × Goal → Plan, without touching anything.
import type { Project } from '../compose/project.ts';
import { unreachable } from '../errors.ts';
import type { Goal } from './goal.ts';
import { planDown } from './goals/down.ts';
import { planRestart } from './goals/restart.ts';
import { planStart } from './goals/start.ts';
import { planKill, planPause, planRemove, planStop } from './goals/stop.ts';
import { planRun, planUp } from './goals/up.ts';
import type { Observed } from './observed.ts';
import type { Plan } from './plan.ts';
import { type PlanOptions, type Situation, situationOf } from './situation.ts';

/** The actions that lead from the observed world to the goal; ComposeError when it cannot be reached. */
export function reconcile(project: Project, observed: Observed, goal: Goal, options?: PlanOptions): Plan {
  const situation = situationOf(project, observed, options);
  planGoal(situation, goal);
  return situation.plan.build();
}

function planGoal(situation: Situation, goal: Goal): void {
  switch (goal.kind) {
    case 'up':
      planUp(situation, goal);
      break;
    case 'run':
      planRun(situation, goal);
      break;
    case 'start':
      planStart(situation, goal);
      break;
    case 'stop':
      planStop(situation, goal);
      break;
    case 'restart':
      planRestart(situation, goal);
      break;
    case 'kill':
      planKill(situation, goal);
      break;
    case 'pause':
    case 'unpause':
      planPause(situation, goal);
      break;
    case 'rm':
      planRemove(situation, goal);
      break;
    case 'down':
      planDown(situation, goal);
      break;
    default:
      unreachable(goal);
  }
}
