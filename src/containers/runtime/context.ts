// What every operation of `runtime` is given.
import type { Machine } from '../machine.ts';

export interface RuntimeContext {
  /** Directory of all containers. */
  readonly root: string;
  readonly shimPath: string;
  readonly systemdCgroup: boolean;
  readonly machine: () => Machine;
  readonly warn: (message: string) => void;
}
