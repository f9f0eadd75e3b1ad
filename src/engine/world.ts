// The world as the engine works on it: what was observed, kept right while actions change it.
import type { Project } from '../compose/project.ts';
import { type Listing, readListing } from '../containers/listing.ts';
import type { ContainerRecord } from '../containers/record.ts';
import { dockerState, isPast, type Sighting, type Status, sight } from '../containers/status.ts';
import { ComposeError, InternalError } from '../errors.ts';
import { type Image, resolveImage } from '../images/image.ts';
import { listNetworks, type NetworkRecord } from '../networks/record.ts';
import { imageKey, type NameOwner, type Observed, type ObservedContainer } from '../plan/observed.ts';
import type { ContainerRef } from '../plan/plan.ts';
import type { Context } from '../state/context.ts';
import { listVolumes, type VolumeRecord } from '../volumes/volume.ts';
import { LABEL } from './labels.ts';

/** What was read once, and what actions made since. */
export class World {
  readonly observed: Observed;
  /** By `imageKey`. */
  readonly images: ReadonlyMap<string, Image>;
  /** Of the containers that were observed. */
  readonly listing: Omit<Listing, 'records'>;
  readonly #all: readonly ContainerRecord[];
  readonly #records: Map<string, ContainerRecord>;
  readonly #statuses: ReadonlyMap<string, Status>;
  readonly #gone = new Set<string>();
  readonly #made = new Map<string, ContainerRecord>();
  readonly #networks: Map<string, NetworkRecord>;
  readonly #volumes: Map<string, VolumeRecord>;

  constructor(read: Reading, images: ReadonlyMap<string, Image>) {
    this.images = images;
    this.listing = read.listing;
    this.#all = [...read.own.map(({ record }) => record), ...read.others];
    this.#records = new Map(read.own.map(({ record }) => [record.id, record]));
    this.#statuses = new Map(read.own.map(({ record, status }) => [record.id, status]));
    this.#networks = new Map(read.networks.map((network) => [network.name, network]));
    this.#volumes = new Map(read.volumes.map((volume) => [volume.name, volume]));
    this.observed = observedOf(read, images);
  }

  /** The container that an action names. */
  container({ id, name }: ContainerRef): ContainerRecord {
    const record = id === undefined ? this.#made.get(name) : this.#records.get(id);
    if (record === undefined) throw new InternalError(`container ${name} was not made`);
    return record;
  }

  /** A container that this command made. */
  made(name: string): ContainerRecord | undefined {
    return this.#made.get(name);
  }

