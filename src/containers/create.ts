// Making a container: from a service and everything that was resolved for it to its directory on disk.
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  writeFileSync,
} from 'node:fs';
import { release } from 'node:os';
import { resolve } from 'node:path';
import type { Dict, Project, Service } from '../compose/project.ts';
import { ComposeError } from '../errors.ts';
import type { Context } from '../state/context.ts';
import {
  type ContainerFiles,
  containerFiles,
  containersDir,
  imagesDir,
  objectStore,
  unlistedId,
  volumesDir,
} from '../state/layout.ts';
import { makePrivateDirectory, readRecord, readTextIfPresent, writeRecord } from '../state/record.ts';
import { type CdiService, withCdi } from './cdi.ts';
import { type ContentFile, hostsHeader, objectFilesOf, resolverOf } from './files.ts';
import { ignoredObjects } from './ignored.ts';
import { compileLaunch, type Launch, type LaunchExtras, type MountDetail, type RootFs } from './launch.ts';
import { keepsLog, logDriverOf, logOf } from './logging.ts';
import type { Machine } from './machine.ts';
import { type BindMount, checkBindSources, type ResolvedMount } from './mounts.ts';
import { type Joins, namespacesOf, shiftsIds } from './namespaces.ts';
import type { OciSeccomp, OciSpec } from './oci.ts';
import { type ImageDefaults, userOf } from './program.ts';
import { type ContainerRecord, decodeContainerRecord, type EndpointRecord } from './record.ts';
import { scopeOf } from './scope.ts';
import { defaultSeccomp, profileFromJson } from './seccomp.ts';
import { storedFilter } from './seccomp-store.ts';
import { securityOf } from './security.ts';
import { buildSpec } from './spec.ts';
import { encodeLaunch } from './steps.ts';
import { limitStorage, relabel, storageLimit } from './storage.ts';
import { exposedOf, healthcheckOf, portsOf, restartOf, stopOf } from './supervise.ts';
import { placeOf, type Warning } from './warning.ts';

/** The image's file system as the images room gives it: overlay layers, or one directory that is used as it is. */
export interface SnapshotInput {
  /** Directories, top first. */
  readonly lower: readonly string[];
  /** Paths of the image that are hidden from the container. */
  readonly masks?: readonly string[];
  readonly overlayOptions?: readonly string[];
}

export interface CreateInput {
  readonly project: Pick<
    Project,
    'name' | 'workingDir' | 'configs' | 'secrets' | 'environment' | 'positionOf' | 'loaded'
  >;
  readonly serviceName: string;
  /** The service as it is to run: the one of the project, or as `run` changed it. */
  readonly service: Service;
  readonly id: string;
  readonly name: string;
  readonly number: number;
  readonly oneoff?: boolean;
  readonly autoRemove?: boolean;
  readonly configHash: string;
  readonly labels: Dict<string>;
  readonly dependsOn?: string;
  readonly image: { readonly name: string; readonly id: string; readonly config: ImageDefaults };
  readonly snapshot: SnapshotInput;
  /** `bridge`, `none`, `host` or `container:ID`. */
  readonly networkMode: string;
  readonly endpoints: readonly EndpointRecord[];
  /** Name tables of the endpoints' networks. */
  readonly nameTables: readonly string[];
  /** A name in the tables, and a further name for it. */
  readonly links?: readonly (readonly [name: string, alias: string])[];
  readonly joins?: Joins;
  readonly mounts: readonly ResolvedMount[];
  /** What `host-gateway` stands for. */
  readonly hostGateways?: readonly string[];
  /** `once`: standard input ends with the first client that is attached. */
  readonly standardInput?: LaunchExtras['standardInput'];
  readonly machine: Machine;
}

export interface Created {
  readonly record: ContainerRecord;
  readonly warnings: readonly Warning[];
}

const OWN_RUNTIME = 'tscompose';

/** A new container id: 64 lower-case hex digits. */
export function newContainerId(): string {
  return randomBytes(32).toString('hex');
}

export function shortId(id: string): string {
  return id.slice(0, 12);
}

/**
 * Writes the directory of a container; nothing runs yet. The container exists once its directory is called by its id: what an
 * interrupted call leaves is not listed, and is removed by `removeLeftovers`.
 */
