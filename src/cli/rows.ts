// The containers of a project as rows, with the ports that they really have.
import type { Project } from '../compose/project.ts';
import { listContainers } from '../containers/listing.ts';
import { dockerState, isPast, type Sighting, sight } from '../containers/status.ts';
import type { CliContext } from './command.ts';
import { containerRow } from './container-row.ts';
import type { Row } from './listing.ts';
import { publishersOf } from './publishers.ts';

export type { Sighting } from '../containers/status.ts';

export interface RowsOptions {
  /** Empty: all. */
  readonly services: readonly string[];
  /** Also what does not run, and one-offs. */
  readonly all: boolean;
  /** Only these states; empty: what runs, or everything with `all`. */
  readonly states: readonly string[];
  readonly noTrunc: boolean;
  /** Also services that the project does not have. */
  readonly orphans: boolean;
}

const RUNNING = ['running', 'paused', 'restarting'];

/** Containers of a project by name, one-offs included. */
export async function projectContainers(context: CliContext, project: string): Promise<readonly Sighting[]> {
  const state = await context.state();
  const records = listContainers(state).filter((record) => record.project === project);
  return sight(state, records)
    .filter(({ record, status }) => !isPast(record, status))
    .sort((a, b) => (a.record.name < b.record.name ? -1 : 1));
}

/** What `ps` lists. */
export async function projectSightings(
  context: CliContext,
  project: Project,
  options: Omit<RowsOptions, 'noTrunc'>,
): Promise<readonly Sighting[]> {
  const sightings = await projectContainers(context, project.name);
  return sightings.filter((sighting) => isWanted(sighting, project, options));
}

/** The rows of `ps`. */
export async function projectRows(
  context: CliContext,
  project: Project,
  options: RowsOptions,
): Promise<readonly Row[]> {
  const state = await context.state();
  const now = Date.now();
  const sightings = await projectSightings(context, project, options);
  return sightings.map(({ record, status }) =>
    containerRow(record, status, publishersOf(state, record, status), { now, noTrunc: options.noTrunc }),
  );
}

function isWanted(
  { record, status }: Sighting,
  project: Project,
  options: Omit<RowsOptions, 'noTrunc'>,
): boolean {
  const { services, all, states, orphans } = options;
  if (services.length > 0 && !services.includes(record.service)) return false;
  if (record.oneoff && !all) return false;
  if (!orphans && !Object.hasOwn(project.services, record.service)) return false;
  const state = dockerState(status);
  return states.length > 0 ? states.includes(state) : all || RUNNING.includes(state);
}
