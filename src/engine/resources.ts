// Networks, volumes and images of a project: made and removed as their definitions say.
import { resolve } from 'node:path';
import type { Dict, NetworkConfig, Project } from '../compose/project.ts';
import { placeOf } from '../containers/warning.ts';
import { ComposeError, InternalError } from '../errors.ts';
import { firewallWarning } from '../networks/firewall.ts';
import { releaseAll } from '../networks/leases.ts';
import { ensureNetwork } from '../networks/network.ts';
import { ineffectiveAddressing, ineffectiveOptions } from '../networks/options.ts';
import type { NetworkRecord } from '../networks/record.ts';
import type { NetworkWanted } from '../networks/wanted.ts';
import { networkHash, volumeHash } from '../plan/hash.ts';
import type { ActionOf } from '../plan/plan.ts';
import { ensureVolume, removeVolume } from '../volumes/volume.ts';
import { publishedNow } from './firewall.ts';
import { imagesInUse } from './images-in-use.ts';
import { LABEL, resourceLabels } from './labels.ts';
import { SHARED_BRIDGE } from './predefined.ts';
import type { Session } from './session.ts';

/** Makes a network. One that replaces another has its id: containers that stay know it by that. */
export async function makeNetwork(
  session: Session,
  { key, name }: ActionOf<'create-network'>,
): Promise<void> {
  const { ctx, project, world } = session;
  const config = project.networks[key];
  if (config === undefined) throw new InternalError(`no network ${key}`);
  try {
    const wanted = networkWanted(session, key, config);
    const network = await ensureNetwork(ctx, wanted, () => publishedNow(ctx));
    world.setNetwork(network);
    session.setRaised(name, network);
    warnOfNetwork(session, key, network, config);
  } catch (cause) {
    if (!(cause instanceof ComposeError) || cause.at !== undefined) throw cause;
    const own = cause.path === undefined ? undefined : project.positionOf(`networks.${key}.${cause.path}`);
    const at = own ?? project.positionOf(`networks.${key}.driver`) ?? project.positionOf(`networks.${key}`);
    throw new ComposeError(cause.code, cause.message, {
      cause,
      ...(cause.hint === undefined ? {} : { hint: cause.hint }),
      ...(at === undefined ? {} : { at }),
    });
  }
}

function networkWanted(session: Session, key: string, config: NetworkConfig): NetworkWanted {
  const { project, replacedNetworks } = session;
  const { name, driver, driver_opts, ipam, internal, enable_ipv4, enable_ipv6, labels } = config;
  const id = replacedNetworks.get(name);
  return {
    name,
    // The bridge that projects share is nobody's own.
    project: name === SHARED_BRIDGE ? '' : project.name,
    key,
    labels: resourceLabels('network', { project: project.name, key, labels: labels ?? {} }),
    configHash: networkHash(config),
    unaddressed: isUnaddressed(project, key, config),
    ...(id === undefined ? {} : { id }),
    ...(driver === undefined ? {} : { driver }),
    ...(driver_opts === undefined ? {} : { options: withFullPath(project.workingDir, driver_opts) }),
    ...(ipam?.config === undefined ? {} : { subnets: ipam.config }),
    ...(internal === undefined ? {} : { internal }),
    ...(enable_ipv4 === undefined ? {} : { enableIpv4: enable_ipv4 }),
    ...(enable_ipv6 === undefined ? {} : { enableIpv6: enable_ipv6 }),
  };
}

/** Whether containers get no addresses from us; ComposeError for a driver of addresses that is not here. */
function isUnaddressed({ positionOf }: Project, key: string, { name, driver, ipam }: NetworkConfig): boolean {
  const asked = ipam?.driver || 'default';
  if (asked === 'default') return false;
  if (asked === 'none' || asked === 'null' || driver === 'cni') return true;
  const at = positionOf(`networks.${key}.ipam.driver`);
  throw new ComposeError(
    'unsupported',
    `network "${name}" has the ipam driver "${asked}", which is not here`,
    {
      hint: 'known are default and none; the driver cni has those of its plugins',
      ...(at === undefined ? {} : { at }),
    },
  );
}

function withFullPath(workingDir: string, options: Dict<string>): Dict<string> {
  const { conflist } = options;
  return conflist === undefined ? options : { ...options, conflist: resolve(workingDir, conflist) };
}