export function createContainer(ctx: Context, wanted: CreateInput): Created {
  checkName(wanted.name);
  checkRuntime(wanted);
  const cdi = withCdi(wanted.service, wanted.project.loaded?.readYaml ?? JSON.parse);
  const input = { ...wanted, service: cdi.service, mounts: [...wanted.mounts, ...cdi.mounts], cdi };
  checkBindSources(input.mounts, existsSync);
  const files = containerFiles(ctx.layout, input.id);
  const unlisted = containerFiles(ctx.layout, unlistedId(input.id, 'new'));
  const plan = planContainer(ctx, input, files);
  relabel(input.mounts, input.service, input.machine);
  const warnings = [...cdi.warnings, ...plan.warnings];
  try {
    warnings.push(...writeDirectory(ctx, unlisted, plan));
    renameSync(unlisted.dir, files.dir);
  } catch (cause) {
    ctx.core.removeTree(unlisted.dir);
    throw writeFailure(files.dir, cause);
  }
  return { record: plan.record, warnings };
}

function checkRuntime({ project, serviceName, service: { runtime } }: CreateInput): void {
  if (!runtime || runtime === OWN_RUNTIME) return;
  const at = project.positionOf(`services.${serviceName}.runtime`);
  throw new ComposeError(
    'unsupported',
    `there is no runtime ${runtime}: containers run by tscompose itself`,
    {
      hint: `remove \`runtime:\`, or write ${OWN_RUNTIME}`,
      ...(at === undefined ? {} : { at }),
    },
  );
}

interface Refusal {
  readonly attribute: string;
  readonly message: string;
  readonly hint: string;
}

function refuse({ project, serviceName }: CreateInput, { attribute, message, hint }: Refusal): never {
  const { at } = placeOf({ attribute }, `services.${serviceName}`, project.positionOf);
  throw new ComposeError('invalid-value', `service ${serviceName}: ${message}`, {
    hint,
    ...(at === undefined ? {} : { at }),
  });
}

function writeFailure(dir: string, cause: unknown): unknown {
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  if (code !== 'ENOSPC' && code !== 'EDQUOT') return cause;
  return new ComposeError('disk-full', `no space left to make the container in ${dir}`, { cause });
}

/** Everything that is written, computed first. */
interface ContainerPlan {
  readonly record: ContainerRecord;
  readonly spec: OciSpec;
  readonly launch: Launch;
  readonly contents: readonly ContentFile[];
  readonly warnings: readonly Warning[];
}

interface WithDevices extends CreateInput {
  readonly cdi: Pick<CdiService, 'hooks' | 'nodes'>;
}

function planContainer(ctx: Context, input: WithDevices, files: ContainerFiles): ContainerPlan {
  const { service, image, machine } = input;
  const network = networkFiles(ctx, input);
  const objects = objectFilesOf({
    project: input.project,
    serviceName: input.serviceName,
    service,
    readFile: (path) => readFileSync(path),
    exists: existsSync,
    store: (kind) => objectStore(ctx.layout, kind),
  });
  const contentBinds = objects.contents.map(({ target }, index) =>
    ownFile(`${files.files}/${index}`, target),
  );
  const sharedShm = sharedShmOf(ctx, input, files);
  const { spec, warnings } = buildSpec({
    id: input.id,
    service,
    image: image.config,
    labels: input.labels,
    hostname: network.hostname,
    mounts: input.mounts,
    files: [...network.binds(files), ...objects.binds, ...contentBinds],
    joins: input.joins ?? {},
    joinPath: (id, slot) => `${containerFiles(ctx.layout, id).runDir}/${slot}`,
    ...(sharedShm === undefined ? {} : { sharedShm }),
    rootPath: files.rootfs,
    seccomp: (capabilities) => seccompRules(input, capabilities),
    machine,
    hooks: input.cdi.hooks,
    nodes: input.cdi.nodes,
  });
  const { log, warnings: logWarnings } = logOf(service, {
    path: files.log,
    id: input.id,
    name: input.name,
    image,
    labels: input.labels,
    environment: spec.process.env,
    refuse: (attribute, message, hint) => refuse(input, { attribute, message, hint }),
  });
  const launch = compileLaunch(spec, launchExtras(ctx, input, { files, spec, network, log }));
  return {
    record: recordOf(input, { spec, launch, network }),
    spec,
    launch,
    contents: objects.contents,
    warnings: [...warnings, ...launch.warnings, ...logWarnings, ...ignoredObjects(service, input.project)],
  };
}

