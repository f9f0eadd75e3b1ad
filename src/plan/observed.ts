// The actual state of the world as plans see it: plain data, read once.

/** Docker's words; `dead`: the shim died without a last word. */
export type ContainerState = 'created' | 'running' | 'paused' | 'restarting' | 'exited' | 'dead';

export interface ObservedContainer {
  readonly id: string;
  readonly name: string;
  readonly service: string;
  readonly number: number;
  readonly oneoff: boolean;
  readonly state: ContainerState;
  /** Meaningful once the container has ended. */
  readonly exitCode: number;
  readonly health: 'starting' | 'healthy' | 'unhealthy' | undefined;
  /** RFC 3339; a newer container of the same number replaces an older one. */
  readonly created: string;
  readonly configHash: string;
  readonly image: { readonly name: string; readonly id: string };
  /** As in the label com.docker.compose.depends_on. */
  readonly dependsOn: string;
  /** Names of its networks on this machine. */
  readonly networks: readonly string[];
  /** Ids of containers whose namespaces it shares. */
  readonly joins: readonly string[];
  /** When its own namespaces were made, in ticks since the machine began; 0: it has none now. */
  readonly since: number;
  /** Names of the volumes mounted in it, anonymous ones included. */
  readonly volumes: readonly string[];
}

export interface ObservedNetwork {
  readonly id: string;
  readonly name: string;
  /** Project and key that it was made for; empty when made outside of any. */
  readonly project: string;
  readonly key: string;
  readonly configHash: string;
  /** Ids of all containers on it, those of other projects too. */
  readonly users: readonly string[];
}

export interface ObservedVolume {
  readonly name: string;
  readonly project: string;
  readonly key: string;
  readonly configHash: string;
  readonly users: readonly string[];
}

/** Whose a container name is that this project does not own. */
export interface NameOwner {
  readonly id: string;
  readonly project: string;
  readonly service: string;
}

/** An image that is here. */
export interface ObservedImage {
  /** `sha256:…`; anything else is no image of a registry. */
  readonly id: string;
  /** ISO 8601: when it was pulled last. */
  readonly pulled?: string;
}

/** What tells images of one name for several platforms apart. */
export function imageKey(name: string, platform: string | undefined): string {
  return platform === undefined ? name : `${name} (${platform})`;
}

export interface Observed {
  /** When it was read, in milliseconds since 1970. */
  readonly time: number;
  /** Of this project, in any order. */
  readonly containers: readonly ObservedContainer[];
  /** All of the machine. */
  readonly networks: readonly ObservedNetwork[];
  /** All of the machine. */
  readonly volumes: readonly ObservedVolume[];
  /** Images that are here, by `imageKey` of what a service asks for. */
  readonly images: ReadonlyMap<string, ObservedImage>;
  /** Names of containers of other projects. */
  readonly foreignNames: ReadonlyMap<string, NameOwner>;
}

/** Whether processes of the container may be alive. */
export function isAlive(container: ObservedContainer): boolean {
  return container.state === 'running' || container.state === 'paused' || container.state === 'restarting';
}
