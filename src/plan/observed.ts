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

export interface Observed {
  /** Of this project, in any order. */
  readonly containers: readonly ObservedContainer[];
  /** All of the machine. */
  readonly networks: readonly ObservedNetwork[];
  /** All of the machine. */
  readonly volumes: readonly ObservedVolume[];
  /** Images that are here, by the name that a service gives, with their id. */
  readonly images: ReadonlyMap<string, string>;
  /** Names of containers of other projects. */
  readonly foreignNames: ReadonlyMap<string, NameOwner>;
}

/** Whether processes of the container may be alive. */
export function isAlive(container: ObservedContainer): boolean {
  return container.state === 'running' || container.state === 'paused' || container.state === 'restarting';
}
