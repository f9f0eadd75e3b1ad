// The control groups of a container that has no supervisor: who is in them, freezing, killing, removing.
import { existsSync, readdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';
import { ComposeError } from '../../errors.ts';

const ATTEMPTS = 500;
const PAUSE_MS = 10;

/** Waits without an event loop: the kernel tells nobody when a group is free or frozen. */
export function pause(ms = PAUSE_MS): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** Pids in the groups and in groups below them, each once. */
export function processesIn(cgroups: readonly string[]): readonly number[] {
  const pids = cgroups.flatMap((directory) => [
    ...read(`${directory}/cgroup.procs`).split('\n').filter(Boolean).map(Number),
    ...processesIn(childrenOf(directory)),
  ]);
  return [...new Set(pids)].sort((a, b) => a - b);
}

function childrenOf(directory: string): string[] {
  try {
    const entries = readdirSync(directory, { withFileTypes: true });
    return entries.filter((entry) => entry.isDirectory()).map(({ name }) => `${directory}/${name}`);
  } catch {
    return [];
  }
}

interface Freezer {
  readonly file: string;
  readonly frozen: string;
  readonly thawed: string;
  /** File and text that say that all are frozen. */
  readonly told: readonly [file: string, text: string];
}

function freezerOf(cgroups: readonly string[]): Freezer | undefined {
  for (const directory of cgroups) {
    const v1 = `${directory}/freezer.state`;
    if (existsSync(v1)) return { file: v1, frozen: 'FROZEN', thawed: 'THAWED', told: [v1, 'FROZEN'] };
    const v2 = `${directory}/cgroup.freeze`;
    if (existsSync(v2)) {
      return { file: v2, frozen: '1', thawed: '0', told: [`${directory}/cgroup.events`, 'frozen 1'] };
    }
  }
  return undefined;
}

export function isFrozen(cgroups: readonly string[]): boolean {
  const freezer = freezerOf(cgroups);
  return freezer !== undefined && read(freezer.told[0]).includes(freezer.told[1]);
}

/** Freezes or thaws; throws ComposeError `unsupported` where there is no freezer. */
export function freeze(cgroups: readonly string[], frozen: boolean): void {
  const freezer = freezerOf(cgroups);
  if (freezer === undefined) throw new ComposeError('unsupported', 'the container has no freezer');
  writeFileSync(freezer.file, frozen ? freezer.frozen : freezer.thawed);
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    if (isFrozen(cgroups) === frozen) return;
    pause();
  }
  throw new ComposeError(
    'timeout',
    `the processes of the container could not be ${frozen ? 'frozen' : 'thawed'}`,
  );
}

/** Ends every process in the groups, and waits until they are gone. */
export function killAll(cgroups: readonly string[]): void {
  const whole = cgroups.find((directory) => existsSync(`${directory}/cgroup.kill`));
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const left = processesIn(cgroups);
    if (left.length === 0) return;
    if (whole === undefined) for (const pid of left) signal(pid, 'SIGKILL');
    else writeFileSync(`${whole}/cgroup.kill`, '1');
    if (isFrozen(cgroups)) freeze(cgroups, false);
    pause();
  }
}

/** One that is gone already is fine. */
export function signal(pid: number, name: string | number): boolean {
  try {
    process.kill(pid, name);
    return true;
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ESRCH') return false;
    throw cause;
  }
}

/** Removes the groups with all below them. */
export function removeGroups(cgroups: readonly string[]): void {
  for (const directory of cgroups) {
    removeGroups(childrenOf(directory));
    for (let attempt = 0; attempt < ATTEMPTS && !removed(directory); attempt++) pause();
  }
}

function removed(directory: string): boolean {
  try {
    rmdirSync(directory);
    return true;
  } catch (cause) {
    return (cause as NodeJS.ErrnoException).code !== 'EBUSY';
  }
}
