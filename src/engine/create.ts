// create-container: everything that a container is made of, resolved and handed to the containers room.
import { existsSync } from 'node:fs';
import type { Service } from '../compose/project.ts';
import { createContainer, newContainerId, shortId } from '../containers/create.ts';
import { type ResolvedMount, resolveMounts, volumesWanted } from '../containers/mounts.ts';
import type { Joins } from '../containers/namespaces.ts';
import type { ContainerRecord, EndpointRecord } from '../containers/record.ts';
import { ComposeError, InternalError } from '../errors.ts';
import { whileKept } from '../images/collect.ts';
import { type Image, resolveImage } from '../images/image.ts';
import { interfaceNames } from '../networks/endpoint.ts';
import { endpointOptions } from '../networks/options.ts';
import type { NetworkRecord } from '../networks/record.ts';
import { serviceHash } from '../plan/hash.ts';
import { imageKey } from '../plan/observed.ts';
import type { ActionOf } from '../plan/plan.ts';
import { formatDependsOn } from '../plan/recall.ts';
import { networkOrder } from '../plan/references.ts';
import { networkFiles } from '../state/layout.ts';
import { anonymousVolumeName, ensureVolume, mountSourceOf, removeVolume } from '../volumes/volume.ts';
import { containerLabels, LABEL } from './labels.ts';
import { oneoffService } from './oneoff.ts';
import type { Session } from './session.ts';

/** Makes the container of an action; returns its record. */
export async function makeContainer(
  session: Session,
  { container, oneoff, replaces, renewVolumes }: ActionOf<'create-container'>,
): Promise<ContainerRecord> {
  const service = session.project.services[container.service];
  if (service === undefined) throw new InternalError(`no service ${container.service}`);
  const request = oneoff ? session.oneoff : undefined;
  const inherits = replaces === undefined || renewVolumes ? undefined : session.world.recordOf(replaces);
  return assemble(session, {
    service: request === undefined ? service : oneoffService(service, request),
    serviceName: container.service,
    name: container.name,
    number: container.number,
    slug: request?.slug,
    autoRemove: request?.autoRemove ?? false,
    answers: request?.useAliases ?? true,
    attached: request?.attached ?? false,
    inherits,
    replaces,
  });
}

/** What a container is made from. */
export interface Assembly {
  readonly service: Service;
  readonly serviceName: string;
  readonly name: string;
  readonly number: number;
  /** Of a one-off. */
  readonly slug: string | undefined;
  readonly autoRemove: boolean;
  /** Whether it answers to the names of the service. */
  readonly answers: boolean;
  /** Standard input ends with the client that is attached. */
  readonly attached: boolean;
  /** Its anonymous volumes are taken over. */
  readonly inherits: ContainerRecord | undefined;
  readonly replaces: string | undefined;
}

/** Resolves everything and makes the container; its image cannot be removed before its record says that it is used. */
export function assemble(session: Session, wish: Assembly): Promise<ContainerRecord> {
  return whileKept(session.ctx, () => assembleKept(session, wish));
}

async function assembleKept(session: Session, wish: Assembly): Promise<ContainerRecord> {
  const { ctx, project, world } = session;
  const { service, serviceName, name, number, slug } = wish;
  const imageName = service.image ?? `${project.name}${session.separator}${serviceName}`;
  const image = await imageOf(session, imageName, service.platform);
  const id = newContainerId();
  const endpoints = endpointsOf(session, id, wish);
  const joins = joinsOf(session, service);
  const configHash = serviceHash(service);
  const labels = containerLabels({
    project,
    serviceName,
    service,
    number,
    configHash,
    image: { id: image.id, labels: image.config.Labels ?? {} },
    slug,
    replaces: wish.replaces,
    version: session.version,
  });
  const made: string[] = [];
  const create = async () =>
    createContainer(ctx, {
      project,
      serviceName,
      service: withEndpointSysctls(session, wish, endpoints),
      id,
      name,
      number,
      oneoff: slug !== undefined,
      autoRemove: wish.autoRemove,
      configHash,
      labels,
      dependsOn: formatDependsOn(service.depends_on),
      image: { name: imageName, id: image.id, config: image.config },
      snapshot: session.snapshot(image),
      networkMode: networkModeOf(service, joins),
      endpoints,
      nameTables: endpoints.map((endpoint) => networkFiles(ctx.layout, endpoint.id).names),
      links: linksOf(service, name),
      joins,
      mounts: await mountsOf(session, image, wish, made),
      hostGateways: hostGatewaysOf(session, endpoints),
      ...(wish.attached && service.stdin_open ? { standardInput: 'once' as const } : {}),
      machine: session.machine,
    });
  const { record, warnings } = await create().catch(async (error: unknown) => {
    // Nobody else knows of them.
    for (const volume of made) await removeVolume(ctx, volume);
    throw error;
  });
  session.warn(serviceName, warnings);
  world.add(record);
  return record;
}

