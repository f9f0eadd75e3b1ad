// One command at work: what its actions share.
import { mkdirSync } from 'node:fs';
import { Turns } from '../../core/turns.ts';
import type { Project } from '../compose/project.ts';
import { inspectMachine, type Machine } from '../containers/machine.ts';
import type { ContainerRecord } from '../containers/record.ts';
import { placeOf, type Warning } from '../containers/warning.ts';
import type { OnEvent } from '../events.ts';
import type { Image } from '../images/image.ts';
import { type Snapshot, snapshotOf } from '../images/snapshot.ts';
import { addAllNames, type NameEntry } from '../networks/hosts.ts';
import type { Lease } from '../networks/ipam.ts';
import { type LeaseRequest, leaseAll, releaseAll } from '../networks/leases.ts';
import { ensureNetwork, removeNetworks } from '../networks/network.ts';
import { type BoundPort, closePorts } from '../networks/ports.ts';
import type { NetworkRecord } from '../networks/record.ts';
import { balance, canShare, shareAddress } from '../networks/vip.ts';
import type { Context } from '../state/context.ts';
import { networkFiles } from '../state/layout.ts';
import { Batch } from './batch.ts';
import { publishedNow, sharingNow } from './firewall.ts';
import type { ProviderVariables } from './injection.ts';
import type { OneoffOptions } from './oneoff.ts';
import type { Opened } from './open.ts';
import type { World } from './world.ts';

/** A one-off container that a plan makes. */
export interface OneoffRequest extends OneoffOptions {
  /** 64 hex digits. */
  readonly slug: string;
  readonly autoRemove: boolean;
  /** Whether it answers to the service's names. */
  readonly useAliases: boolean;
  /** Standard input ends with the client that is attached. */
  readonly attached: boolean;
}

/** Called at the closed gate: everything is there, the program has not begun. */
export type BeforeStart = (record: ContainerRecord) => Promise<void>;

export interface SessionOptions {
  readonly ctx: Context;
  readonly project: Project;
  readonly world: World;
  readonly emit: OnEvent;
  /** Version of this program, for labels. */
  readonly version: string;
  /** Between the parts of names. */
  readonly separator: '-' | '_';
  /** Never asks a registry. */
  readonly offline: boolean;
  readonly oneoff?: OneoffRequest | undefined;
  /** Aborted: what ends gracefully ends at once. */
  readonly force?: AbortSignal | undefined;
  readonly beforeEachStart?: BeforeStart | undefined;
}

/** A process may have 1,024 descriptors, where nobody has allowed more; a start takes four. */
const STARTS_MAX = 128;

export class Session {
  readonly ctx: Context;
  readonly project: Project;
  readonly world: World;
  readonly emit: OnEvent;
  readonly version: string;
  readonly separator: '-' | '_';
  readonly offline: boolean;
  readonly oneoff: OneoffRequest | undefined;
  readonly force: AbortSignal | undefined;
  readonly beforeEachStart: BeforeStart | undefined;
  /** Ports that are held for containers about to start, by container name and place in its list. */
  readonly ports = new Map<string, Map<number, BoundPort>>();
  /** Names of containers that may be opened ahead of their start. */
  ahead: ReadonlySet<string> = new Set();
  /** For what a container takes of this process's descriptors while it is opened and started. */
  readonly turns = new Turns(STARTS_MAX);
  /** What was opened ahead, by container id. */
  readonly opened = new Map<string, Promise<Opened>>();
  /** Ids of networks that are made anew, by name. */
  readonly replacedNetworks = new Map<string, string>();
  /** What providers told. */
  readonly provided: ProviderVariables[] = [];
  /** Services whose pre_start hooks run or have run, for all of their replicas. */
  readonly preStarted = new Map<string, Promise<void>>();
  readonly #leases: Batch<LeaseRequest, Lease>;
  readonly #names: Batch<NameEntry, undefined>;
  readonly #releases: Batch<string, undefined>;
  readonly #removals: Batch<NetworkRecord, undefined>;
  readonly #balances: Batch<undefined, undefined>;
  readonly #shared = new Map<string, Promise<Lease | undefined>>();
  readonly #raised = new Map<string, Promise<NetworkRecord>>();
  readonly #snapshots = new Map<string, Snapshot>();
  readonly #warned = new Set<string>();
  #machine: Machine | undefined;

