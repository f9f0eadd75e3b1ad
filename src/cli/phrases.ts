// The words for actions: what they are done to, while they are being done, and when they are done.
import { unreachable } from '../errors.ts';
import type { Action } from '../plan/plan.ts';

export interface Phrase {
  /** For example `Container demo-web-1`. */
  readonly subject: string;
  readonly doing: string;
  readonly done: string;
}

const WAITED = {
  running: 'Running',
  healthy: 'Healthy',
  running_or_healthy: 'Healthy',
  completed_successfully: 'Exited',
} as const;

/** The words for one action. */
export function phraseOf(action: Action): Phrase {
  switch (action.kind) {
    case 'pull-image':
      return { subject: `Image ${action.image}`, doing: 'Pulling', done: 'Pulled' };
    case 'build-image':
      return { subject: `Image ${action.image}`, doing: 'Building', done: 'Built' };
    case 'remove-image':
      return { subject: `Image ${action.image}`, doing: 'Removing', done: 'Removed' };
    case 'create-network':
      return { subject: `Network ${action.name}`, doing: 'Creating', done: 'Created' };
    case 'remove-network':
      return { subject: `Network ${action.name}`, doing: 'Removing', done: 'Removed' };
    case 'create-volume':
      return { subject: `Volume ${action.name}`, doing: 'Creating', done: 'Created' };
    case 'remove-volume':
      return { subject: `Volume ${action.name}`, doing: 'Removing', done: 'Removed' };
    case 'run-provider':
      return { subject: `Service ${action.service}`, doing: `Provider ${action.verb}`, done: 'Provided' };
    case 'create-container': {
      const again = action.replaces !== undefined;
      return {
        subject: container(action),
        doing: again ? 'Recreate' : 'Creating',
        done: again ? 'Recreated' : 'Created',
      };
    }
    case 'start-container':
      return { subject: container(action), doing: 'Starting', done: 'Started' };
    case 'wait-container':
      return { subject: container(action), doing: 'Waiting', done: WAITED[action.condition] };
    case 'stop-container':
      return { subject: container(action), doing: 'Stopping', done: 'Stopped' };
    case 'kill-container':
      return { subject: container(action), doing: 'Killing', done: 'Killed' };
    case 'pause-container':
      return { subject: container(action), doing: 'Pausing', done: 'Paused' };
    case 'unpause-container':
      return { subject: container(action), doing: 'Unpausing', done: 'Unpaused' };
    case 'remove-container':
      return { subject: container(action), doing: 'Removing', done: 'Removed' };
    default:
      return unreachable(action);
  }
}

function container(action: Extract<Action, { readonly container: unknown }>): string {
  return `Container ${action.container.name}`;
}
