// The labels that Docker Compose gives, which tools of others look containers up by.
import type { Dict, Project, Service } from '../compose/project.ts';
import { formatDependsOn } from '../plan/recall.ts';

export const LABEL = {
  project: 'com.docker.compose.project',
  service: 'com.docker.compose.service',
  number: 'com.docker.compose.container-number',
  oneoff: 'com.docker.compose.oneoff',
  slug: 'com.docker.compose.slug',
  configHash: 'com.docker.compose.config-hash',
  image: 'com.docker.compose.image',
  dependsOn: 'com.docker.compose.depends_on',
  replaces: 'com.docker.compose.replace',
  version: 'com.docker.compose.version',
  workingDir: 'com.docker.compose.project.working_dir',
  configFiles: 'com.docker.compose.project.config_files',
  environmentFile: 'com.docker.compose.project.environment_file',
  network: 'com.docker.compose.network',
  volume: 'com.docker.compose.volume',
  anonymous: 'com.docker.volume.anonymous',
} as const;

export interface ContainerIdentity {
  readonly project: Project;
  readonly serviceName: string;
  readonly service: Service;
  readonly number: number;
  readonly configHash: string;
  readonly image: { readonly id: string; readonly labels: Dict<string> };
  /** Of a one-off container: 64 hex digits. */
  readonly slug?: string | undefined;
  readonly replaces?: string | undefined;
  readonly version: string;
}

/** All labels of a container: the image's, the service's, and those of Compose, which win. */
export function containerLabels(identity: ContainerIdentity): Dict<string> {
  const { project, service, slug, replaces, image } = identity;
  return {
    ...image.labels,
    ...service.labels,
    ...projectLabels(project),
    [LABEL.service]: identity.serviceName,
    [LABEL.number]: String(identity.number),
    [LABEL.oneoff]: slug === undefined ? 'False' : 'True',
    [LABEL.configHash]: identity.configHash,
    [LABEL.image]: image.id,
    [LABEL.dependsOn]: formatDependsOn(service.depends_on),
    [LABEL.version]: identity.version,
    ...(slug === undefined ? {} : { [LABEL.slug]: slug }),
    ...(replaces === undefined ? {} : { [LABEL.replaces]: replaces }),
  };
}

function projectLabels(project: Project): Dict<string> {
  return {
    [LABEL.project]: project.name,
    [LABEL.workingDir]: project.workingDir,
    [LABEL.configFiles]: project.files.join(','),
    ...(project.envFiles.length === 0 ? {} : { [LABEL.environmentFile]: project.envFiles.join(',') }),
  };
}

/** Labels of a network or volume of a project. */
export function resourceLabels(
  kind: 'network' | 'volume',
  { project, key, labels }: { readonly project: string; readonly key: string; readonly labels: Dict<string> },
): Dict<string> {
  return { ...labels, [LABEL.project]: project, [LABEL[kind]]: key };
}