/** An image that was looked up a while ago, unless it was removed since. */
function stillThere(image: Image | undefined): Image | undefined {
  return image?.layers.every((layer) => existsSync(layer)) ? image : undefined;
}

async function imageOf({ ctx, world }: Session, name: string, platform?: string): Promise<Image> {
  const image =
    stillThere(world.images.get(imageKey(name, platform))) ?? (await resolveImage(ctx, name, { platform }));
  if (image !== undefined) return image;
  throw new ComposeError('image-not-found', `image ${name} is not here`, {
    hint: 'pull it, or load it with "tscompose image load"',
    path: 'image',
  });
}

/** The places of a container in its networks, in the order of its interfaces. */
function endpointsOf(session: Session, id: string, wish: Assembly): EndpointRecord[] {
  const { service } = wish;
  if (service.network_mode !== undefined) return [];
  const keys = networkOrder(service);
  const places = keys.map((key) => {
    const network = session.world.network(session.project.networks[key]?.name ?? key);
    const interfaceName = service.networks?.[key]?.interface_name;
    return { network, ...(interfaceName ? { interfaceName } : {}) };
  });
  const names = interfaceNames(places);
  return places.map(({ network }, index) => {
    const place = { key: keys[index] ?? '', first: index === 0, interface: names[index] ?? '' };
    return endpointOf(network, id, wish, place);
  });
}

interface Place {
  readonly key: string;
  readonly first: boolean;
  readonly interface: string;
}

function endpointOf(
  network: NetworkRecord,
  id: string,
  { service, serviceName, name, answers }: Assembly,
  { key, first, interface: interfaceName }: Place,
): EndpointRecord {
  const wish = service.networks?.[key];
  const mac = wish?.mac_address ?? (first ? service.mac_address : undefined);
  const own = answers ? [serviceName, ...(wish?.aliases ?? [])] : [];
  return {
    key,
    name: network.name,
    id: network.id,
    aliases: [...new Set([name, ...own, shortId(id)])],
    interface: interfaceName,
    ...(wish?.ipv4_address ? { ipv4: wish.ipv4_address } : {}),
    ...(wish?.ipv6_address ? { ipv6: wish.ipv6_address } : {}),
    ...(mac ? { mac } : {}),
    ...(wish?.gw_priority === undefined ? {} : { gwPriority: wish.gw_priority }),
    ...(wish?.priority === undefined ? {} : { priority: wish.priority }),
    ...(wish?.link_local_ips ? { linkLocalIps: wish.link_local_ips } : {}),
    ...(wish?.driver_opts ? { driverOpts: wish.driver_opts } : {}),
    ...(answers && service.deploy?.endpoint_mode === 'vip' ? { shared: true } : {}),
  };
}

/** Settings of the interfaces are settings of the container's network. */
function withEndpointSysctls(
  session: Session,
  wish: Assembly,
  endpoints: readonly EndpointRecord[],
): Service {
  const { service, serviceName } = wish;
  const all = endpoints.map(({ key, driverOpts = {}, interface: interfaceName = '' }) => {
    const { sysctls, ineffective } = endpointOptions(driverOpts, interfaceName, key);
    session.warn(
      serviceName,
      ineffective.map(({ attribute, reason }) => ({ attribute: `networks.${key}.${attribute}`, reason })),
    );
    return sysctls;
  });
  if (all.every((sysctls) => Object.keys(sysctls).length === 0)) return service;
  return { ...service, sysctls: Object.assign({}, service.sysctls, ...all) };
}

/** `links` are further names of other services; the container's own `hostname` is one of itself. */
function linksOf(service: Service, name: string): (readonly [string, string])[] {
  const links = [...(service.links ?? []), ...(service.external_links ?? [])].map((link) => {
    const [target = '', alias = target] = link.split(':');
    return [target, alias] as const;
  });
  const renamed = links.filter(([target, alias]) => target !== alias);
  return service.hostname ? [...renamed, [name, service.hostname]] : renamed;
}

function networkModeOf(service: Service, joins: Joins): string {
  if (joins.network !== undefined) return `container:${joins.network}`;
  return service.network_mode ?? 'bridge';
}

const SLOTS = { network: 'network_mode', pid: 'pid', ipc: 'ipc' } as const;

/** The containers whose namespaces `service:NAME` and `container:NAME` mean. */
function joinsOf(session: Session, service: Service): Joins {
  const found = Object.entries(SLOTS).flatMap(([slot, attribute]): [string, string][] => {
    const mode = service[attribute] ?? '';
    const target = /^(service|container):(.+)$/.exec(mode);
    if (target === null) return [];
    return [[slot, lender(session, target[1] === 'service', target[2] ?? '', attribute).id]];
  });
  return Object.fromEntries(found);
}