  /** All of the machine that exist now, as far as this command knows. */
  all(): readonly ContainerRecord[] {
    return [...this.#all.filter(({ id }) => !this.#gone.has(id)), ...this.#made.values()];
  }

  /** Containers of a service that exist now, by number; those that this command made come first. */
  replicasOf(service: string): readonly ContainerRecord[] {
    const all = [...this.#made.values(), ...this.#records.values()];
    return all
      .filter((record) => record.service === service && !record.oneoff)
      .sort((a, b) => a.number - b.number);
  }

  /** Any container of the machine by name or id. */
  named(name: string): ContainerRecord | undefined {
    const isIt = (record: ContainerRecord) => record.name === name || record.id === name;
    return [...this.#made.values()].find(isIt) ?? this.#all.find(isIt);
  }

  recordOf(id: string): ContainerRecord | undefined {
    return this.#records.get(id);
  }

  /** As it was observed; undefined for a container that was made since. */
  statusOf(id: string): Status | undefined {
    return this.#statuses.get(id);
  }

  network(name: string): NetworkRecord {
    const network = this.#networks.get(name);
    if (network !== undefined) return network;
    throw new ComposeError('network-not-found', `network ${name} does not exist`);
  }

  /**
   * One-offs that were to be removed at their end, and have ended; or never began, because the command that made them
   * was killed. Nobody is about to begin them for who has the project's lock.
   */
  endedOneoffs(): readonly ContainerRecord[] {
    return [...this.#records.values()].filter((record) => {
      const status = this.#statuses.get(record.id);
      if (status === undefined) return false;
      return isPast(record, status) || (record.autoRemove && status.state === 'created' && status.shim === 0);
    });
  }

  networkIfThere(name: string): NetworkRecord | undefined {
    return this.#networks.get(name);
  }

  volume(name: string): VolumeRecord {
    const volume = this.#volumes.get(name);
    if (volume !== undefined) return volume;
    throw new ComposeError('volume-not-found', `volume ${name} does not exist`);
  }

  add(record: ContainerRecord): void {
    this.#made.set(record.name, record);
  }

  forget(id: string): void {
    this.#records.delete(id);
    this.#gone.add(id);
  }

  dropNetwork(name: string): void {
    this.#networks.delete(name);
  }

  setNetwork(network: NetworkRecord): void {
    this.#networks.set(network.name, network);
  }

  setVolume(volume: VolumeRecord): void {
    this.#volumes.set(volume.name, volume);
  }
}

/** An image as a service asks for it. */
export interface ImageWanted {
  readonly name: string;
  readonly platform: string | undefined;
}

interface Reading {
  readonly own: readonly Sighting[];
  readonly others: readonly ContainerRecord[];
  readonly listing: Omit<Listing, 'records'>;
  readonly networks: readonly NetworkRecord[];
  readonly volumes: readonly VolumeRecord[];
}

/** Reads the state once. Images are looked up for the given names only: that costs. */
export async function observe(
  ctx: Context,
  project: Pick<Project, 'name'>,
  images: readonly ImageWanted[],
): Promise<World> {
  const { records, ...listing } = readListing(ctx);
  const ours = records.filter((record) => record.project === project.name);
  const own = sight(ctx, ours);
  const others = records.filter((record) => record.project !== project.name);
  const read = { own, others, listing, networks: listNetworks(ctx), volumes: listVolumes(ctx) };
  return new World(read, await findImages(ctx, images));
}

async function findImages(ctx: Context, wanted: readonly ImageWanted[]): Promise<ReadonlyMap<string, Image>> {
  const byKey = new Map(wanted.map((image) => [imageKey(image.name, image.platform), image]));
  const found = new Map<string, Image>();
  for (const [key, { name, platform }] of byKey) {
    const image = await resolveImage(ctx, name, { platform });
    if (image !== undefined) found.set(key, image);
  }
  return found;
}

function observedOf(read: Reading, images: ReadonlyMap<string, Image>): Observed {
  const onNetwork = new Map<string, string[]>();
  const onVolume = new Map<string, string[]>();
  for (const { id, networks, mounts } of [...read.own.map(({ record }) => record), ...read.others]) {
    for (const { id: network } of networks) append(onNetwork, network, id);
    for (const { name } of mounts) if (name !== undefined) append(onVolume, name, id);
  }
  return {
    time: Date.now(),
    containers: read.own.map(observedContainer),
    networks: read.networks.map(({ id, name, project, key, configHash }) => {
      return { id, name, project, key, configHash, users: onNetwork.get(id) ?? [] };
    }),
    volumes: read.volumes.map(({ name, project, key, labels }) => {
      return {
        name,
        project,
        key,
        configHash: labels[LABEL.configHash] ?? '',
        users: onVolume.get(name) ?? [],
      };
    }),
    images,
    foreignNames: new Map(read.others.map((record): [string, NameOwner] => [record.name, record])),
  };
}

function observedContainer({ record, status }: Sighting): ObservedContainer {
  const { id, name, service, number, oneoff, created, configHash, image, dependsOn } = record;
  return {
    id,
    name,
    service,
    number,
    oneoff,
    created,
    configHash,
    image,
    dependsOn,
    state: dockerState(status),
    exitCode: status.exitCode,
    health: status.health?.status,
    networks: record.networks.map((network) => network.name),
    joins: Object.values(record.joins),
    since: status.shimStart,
    volumes: record.mounts.flatMap((mount) => mount.name ?? []),
  };
}

function append(map: Map<string, string[]>, key: string, value: string): void {
  const list = map.get(key);
  if (list === undefined) map.set(key, [value]);
  else list.push(value);
}
