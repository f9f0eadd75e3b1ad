// One container of a service: the replica that a command means.
import type { Project } from '../compose/project.ts';
import { isAlive } from '../containers/status.ts';
import { ComposeError } from '../errors.ts';
import type { CliContext } from './command.ts';
import { projectContainers, type Sighting } from './rows.ts';

export interface Choice {
  readonly service: string;
  /** From 1; the lowest one when absent. */
  readonly index: number | undefined;
  /** Only one that runs. */
  readonly running: boolean;
}

/** The replica with that number, else a one-off of the service when it has no container of its own. */
export async function chooseContainer(
  context: CliContext,
  project: Project,
  choice: Choice,
): Promise<Sighting> {
  const { service, index, running } = choice;
  const all = (await projectContainers(context, project.name)).filter(
    ({ record }) => record.service === service,
  );
  const replicas = all
    .filter(({ record }) => !record.oneoff)
    .sort((a, b) => a.record.number - b.record.number);
  const candidates = replicas.length > 0 || index !== undefined ? replicas : all;
  const found = candidates.find(
    ({ record, status }) => (index === undefined || record.number === index) && (!running || isAlive(status)),
  );
  if (found) return found;
  throw missing(choice, candidates);
}

function missing({ service, index }: Choice, candidates: readonly Sighting[]): ComposeError {
  const which =
    index === undefined
      ? `service ${JSON.stringify(service)}`
      : `container ${index} of ${JSON.stringify(service)}`;
  const code = candidates.length === 0 ? 'container-not-found' : 'container-not-running';
  return new ComposeError(code, `${which} is not running`, { hint: '`tscompose ps -a` lists what there is' });
}