/** The rules of a service's profile; Docker's default unless it says otherwise. */
function seccompRules(input: CreateInput, capabilities: readonly string[]): OciSeccomp | undefined {
  const wish = securityOf(input.service, input.machine).seccomp;
  const scope = { architecture: input.machine.architecture, capabilities, kernel: release() };
  switch (wish.kind) {
    case 'unconfined':
      return undefined;
    case 'default':
      return defaultSeccomp(scope);
    case 'file': {
      const path = resolve(input.project.workingDir, wish.path);
      const text = readTextIfPresent(path);
      if (text === undefined)
        throw new ComposeError('file-not-found', `seccomp profile ${path} does not exist`, {
          path: 'security_opt',
        });
      return profileFromJson(text, path, scope);
    }
  }
}

interface NetworkFiles {
  readonly hostname: string;
  readonly hosts: string;
  readonly resolvConf: string;
  /** Undefined: the shim does not keep the hosts file. */
  readonly header: string | undefined;
  readonly upstream: readonly string[] | undefined;
  readonly binds: (files: ContainerFiles) => readonly BindMount[];
}

/** /etc/hosts, /etc/resolv.conf and /etc/hostname: of the container's own, or of the one whose network it shares. */
function networkFiles(ctx: Context, input: CreateInput): NetworkFiles {
  const donor = input.joins?.network;
  if (donor !== undefined) return borrowedFiles(ctx, input, donor);
  const { service, machine, endpoints } = input;
  const onHost = input.networkMode === 'host';
  const hostname = service.hostname || (onHost ? machine.hostname : shortId(input.id));
  const addresses = endpoints.flatMap(({ ipv4, ipv6 }) => [ipv4, ipv6].flatMap((address) => address ?? []));
  const header = hostsHeader({
    service,
    hostname,
    addresses: addresses.map((address) => address.replace(/\/\d+$/, '')),
    hostGateways: onHost ? ['127.0.0.1'] : (input.hostGateways ?? []),
  });
  const resolver = resolverOf(service, machine.resolvConf, endpoints.length > 0);
  return {
    hostname,
    hosts: header,
    resolvConf: resolver.text,
    header: endpoints.length > 0 ? header : undefined,
    upstream: endpoints.length > 0 ? resolver.upstream : undefined,
    binds: (files) => etcBinds(files, service),
  };
}

function borrowedFiles(ctx: Context, { service, id }: CreateInput, donor: string): NetworkFiles {
  const owner = networkOwner(ctx, donor);
  const files = containerFiles(ctx.layout, owner?.id ?? donor);
  return {
    hostname: service.hostname || owner?.etc.hostname.trim() || shortId(id),
    hosts: '',
    resolvConf: '',
    header: undefined,
    upstream: undefined,
    binds: () => etcBinds(files, service),
  };
}

// A lender may itself have borrowed.
function networkOwner(ctx: Context, id: string): ContainerRecord | undefined {
  const record = readRecord(containerFiles(ctx.layout, id).record, decodeContainerRecord);
  const lender = record?.joins.network;
  return lender === undefined ? record : networkOwner(ctx, lender);
}

/** As Docker has it: names go into tables whose lines and words they must not end. */
function checkName(name: string): void {
  if (/^[a-zA-Z0-9][a-zA-Z0-9_.-]+$/.test(name)) return;
  throw new ComposeError('invalid-value', `${JSON.stringify(name)} is no name of a container`, {
    hint: 'two or more letters, digits, "_", "." or "-", with a letter or digit first',
  });
}

function etcBinds(files: ContainerFiles, { read_only: readOnly = false }: Service): BindMount[] {
  return [
    { ...ownFile(files.resolvConf, '/etc/resolv.conf'), readOnly },
    { ...ownFile(files.hostname, '/etc/hostname'), readOnly },
    { ...ownFile(files.hosts, '/etc/hosts'), readOnly },
  ];
}