function lender(session: Session, isService: boolean, target: string, path: string): ContainerRecord {
  const record = isService ? session.world.replicasOf(target)[0] : session.world.named(target);
  if (record !== undefined) return record;
  const what = isService ? `service ${target} has no container` : `there is no container ${target}`;
  throw new ComposeError('container-not-found', `${what} to share with`, { path });
}

/** `made` gets the names of the volumes that are made on the way. */
async function mountsOf(
  session: Session,
  image: Image,
  wish: Assembly,
  made: string[],
): Promise<readonly ResolvedMount[]> {
  const { ctx, project, world } = session;
  const { service, serviceName, inherits } = wish;
  const imageVolumes = Object.keys(image.config.Volumes ?? {});
  const inherited = inheritedMounts(session, service);
  const anonymous = new Map<string, string>();
  const lent = new Set(inherited.map((mount) => mount.target));
  for (const mount of service.volumes ?? []) lent.delete(mount.target);
  for (const { key, target } of volumesWanted(service, imageVolumes)) {
    if (key === undefined && !lent.has(target))
      anonymous.set(target, anonymousVolume(session, target, inherits, made));
  }
  const images = await mountedImages(session, service);
  const resolved = resolveMounts(service, {
    imageVolumes,
    volume: ({ key, target }) => {
      const name = key === undefined ? anonymous.get(target) : (project.volumes[key]?.name ?? key);
      return name === undefined ? undefined : { name, source: mountSourceOf(ctx, world.volume(name)) };
    },
    image: (name) => images.get(name),
    mayCreate: (index) => {
      const path = `services.${serviceName}.volumes[${index}].bind.create_host_path`;
      return project.loaded?.provenanceOf(path)?.at(-1)?.value !== false;
    },
    inherited,
    position: (index) => project.positionOf(`services.${serviceName}.volumes[${index}]`),
  });
  const taken = new Set(resolved.map(({ target }) => target));
  const own = session.snapshot(image).mounts.filter((path) => !taken.has(path));
  return [...own.map(boundHere), ...resolved];
}

// What else the machine has mounted there comes on its own.
function boundHere(path: string): ResolvedMount {
  return {
    type: 'bind',
    source: path,
    target: path,
    readOnly: true,
    createSource: false,
    recursive: 'disabled',
  };
}

// Anonymous volumes go from a container to the one that replaces it.
function anonymousVolume(
  session: Session,
  target: string,
  old: ContainerRecord | undefined,
  made: string[],
): string {
  const before = old?.mounts.find((mount) => mount.target === target && mount.type === 'volume')?.name;
  if (before !== undefined && old?.anonymousVolumes.includes(before)) return before;
  const name = anonymousVolumeName();
  const wanted = {
    name,
    project: session.project.name,
    key: '',
    labels: { [LABEL.anonymous]: '' },
    anonymous: true,
  };
  session.world.setVolume(ensureVolume(session.ctx, wanted));
  made.push(name);
  return name;
}

async function mountedImages(session: Session, service: Service): Promise<ReadonlyMap<string, Image>> {
  const names = (service.volumes ?? []).flatMap(({ type, source }) =>
    type === 'image' && source ? [source] : [],
  );
  const found = new Map<string, Image>();
  for (const name of new Set(names)) found.set(name, await imageOf(session, name));
  return found;
}

/** `volumes_from`: the volumes and binds of another container, always writable unless they were not there. */
function inheritedMounts(session: Session, service: Service): readonly ResolvedMount[] {
  return (service.volumes_from ?? []).flatMap((entry) => {
    const isContainer = entry.startsWith('container:');
    const [target = '', access] = (isContainer ? entry.slice('container:'.length) : entry).split(':');
    const { mounts } = lender(session, !isContainer, target, 'volumes_from');
    return mounts.flatMap((mount): ResolvedMount[] => {
      const { target: path, source, name } = mount;
      const readOnly = mount.readOnly || access === 'ro';
      if (mount.type === 'bind') {
        return [{ type: 'bind', source, target: path, readOnly, createSource: false }];
      }
      if (mount.type !== 'volume' || name === undefined) return [];
      // The volume stays the other container's: whoever made it takes it along.
      const own = { type: 'volume', name, anonymous: false, target: path, readOnly, noCopy: false } as const;
      return [{ ...own, source: mountSourceOf(session.ctx, session.world.volume(name)) }];
    });
  });
}

/** The machine as the container sees it: gateways of its first network that leads outside. */
function hostGatewaysOf({ world }: Session, endpoints: readonly EndpointRecord[]): readonly string[] {
  const outside = endpoints.map(({ name }) => world.network(name)).find(({ internal }) => !internal);
  const gateways = (outside?.subnets ?? []).map(({ gateway }) => gateway);
  const ofFamily = (isIpv6: boolean) => gateways.find((gateway) => gateway.includes(':') === isIpv6);
  return [ofFamily(false), ofFamily(true)].flatMap((gateway) => gateway ?? []);
}
