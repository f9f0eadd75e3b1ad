// The global flags as the loader wants them, and the project that they name.
import { readFileSync } from 'node:fs';
import type { Loaded, LoadOptions } from '../compose/load.ts';
import type { Project } from '../compose/project.ts';
import type { GlobalFlags, ProjectOptions } from './command.ts';

/** Options for the loader; environment variables that mean the same as a flag are the loader's business. */
export function loadOptions(global: GlobalFlags): LoadOptions {
  return {
    cwd: process.cwd(),
    env: process.env,
    files: global.files,
    profiles: global.profiles,
    envFiles: global.envFiles,
    compatibility: global.compatibility,
    legacy: global.legacy,
    allResources: global.allResources,
    ...(global.projectName !== undefined && { projectName: global.projectName }),
    ...(global.projectDirectory !== undefined && { projectDirectory: global.projectDirectory }),
    readStdin: () => readFileSync(0, 'utf8'),
  };
}

/** Loads the project, with the profiles of those services on that the command line names. */
export async function loadFromFiles(
  global: GlobalFlags,
  { services = [], existing = false, frozen = false }: ProjectOptions,
): Promise<Loaded> {
  const { loadProject } = await import('../compose/load.ts');
  const { project, warnings } = loadProject({ ...loadOptions(global), resolveEnv: !existing, services });
  const named = enableNamed(project, services);
  if (!frozen) return { project: named, warnings };
  const { freezeProject } = await import('./frozen.ts');
  return { project: freezeProject(named), warnings };
}

function enableNamed(project: Project, services: readonly string[]): Project {
  const disabled = services.filter(
    (name) => !Object.hasOwn(project.services, name) && Object.hasOwn(project.disabledServices, name),
  );
  if (disabled.length === 0 || project.loaded === undefined) return project;
  const profiles = disabled.flatMap((name) => project.disabledServices[name]?.profiles ?? []);
  return project.loaded.withProfiles([...project.profiles, ...profiles]);
}