function ownFile(source: string, target: string): BindMount {
  return { type: 'bind', source, target, readOnly: true, createSource: false };
}

/** /dev/shm of containers that share an IPC namespace is a directory of the lender's run directory. */
function sharedShmOf(
  ctx: Context,
  { joins, service }: CreateInput,
  files: ContainerFiles,
): string | undefined {
  const donor = joins?.ipc;
  if (donor !== undefined) return containerFiles(ctx.layout, donor).shm;
  return service.ipc === 'shareable' ? files.shm : undefined;
}

interface Planned {
  readonly files: ContainerFiles;
  readonly spec: OciSpec;
  readonly network: NetworkFiles;
  readonly log: LaunchExtras['log'];
}

// The machine's own root has mounts that a new user namespace must not uncover: its overlay is mounted outside of that.
function mapsLayers({ service, machine, joins = {}, snapshot }: CreateInput): boolean {
  const namespaces = namespacesOf(service, joins, machine);
  const isOwn = namespaces.user === 'own' && machine.uid === 0;
  return shiftsIds(namespaces, machine) || (isOwn && snapshot.lower.includes('/'));
}

function launchExtras(
  ctx: Context,
  input: CreateInput,
  { files, spec, network, log }: Planned,
): LaunchExtras {
  const { service, image, machine } = input;
  const health = healthcheckOf(service, image.config);
  const stop = stopOf(service, image.config);
  const names = network.header;
  return {
    mountPoint: files.rootfs,
    bundle: { id: input.id, path: files.dir },
    rootFs: rootFsOf(input.snapshot, files),
    mapsLayers: mapsLayers(input),
    mounts: mountDetails(input.mounts),
    cgroups: machine.cgroups,
    scope: scopeOf(service, input.id, machine),
    hasCgroupFile: machine.hasCgroupFile,
    user: userOf(service, image.config),
    groups: service.group_add ?? [],
    ...(spec.linux.seccomp ? { seccomp: storedFilter(ctx, spec.linux.seccomp) } : {}),
    init: service.init ?? false,
    standardInput: input.standardInput ?? (service.stdin_open ? 'open' : 'none'),
    log,
    restart: restartOf(service),
    stopSignal: stop.signal,
    stopGraceMs: stop.graceMs,
    ...(health ? { healthcheck: health } : {}),
    ...(names === undefined
      ? {}
      : {
          names: {
            hostsFile: files.hosts,
            header: names,
            tables: input.nameTables,
            links: input.links ?? [],
            ...(network.upstream ? { upstream: network.upstream } : {}),
          },
        }),
  };
}

function rootFsOf({ lower, masks = [], overlayOptions = [] }: SnapshotInput, files: ContainerFiles): RootFs {
  return { kind: 'overlay', lower, upper: files.upper, work: files.work, options: overlayOptions, masks };
}

function mountDetails(mounts: readonly ResolvedMount[]): Readonly<Record<string, MountDetail>> {
  return Object.fromEntries(mounts.map((mount) => [mount.target, mountDetail(mount)]));
}

function mountDetail(mount: ResolvedMount): MountDetail {
  if (mount.type === 'bind') return { createSource: mount.createSource };
  if (mount.type === 'image') return mount.subpath === undefined ? {} : { subdirectory: mount.subpath };
  if (mount.type !== 'volume' || mount.source.kind !== 'directory') return {};
  const { path } = mount.source;
  const subpath = mount.subpath === undefined ? {} : { subpath: { base: path, path: mount.subpath } };
  const fills = !mount.noCopy && mount.subpath === undefined;
  return { ...subpath, ...(fills ? { copyUp: path } : {}) };
}

interface Compiled {
  readonly spec: OciSpec;
  readonly launch: Launch;
  readonly network: NetworkFiles;
}

