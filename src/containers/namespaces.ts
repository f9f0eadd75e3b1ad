// Which namespaces a container has of its own, which it joins, and which it shares with the host.
import type { Service } from '../compose/project.ts';
import { ComposeError, InternalError } from '../errors.ts';
import { extensionOf, type IdMaps } from './extension.ts';
import type { Machine } from './machine.ts';
import type { OciIdMapping, OciNamespace } from './oci.ts';

/** Namespaces that another container can lend. */
export type JoinSlot = 'network' | 'pid' | 'ipc';

/** Ids of the containers that lend a namespace, resolved from `service:NAME` and `container:NAME`. */
export type Joins = Readonly<Partial<Record<JoinSlot, string>>>;

export type Sharing = 'own' | 'host' | 'joined';

export interface Namespaces {
  readonly network: Sharing;
  readonly pid: Sharing;
  readonly ipc: Sharing;
  readonly uts: Sharing;
  readonly cgroup: Sharing;
  readonly user: Sharing;
  /** Whether others may join the IPC namespace, so that /dev/shm has to be shared too. */
  readonly ipcShareable: boolean;
  readonly uidMappings: readonly OciIdMapping[];
  readonly gidMappings: readonly OciIdMapping[];
}

type IdMachine = Pick<Machine, 'uid' | 'gid' | 'freeIds'>;

/** Throws ComposeError `invalid-value` for a mode that does not exist. */
export function namespacesOf(service: Service, joins: Joins, machine: IdMachine): Namespaces {
  const ipc = service.ipc ?? '';
  const user = userSharing(service, machine);
  const maps = user === 'own' ? idMapsOf(service, machine) : { uids: [], gids: [] };
  return {
    network: networkSharing(service, joins),
    pid: sharing('pid', service.pid ?? '', ['', 'private'], joins.pid),
    ipc: sharing('ipc', ipc, ['', 'private', 'shareable', 'none'], joins.ipc),
    uts: sharing('uts', service.uts ?? '', ['', 'private'], undefined),
    cgroup: sharing('cgroup', service.cgroup ?? '', ['', 'private'], undefined),
    user,
    ipcShareable: ipc === 'shareable',
    uidMappings: maps.uids,
    gidMappings: maps.gids,
  };
}

/** Whether ids mean others on the machine, so that the owners of files have to follow; only root can do that. */
export function shiftsIds({ uidMappings, gidMappings }: Namespaces, machine: Pick<Machine, 'uid'>): boolean {
  const shifted = [...uidMappings, ...gidMappings].some(({ containerID, hostID }) => containerID !== hostID);
  return machine.uid === 0 && shifted;
}

function idMapsOf(service: Service, machine: IdMachine): IdMaps {
  const { userNamespace } = extensionOf(service);
  if (userNamespace !== undefined) return userNamespace;
  if (service.userns_mode !== 'auto' || machine.uid !== 0) {
    return { uids: mapping(machine.uid), gids: mapping(machine.gid) };
  }
  return { uids: [machine.freeIds.uids], gids: [machine.freeIds.gids] };
}

// Root keeps every id as it is: files of images and volumes stay what they are, but no capability reaches the host.
function mapping(id: number): OciIdMapping[] {
  return id === 0
    ? [{ containerID: 0, hostID: 0, size: 4_294_967_295 }]
    : [{ containerID: 0, hostID: id, size: 1 }];
}

function networkSharing(service: Service, joins: Joins): Sharing {
  const mode = service.network_mode ?? '';
  if (mode === 'host') return 'host';
  if (!isJoin(mode)) return 'own';
  if (joins.network === undefined) throw new InternalError(`network_mode ${mode} was not resolved`);
  return 'joined';
}

const SHARED: ReadonlySet<string> = new Set(['pid', 'ipc']);

function sharing(
  attribute: string,
  mode: string,
  own: readonly string[],
  donor: string | undefined,
): Sharing {
  if (own.includes(mode)) return 'own';
  if (mode === 'host') return 'host';
  if (!isJoin(mode) || !SHARED.has(attribute)) {
    throw new ComposeError('invalid-value', `unknown ${attribute} mode ${JSON.stringify(mode)}`, {
      hint: `known are ${[...own, 'host'].filter(Boolean).join(', ')}${SHARED.has(attribute) ? ', service:NAME and container:NAME' : ''}`,
      path: attribute,
    });
  }
  if (donor === undefined) throw new InternalError(`${attribute} ${mode} was not resolved`);
  return 'joined';
}

function isJoin(mode: string): boolean {
  return mode.startsWith('service:') || mode.startsWith('container:');
}

function userSharing(service: Service, machine: Pick<Machine, 'uid'>): Sharing {
  const mode = service.userns_mode ?? '';
  if (['private', 'keep-id', 'auto'].includes(mode)) return 'own';
  if (mode === '' && extensionOf(service).userNamespace !== undefined) return 'own';
  if (mode !== '' && mode !== 'host') {
    const hint = 'known are host, private, keep-id and auto';
    throw new ComposeError('invalid-value', `unknown userns_mode ${JSON.stringify(mode)}`, {
      hint,
      path: 'userns_mode',
    });
  }
  return machine.uid === 0 ? 'host' : 'own';
}

export interface NamespaceList {
  readonly namespaces: Namespaces;
  readonly joins: Joins;
  /** Stands for the namespace of another container in config.json; the real one is known at launch. */
  readonly joinPath: (containerId: string, slot: JoinSlot) => string;
}

/** The list of config.json: a path means joining. */
export function toOciNamespaces({ namespaces, joins, joinPath }: NamespaceList): readonly OciNamespace[] {
  const types = ['network', 'pid', 'ipc', 'uts', 'cgroup', 'user'] as const;
  const listed = types.flatMap((type): OciNamespace[] => {
    if (namespaces[type] === 'host') return [];
    if (namespaces[type] === 'own') return [{ type }];
    const slot = type as JoinSlot;
    return [{ type, path: joinPath(joins[slot] ?? '', slot) }];
  });
  return [{ type: 'mount' }, ...listed];
}
