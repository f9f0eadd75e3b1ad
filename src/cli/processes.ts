// The processes of a container as the kernel lists them in its control group.
import { readFileSync } from 'node:fs';
import type { ContainerRecord } from '../containers/record.ts';

export interface ContainerProcess {
  /** Name of the user on this machine, or the number. */
  readonly user: string;
  readonly pid: number;
  readonly parent: number;
  /** `HH:MM`. */
  readonly started: string;
  readonly terminal: string;
  /** `HH:MM:SS`. */
  readonly cpuTime: string;
  readonly command: string;
}

/** Clock ticks a second in /proc, the same on every Linux. */
const TICKS = 100;

/** Every process of the container, the first one first; those that ended meanwhile are left out. */
export function processesIn(record: ContainerRecord): readonly ContainerProcess[] {
  const users = userNames();
  const booted = bootTimeMs();
  return pidsOf(record).flatMap((pid) => describe(pid, users, booted) ?? []);
}

/** Numbers of the processes of a container, ascending. */
export function pidsOf({ cgroups }: ContainerRecord): readonly number[] {
  const pids = cgroups.flatMap((directory) => read(`${directory}/cgroup.procs`).split('\n'));
  return [...new Set(pids.filter((pid) => pid !== '').map(Number))].sort((a, b) => a - b);
}

function describe(
  pid: number,
  users: ReadonlyMap<string, string>,
  booted: number,
): ContainerProcess | undefined {
  const stat = read(`/proc/${pid}/stat`);
  if (stat === '') return undefined;
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  const number = (field: number) => Number(fields[field - 3] ?? 0);
  const uid = /^Uid:\s+(\d+)/m.exec(read(`/proc/${pid}/status`))?.[1] ?? '0';
  const argv = read(`/proc/${pid}/cmdline`).replaceAll('\0', ' ').trimEnd();
  const started = new Date(booted + (number(22) / TICKS) * 1000);
  return {
    user: users.get(uid) ?? uid,
    pid,
    parent: number(4),
    started: started.toTimeString().slice(0, 5),
    terminal: terminalName(number(7)),
    cpuTime: new Date(((number(14) + number(15)) / TICKS) * 1000).toISOString().slice(11, 19),
    command: argv || `[${stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')'))}]`,
  };
}

const UNIX98_MAJOR = 136;

function terminalName(device: number): string {
  if (device === 0) return '?';
  const major = (device >> 8) & 0xfff;
  const minor = (device & 0xff) | ((device >> 12) & 0xfff00);
  return major === UNIX98_MAJOR ? `pts/${minor}` : `${major}:${minor}`;
}

function userNames(): ReadonlyMap<string, string> {
  return new Map(
    read('/etc/passwd')
      .split('\n')
      .map((line) => line.split(':'))
      .map(([name = '', , uid = '']) => [uid, name]),
  );
}

function bootTimeMs(): number {
  return Number(/^btime (\d+)/m.exec(read('/proc/stat'))?.[1] ?? 0) * 1000;
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
