// Where rooms meet: each action is one call.
import { unreachable } from '../errors.ts';
import type { Action, ActionOf } from '../plan/plan.ts';
import { makeContainer } from './create.ts';
import { openAhead } from './open.ts';
import { placed } from './place.ts';
import { runProvider } from './provider.ts';
import { discardContainer } from './remove.ts';
import {
  dropImage,
  dropNetwork,
  dropVolume,
  fetchImage,
  makeNetwork,
  makeVolume,
  refuseBuild,
} from './resources.ts';
import type { Session } from './session.ts';
import { startContainer } from './start.ts';
import { killContainer, pauseContainer, stopContainer } from './stop.ts';
import { waitFor } from './wait.ts';

/** Performs an action; rejects with what kept it from being done. */
export async function perform(session: Session, action: Action, signal: AbortSignal): Promise<void> {
  switch (action.kind) {
    case 'create-container':
      return inFile(session, action, async () =>
        openAhead(session, await makeContainer(session, action), signal),
      );
    case 'start-container':
      return inFile(session, action, () => startContainer(session, action, signal));
    case 'wait-container':
      return waitFor(session.ctx, session.world.container(action.container), action.condition, signal);
    case 'stop-container':
      return stopContainer(session, action, signal);
    case 'kill-container':
      return killContainer(session, action);
    case 'pause-container':
    case 'unpause-container':
      return pauseContainer(session, action);
    case 'remove-container':
      return discardContainer(session, session.world.container(action.container), action.volumes);
    case 'create-network':
      return makeNetwork(session, action);
    case 'remove-network':
      return dropNetwork(session, action);
    case 'create-volume':
      return makeVolume(session, action);
    case 'remove-volume':
      return dropVolume(session, action);
    case 'pull-image':
      return fetchImage(session, action, signal);
    case 'build-image':
      return refuseBuild(session, action);
    case 'remove-image':
      return dropImage(session, action);
    case 'run-provider':
      return runProvider(session, action, signal);
    default:
      return unreachable(action);
  }
}

async function inFile(
  { project }: Session,
  { container }: ActionOf<'create-container' | 'start-container'>,
  run: () => Promise<unknown>,
): Promise<void> {
  try {
    await run();
  } catch (error) {
    throw placed(error, project, container.service);
  }
}
