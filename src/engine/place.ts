// Where the compose file asks for what a room refused.
import type { Project } from '../compose/project.ts';
import { placeOf } from '../containers/warning.ts';
import { ComposeError } from '../errors.ts';

/** The error with its place in the file, when it names an attribute of the service and has none. */
export function placed(error: unknown, project: Pick<Project, 'positionOf'>, service: string): unknown {
  if (!(error instanceof ComposeError) || error.at !== undefined || error.path === undefined) return error;
  const { at } = placeOf({ attribute: error.path }, `services.${service}`, project.positionOf);
  if (at === undefined) return error;
  return new ComposeError(error.code, error.message, {
    cause: error.cause ?? error,
    at,
    ...(error.hint === undefined ? {} : { hint: error.hint }),
  });
}
