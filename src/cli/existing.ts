// The project of commands on containers that exist: from its files, or put together from its containers.
import type { Project, Service } from '../compose/project.ts';
import { ComposeError } from '../errors.ts';
import type { CliContext } from './command.ts';

const NAME = /^[a-z0-9][a-z0-9_-]*$/;

/**
 * With `-p` and without `-f` the files are not read, as in Docker Compose: the containers tell what the project is.
 * With COMPOSE_PROJECT_NAME the containers tell it when the files cannot.
 */
export async function existingProject(context: CliContext, services: readonly string[]): Promise<Project> {
  const { projectName, files } = context.global;
  if (projectName !== undefined && files.length === 0) return recalled(context, projectName, services);
  const named = process.env.COMPOSE_PROJECT_NAME;
  try {
    const project = await context.loadProject({ services, existing: true });
    checkServices(project, services);
    return project;
  } catch (error) {
    if (!named || !(error instanceof ComposeError)) throw error;
    return recalled(context, named, services);
  }
}

/** Fails with `unknown-service` for the first name that the project does not know. */
export function checkServices(project: Project, services: readonly string[]): void {
  for (const name of services) {
    if (Object.hasOwn(project.services, name) || Object.hasOwn(project.disabledServices, name)) continue;
    const known = Object.keys(project.services).sort().join(', ');
    throw new ComposeError('unknown-service', `no such service: ${name}`, {
      hint: known === '' ? 'the project has no active services' : `the project has ${known}`,
    });
  }
}

/** A service that has no container is no mistake then: nobody knows what the files would say. */
async function recalled(context: CliContext, name: string, services: readonly string[]): Promise<Project> {
  if (!NAME.test(name)) {
    throw new ComposeError('project-name', `${JSON.stringify(name)} cannot be the name of a project`, {
      hint: 'lower-case letters, digits, - and _, beginning with a letter or digit',
    });
  }
  const engine = await context.engine();
  const project = await engine.recall(name);
  const missing = services.filter((service) => !Object.hasOwn(project.services, service));
  const empty: Service = { command: null, entrypoint: null, scale: 0 };
  return {
    ...project,
    services: { ...Object.fromEntries(missing.map((service) => [service, empty])), ...project.services },
  };
}