  constructor(options: SessionOptions) {
    const { ctx, project, world, emit, version, separator, offline, oneoff, force } = options;
    this.separator = separator;
    this.offline = offline;
    this.ctx = ctx;
    this.project = project;
    this.world = world;
    this.emit = emit;
    this.version = version;
    this.oneoff = oneoff;
    this.force = force;
    this.beforeEachStart = options.beforeEachStart;
    this.#leases = new Batch((name, requests) => leaseAll(ctx, world.network(name), requests));
    this.#names = new Batch(async (name, entries) => {
      await addAllNames(ctx, world.network(name), entries);
      return entries.map(() => undefined);
    });
    this.#releases = new Batch(async (name, containers) => {
      const network = world.networkIfThere(name);
      if (network !== undefined) await releaseAll(ctx, network, containers);
      return containers.map(() => undefined);
    });
    this.#balances = new Batch(async (_, all) => {
      await balance(ctx, () => sharingNow(ctx));
      return all;
    });
    this.#removals = new Batch(async (_, networks) => {
      await removeNetworks(ctx, networks);
      return networks.map(() => undefined);
    });
  }

  get machine(): Machine {
    this.#machine ??= inspectMachine();
    return this.#machine;
  }

  /** Says what a service asks for in vain: once, however many containers it has. */
  warn(service: string, warnings: readonly Warning[]): void {
    for (const warning of warnings) {
      const { attribute, at } = placeOf(warning, `services.${service}`, this.project.positionOf);
      const message = `service ${service}: ${attribute}: ${warning.reason}`;
      if (this.#warned.has(message)) continue;
      this.#warned.add(message);
      this.emit({ type: 'warning', message, ...(at === undefined ? {} : { at }) });
    }
  }

  /** What the overlay mounts of an image are made of; finding that out is not free. */
  snapshot(image: Image): Snapshot {
    const known = this.#snapshots.get(image.id);
    if (known !== undefined) return known;
    const snapshot = snapshotOf(this.ctx, image);
    this.#snapshots.set(image.id, snapshot);
    return snapshot;
  }

  /** Says something about the machine once. */
  warnOnce(message: string): void {
    if (this.#warned.has(message)) return;
    this.#warned.add(message);
    this.emit({ type: 'warning', message });
  }

  /** A network whose interface is there: after a reboot it has to be made again, once. */
  raised(name: string): Promise<NetworkRecord> {
    const known = this.#raised.get(name);
    if (known !== undefined) return known;
    const { project, key, id } = this.world.network(name);
    // Shims watch the directory of the name table from their start on.
    mkdirSync(networkFiles(this.ctx.layout, id).runDir, { recursive: true, mode: 0o711 });
    const raising = ensureNetwork(this.ctx, { name, project, key }, () => publishedNow(this.ctx));
    this.#raised.set(name, raising);
    return raising;
  }

  /** A network that was just made or removed. */
  setRaised(name: string, network: NetworkRecord | undefined): void {
    if (network === undefined) {
      this.#raised.delete(name);
      return;
    }
    mkdirSync(networkFiles(this.ctx.layout, network.id).runDir, { recursive: true, mode: 0o711 });
    this.#raised.set(name, Promise.resolve(network));
  }

  lease(network: string, request: LeaseRequest): Promise<Lease> {
    return this.#leases.add(network, request);
  }

  async addNames(network: string, entry: NameEntry): Promise<void> {
    await this.#names.add(network, entry);
  }

  async release(network: string, container: string): Promise<void> {
    await this.#releases.add(network, container);
  }

  async removeNetwork(network: NetworkRecord): Promise<void> {
    await this.#removals.add('', network);
  }

  /** The address that all containers of a service have on a network; undefined where that cannot be. */
  share(network: NetworkRecord, service: string): Promise<Lease | undefined> {
    const key = `${network.name} ${service}`;
    const known = this.#shared.get(key);
    if (known !== undefined) return known;
    const sharing = canShare(this.ctx, network) ? shareAddress(this.ctx, network, service) : undefined;
    if (sharing === undefined) {
      const reason = `connections cannot be spread on network ${network.name}: the name stands for all containers`;
      this.warn(service.split('/')[1] ?? '', [{ attribute: 'deploy.endpoint_mode', reason }]);
    }
    const promise = sharing ?? Promise.resolve(undefined);
    this.#shared.set(key, promise);
    return promise;
  }

  /** Spreads connections to shared addresses over the containers that run now. */
  async rebalance(): Promise<void> {
    await this.#balances.add('', undefined);
  }

  /** Gives back what was held for containers that did not start. */
  close(): void {
    for (const held of this.ports.values()) closePorts(this.ctx, [...held.values()]);
    this.ports.clear();
  }
}
