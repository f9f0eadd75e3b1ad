// Images, networks and volumes that services need: what is missing, and what is not as the files say any more.
import type { Service } from '../compose/project.ts';
import { ComposeError } from '../errors.ts';
import { pullDecision } from '../images/policy.ts';
import type { UpGoal } from './goal.ts';
import { networkHash, volumeHash } from './hash.ts';
import { imageKey, type ObservedNetwork, type ObservedVolume } from './observed.ts';
import { mountedImages, networkKeys, volumeKeys } from './references.ts';
import { imageHere, imageName, type Situation, serviceNamed } from './situation.ts';

/** A network or volume that has to be made, and what is there under its name now. */
export interface Wanted<T> {
  readonly key: string;
  readonly name: string;
  readonly existing: T | undefined;
  readonly cause: string;
}

/** Networks of the services that are missing or differ; ComposeError for an external one that is not there. */
export function wantedNetworks(
  situation: Situation,
  services: readonly string[],
  all: boolean,
): readonly Wanted<ObservedNetwork>[] {
  const { project, observed } = situation;
  const byName = new Map(observed.networks.map((network) => [network.name, network]));
  const used = services.flatMap((name) => networkKeys(serviceNamed(situation, name)));
  const keys = [...new Set(all ? [...used, ...Object.keys(project.networks)] : used)].sort();
  return keys.flatMap((key): readonly Wanted<ObservedNetwork>[] => {
    const config = project.networks[key];
    if (config === undefined) return [];
    const existing = byName.get(config.name);
    if (config.external) return external('network', key, config.name, existing, situation);
    if (existing === undefined) return [{ key, name: config.name, existing, cause: 'it does not exist' }];
    checkOwner('network', config.name, existing, situation);
    if (existing.configHash === networkHash(config)) return [];
    return [{ key, name: config.name, existing, cause: 'its definition changed' }];
  });
}

/** Volumes of the services that are missing or differ. */
export function wantedVolumes(
  situation: Situation,
  services: readonly string[],
  all: boolean,
): readonly Wanted<ObservedVolume>[] {
  const { project, observed } = situation;
  const byName = new Map(observed.volumes.map((volume) => [volume.name, volume]));
  const used = services.flatMap((name) => volumeKeys(serviceNamed(situation, name)));
  const keys = [...new Set(all ? [...used, ...Object.keys(project.volumes)] : used)].sort();
  return keys.flatMap((key): readonly Wanted<ObservedVolume>[] => {
    const config = project.volumes[key];
    if (config === undefined) return [];
    const existing = byName.get(config.name);
    if (config.external) return external('volume', key, config.name, existing, situation);
    if (existing === undefined) return [{ key, name: config.name, existing, cause: 'it does not exist' }];
    if (existing.configHash === '' || existing.configHash === volumeHash(config)) return [];
    return [{ key, name: config.name, existing, cause: 'its definition changed' }];
  });
}

/** Adds the action that gets the image of a service here, if one is needed; returns its id. */
export function addImage(
  situation: Situation,
  name: string,
  goal: Pick<UpGoal, 'build' | 'pull'>,
): string | undefined {
  const service = serviceNamed(situation, name);
  const image = imageName(situation, name);
  const here = imageHere(situation, name);
  const policy = pullPolicy(service, goal);
  const mayBuild = service.build !== undefined && goal.build !== 'never';
  const build = (cause: string) => situation.plan.add({ kind: 'build-image', image, service: name, cause });
  if (mayBuild && goal.build === 'always') return build('a build was asked for');
  if (mayBuild && policy === 'build') return build('its pull policy is build');
  // This machine and directories of it are at no registry.
  if (here !== undefined && !here.id.startsWith('sha256:')) return undefined;
  const { pull_refresh_after: refreshAfter } = service;
  const { pull, cause } = pullDecision(
    { policy, refreshAfter, hasBuild: mayBuild },
    here,
    situation.observed.time,
  );
  if (pull && !(here !== undefined && situation.offline)) {
    const platform = service.platform === undefined ? {} : { platform: service.platform };
    return situation.plan.add({ kind: 'pull-image', image, service: name, ...platform, cause });
  }
  if (here !== undefined) return undefined;
  if (mayBuild) return build('the image is not here');
  throw missing(situation, name, { image, cause });
}

/** Adds the actions that get the images here that a service mounts; returns their ids. */
export function addMountedImages(
  situation: Situation,
  name: string,
  { pull: asked }: Pick<UpGoal, 'pull'>,
): readonly string[] {
  return mountedImages(serviceNamed(situation, name)).flatMap((image) => {
    const here = situation.observed.images.get(imageKey(image, undefined));
    if (here !== undefined && !here.id.startsWith('sha256:')) return [];
    const policy = asked === undefined || asked === 'policy' ? 'missing' : asked;
    const { pull, cause } = pullDecision({ policy }, here, situation.observed.time);
    if (pull && !(here !== undefined && situation.offline))
      return [situation.plan.add({ kind: 'pull-image', image, service: name, cause })];
    if (here === undefined) throw missing(situation, name, { image, cause });
    return [];
  });
}

function pullPolicy(service: Service, { pull }: Pick<UpGoal, 'pull'>): string {
  const asked = pull === undefined || pull === 'policy' ? service.pull_policy : pull;
  // What has no name of its own is at no registry.
  if (service.image === undefined && asked !== 'never' && asked !== 'build') return 'missing';
  return asked ?? 'missing';
}

function missing(
  { project }: Situation,
  name: string,
  { image, cause }: { readonly image: string; readonly cause: string },
): ComposeError {
  const at = project.positionOf(`services.${name}.image`);
  return new ComposeError('image-not-found', `image ${image} of service ${name} is not here`, {
    hint: `${cause}: load the image, or allow it to be pulled`,
    ...(at === undefined ? {} : { at }),
  });
}

function external(
  what: 'network' | 'volume',
  key: string,
  name: string,
  existing: unknown,
  { project }: Situation,
): readonly never[] {
  if (existing !== undefined) return [];
  const at = project.positionOf(`${what}s.${key}`);
  const code = what === 'network' ? 'network-not-found' : 'volume-not-found';
  throw new ComposeError(code, `${what} ${name} is declared as external, but does not exist`, {
    hint: `make it first, or take "external" out so that it is made with the project`,
    ...(at === undefined ? {} : { at }),
  });
}

function checkOwner(
  what: string,
  name: string,
  existing: { readonly project: string },
  { project }: Situation,
): void {
  if (existing.project === '' || existing.project === project.name) return;
  throw new ComposeError('name-conflict', `${what} ${name} belongs to project ${existing.project}`, {
    hint: `declare it with "external: true" to share it, or give it another name`,
  });
}