function recordOf(input: CreateInput, { spec, launch, network }: Compiled): ContainerRecord {
  const { service, image } = input;
  const health = healthcheckOf(service, image.config);
  const stop = stopOf(service, image.config);
  const bytes = storageLimit(service);
  return {
    version: 1,
    id: input.id,
    name: input.name,
    project: input.project.name,
    service: input.serviceName,
    number: input.number,
    oneoff: input.oneoff ?? false,
    created: new Date().toISOString(),
    configHash: input.configHash,
    labels: input.labels,
    image: { name: image.name, id: image.id },
    command: spec.process.args,
    tty: spec.process.terminal ?? false,
    stdinOpen: service.stdin_open ?? false,
    autoRemove: input.autoRemove ?? false,
    networkMode: input.networkMode,
    networks: input.endpoints,
    joins: input.joins ?? {},
    ports: portsOf(service),
    exposed: exposedOf(service, image.config),
    mounts: input.mounts.map(mountRecord),
    anonymousVolumes: input.mounts.flatMap((mount) =>
      mount.type === 'volume' && mount.anonymous ? [mount.name] : [],
    ),
    stopSignal: stop.signal,
    stopGraceMs: stop.graceMs,
    ...(health ? { healthcheck: health } : {}),
    restart: restartOf(service),
    dependsOn: input.dependsOn ?? '',
    logDriver: logDriverOf(service),
    logKept: keepsLog(service),
    cgroups: launch.cgroups,
    etc: { hosts: network.hosts, resolvConf: network.resolvConf, hostname: `${network.hostname}\n` },
    ownsUsers: spec.linux.namespaces.some(({ type }) => type === 'user'),
    sharesIpc: service.ipc === 'shareable',
    ...(bytes === undefined ? {} : { storageLimit: bytes }),
  };
}

function mountRecord(mount: ResolvedMount): ContainerRecord['mounts'][number] {
  const { type, target } = mount;
  switch (mount.type) {
    case 'bind':
      return { type, source: mount.source, target, readOnly: mount.readOnly };
    case 'volume': {
      const source = mount.source.kind === 'directory' ? mount.source.path : mount.source.device;
      return { type, name: mount.name, source, target, readOnly: mount.readOnly };
    }
    case 'tmpfs':
      return { type, source: '', target, readOnly: mount.readOnly };
    case 'image':
      return { type, image: mount.id, source: mount.name, target, readOnly: true };
  }
}

const WALKABLE = 0o755;
const OWNER_ONLY = 0o700;

// The root of a user namespace is another user here, who has to walk to his files.
function admitOthers({ layout }: Context, { linux }: OciSpec): void {
  if (!linux.uidMappings?.length) return;
  const walked = [containersDir(layout), imagesDir(layout), volumesDir(layout)];
  for (const dir of walked.filter(existsSync)) chmodSync(dir, 0o711);
}

// Apart from each other and from all else: ext4 looks past each inode that was freed in the same part of the disk within
// a minute, one by one, when it makes a new one.
function makeContainersDirectory(ctx: Context): void {
  const directory = containersDir(ctx.layout);
  if (existsSync(directory)) return;
  makePrivateDirectory(directory);
  ctx.core.spreadDirectory(directory);
}

function writeDirectory(ctx: Context, files: ContainerFiles, plan: ContainerPlan): readonly Warning[] {
  makeContainersDirectory(ctx);
  admitOthers(ctx, plan.spec);
  mkdirSync(files.dir, { recursive: true, mode: 0o711 });
  mkdirSync(files.upper);
  // The mode of the upper directory is that of the container's /, whatever the caller's umask.
  chmodSync(files.upper, WALKABLE);
  mkdirSync(files.work, { mode: OWNER_ONLY });
  const { storageLimit: bytes, ...record } = plan.record;
  const warnings = bytes === undefined ? [] : limitStorage(ctx, files, { id: record.id, bytes });
  writeContents(files, plan.contents);
  writeFileSync(files.config, JSON.stringify(plan.spec), { mode: 0o600 });
  writeFileSync(files.launch, encodeLaunch(plan.launch.program), { mode: 0o600 });
  // A limit that could not be set must not be taken back at the end.
  writeRecord(files.record, warnings.length > 0 ? record : plan.record);
  return warnings;
}

function writeContents(files: ContainerFiles, contents: readonly ContentFile[]): void {
  if (contents.length === 0) return;
  mkdirSync(files.files, { mode: 0o711 });
  contents.forEach(({ content, uid, gid, mode }, index) => {
    const path = `${files.files}/${index}`;
    writeFileSync(path, content, { mode: 0o600 });
    if (process.geteuid?.() === 0) chownSync(path, uid, gid);
    chmodSync(path, mode);
  });
}
