// What a command wants of the world; every goal is reached by a plan.

/** Goals that name services: an empty list means all active ones. */
interface Selection {
  readonly services?: readonly string[];
}

export interface UpGoal extends Selection {
  readonly kind: 'up';
  /** Leaves out what the named services depend on. */
  readonly noDeps?: boolean;
  /** False: create only. */
  readonly start?: boolean;
  /** Of the named services; `diverged` unless given. */
  readonly recreate?: 'diverged' | 'force' | 'never';
  /** Of what they depend on. */
  readonly recreateDependencies?: 'diverged' | 'force' | 'never';
  /** New anonymous volumes instead of those of the replaced container. */
  readonly renewVolumes?: boolean;
  readonly removeOrphans?: boolean;
  /** Says nothing about orphans. */
  readonly ignoreOrphans?: boolean;
  /** Replicas by service; wins over the file. */
  readonly scale?: Readonly<Record<string, number>>;
  readonly build?: 'always' | 'never' | 'missing';
  readonly pull?: 'always' | 'missing' | 'never' | 'policy' | 'build';
  /** Ends with an action that waits for every container to be running or healthy. */
  readonly wait?: boolean;
  readonly graceMs?: number;
  /** Volumes whose definition changed are made anew, and lose their data. */
  readonly recreateVolumes?: boolean;
}

/** A one-off container of a service, created but not started, its dependencies up. */
export interface RunGoal extends Omit<UpGoal, 'kind' | 'services' | 'start' | 'wait' | 'scale'> {
  readonly kind: 'run';
  readonly service: string;
  /** Name of the container. */
  readonly name: string;
}

export interface StartGoal extends Selection {
  readonly kind: 'start';
  readonly wait?: boolean;
}

export interface StopGoal extends Selection {
  readonly kind: 'stop';
  readonly graceMs?: number;
}

export interface RestartGoal extends Selection {
  readonly kind: 'restart';
  readonly noDeps?: boolean;
  readonly graceMs?: number;
}

export interface KillGoal extends Selection {
  readonly kind: 'kill';
  readonly signal: string;
  readonly removeOrphans?: boolean;
}

export interface PauseGoal extends Selection {
  readonly kind: 'pause' | 'unpause';
}

export interface RemoveGoal extends Selection {
  readonly kind: 'rm';
  /** Stops what is running first. */
  readonly stop?: boolean;
  /** Anonymous volumes too. */
  readonly volumes?: boolean;
}

export interface DownGoal extends Selection {
  readonly kind: 'down';
  /** Named volumes of the project and anonymous ones too. */
  readonly volumes?: boolean;
  readonly removeOrphans?: boolean;
  /** `local`: images that the project built or that have no name of their own. */
  readonly images?: 'local' | 'all';
  readonly graceMs?: number;
}

export type Goal =
  | UpGoal
  | RunGoal
  | StartGoal
  | StopGoal
  | RestartGoal
  | KillGoal
  | PauseGoal
  | RemoveGoal
  | DownGoal;