function warnOfNetwork(session: Session, key: string, network: NetworkRecord, config: NetworkConfig): void {
  const { positionOf } = session.project;
  const ineffective = [
    ...ineffectiveOptions(network.driver, config.driver_opts ?? {}),
    ...ineffectiveAddressing(network.driver, config.ipam),
  ];
  for (const { attribute, reason } of ineffective) {
    const { at } = placeOf({ attribute }, `networks.${key}`, positionOf);
    const message = `network ${key}: ${attribute}: ${reason}`;
    session.emit({ type: 'warning', message, ...(at === undefined ? {} : { at }) });
  }
  const lacking = firewallWarning(session.ctx);
  if (lacking !== undefined) session.warnOnce(lacking);
}

/** Removes a network; containers that stay give their addresses back. */
export async function dropNetwork(session: Session, { name }: ActionOf<'remove-network'>): Promise<void> {
  const network = session.world.networkIfThere(name);
  if (network === undefined) return;
  session.replacedNetworks.set(name, network.id);
  await releaseAll(session.ctx, network, Object.keys(network.leases));
  await session.removeNetwork(network);
  session.setRaised(name, undefined);
}

export function makeVolume(session: Session, action: ActionOf<'create-volume'>): void {
  try {
    makeVolumeAt(session, action);
  } catch (cause) {
    if (!(cause instanceof ComposeError) || cause.at !== undefined) throw cause;
    const { positionOf } = session.project;
    const { at } = placeOf({ attribute: cause.path ?? 'driver' }, `volumes.${action.key}`, positionOf);
    throw new ComposeError(cause.code, cause.message, {
      cause,
      ...(cause.hint === undefined ? {} : { hint: cause.hint }),
      ...(at === undefined ? {} : { at }),
    });
  }
}

function makeVolumeAt({ ctx, project, world }: Session, { key, name }: ActionOf<'create-volume'>): void {
  const config = project.volumes[key];
  if (config === undefined) throw new InternalError(`no volume ${key}`);
  const labels = resourceLabels('volume', { project: project.name, key, labels: config.labels ?? {} });
  const volume = ensureVolume(ctx, {
    name,
    project: project.name,
    key,
    labels: { ...labels, [LABEL.configHash]: volumeHash(config) },
    ...(config.driver === undefined ? {} : { driver: config.driver }),
    ...(config.driver_opts === undefined ? {} : { driverOpts: config.driver_opts }),
  });
  world.setVolume(volume);
}

export function dropVolume({ ctx }: Session, { name }: ActionOf<'remove-volume'>): Promise<void> {
  return removeVolume(ctx, name);
}

/** Takes an image's name away; one that is gone is fine, and so is one of other containers. */
export async function dropImage({ ctx }: Session, { image }: ActionOf<'remove-image'>): Promise<void> {
  const { removeImage } = await import('../images/collect.ts');
  try {
    await removeImage(ctx, image, { inUse: () => imagesInUse(ctx) });
  } catch (error) {
    if (!(error instanceof ComposeError && error.code === 'image-not-found')) throw error;
  }
}

/** Gets an image from its registry. */
export async function fetchImage(
  session: Session,
  action: ActionOf<'pull-image'>,
  signal: AbortSignal,
): Promise<void> {
  const { image, service, platform } = action;
  if (image.startsWith('rootfs:')) throw noDirectory(session, action);
  const { pullImage } = await import('../images/pull.ts');
  try {
    await pullImage(session.ctx, image, {
      platform,
      signal,
      offline: session.offline,
      onProgress: (progress) => session.emit({ type: 'transfer', action, progress }),
    });
  } catch (cause) {
    if (!(cause instanceof ComposeError)) throw cause;
    const at = session.project.positionOf(`services.${service}.image`) ?? cause.at;
    throw new ComposeError(cause.code, `${cause.message} (service ${service})`, {
      cause,
      ...(cause.hint === undefined ? {} : { hint: cause.hint }),
      ...(at === undefined ? {} : { at }),
    });
  }
}

function noDirectory({ project }: Session, { image, service }: ActionOf<'pull-image'>): ComposeError {
  const at = project.positionOf(`services.${service}.image`);
  const message = `${image.slice('rootfs:'.length)}, the root file system of service ${service}, is no directory`;
  return new ComposeError('image-not-found', message, at === undefined ? {} : { at });
}

/** Nothing builds images so far. */
export function refuseBuild({ project }: Session, { image, service }: ActionOf<'build-image'>): never {
  const at = project.positionOf(`services.${service}.build`);
  const message = `image ${image} of service ${service} is not here, and building is not supported yet`;
  throw new ComposeError('unsupported', message, {
    hint: 'build it elsewhere and load it with "tscompose image load"',
    ...(at === undefined ? {} : { at }),
  });
}
