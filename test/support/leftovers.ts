// What containers leave on a machine: processes, mounts, interfaces, firewall tables, control groups, files.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { openCore } from '../../core/index.ts';
import { isRoot } from './machine.ts';
import { ROOT } from './stack.ts';

/** One line per thing, for example `mount /run/…`. */
export type Traces = ReadonlySet<string>;

/** Everything on this machine that a container of ours might have left; `scratch` is the run's temporary directory. */
export function traces(scratch: string): Traces {
  return new Set([
    ...processes(),
    ...mounts(scratch),
    ...interfaces(),
    ...firewall(),
    ...controlGroups(),
    ...files(scratch),
  ]);
}

/** What is there now and was not before. */
export function newTraces(before: Traces, scratch: string): readonly string[] {
  return [...traces(scratch)].filter((trace) => !before.has(trace)).sort();
}

/**
 * Whether containers that this run did not start are on the machine. What carries no path cannot be told apart then,
 * interfaces and control groups for example.
 */
export function othersRun(scratch: string): boolean {
  return processes().some((line) => line.includes('tscompose-shim') && !line.includes(scratch));
}

function processes(): string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => ({
      pid,
      name: read(`/proc/${pid}/comm`).trim(),
      groups: read(`/proc/${pid}/cgroup`),
      words: read(`/proc/${pid}/cmdline`).replaceAll('\0', ' '),
    }))
    .filter(({ name, groups }) => name.startsWith('tscompose') || groups.includes('/tscompose/'))
    .map(({ pid, name, words }) => `process ${pid} ${name} ${words}`.trim());
}

function mounts(scratch: string): string[] {
  return read('/proc/self/mountinfo')
    .split('\n')
    .filter((line) => line.includes('tscompose') || line.includes(scratch))
    .map((line) => `mount ${line.split(' ')[4]}`);
}

function interfaces(): string[] {
  return readdirSync('/sys/class/net').map((name) => `interface ${name}`);
}

const NETLINK_NETFILTER = 12;
const NFT_MSG_GETTABLE = (10 << 8) | 1;
const NLM_F_REQUEST_DUMP = 0x301;
const HEADER_SIZE = 16 + 4;

/** Names of the tables of nf_tables, asked of the kernel. */
function firewall(): string[] {
  if (!isRoot || !existsSync(join(ROOT, 'core/build/libtscore.so'))) return [];
  const request = Buffer.alloc(HEADER_SIZE);
  request.writeUInt32LE(HEADER_SIZE, 0);
  request.writeUInt16LE(NFT_MSG_GETTABLE, 4);
  request.writeUInt16LE(NLM_F_REQUEST_DUMP, 6);
  request.writeUInt32LE(1, 8);
  const answer = Buffer.from(openCore().netlink(NETLINK_NETFILTER, undefined, request)).toString('latin1');
  return [...answer.matchAll(/tscompose[\w.-]*/g)].map(([name]) => `firewall table ${name}`);
}

function controlGroups(): string[] {
  return list('/sys/fs/cgroup')
    .flatMap((name) => [join('/sys/fs/cgroup', name, 'tscompose'), join('/sys/fs/cgroup', name)])
    .filter((path) => path.endsWith('/tscompose') && existsSync(path))
    .flatMap((path) => directoriesBelow(path))
    .map((path) => `control group ${path}`);
}

function directoriesBelow(path: string): string[] {
  const below = list(path, true).flatMap((name) => directoriesBelow(join(path, name)));
  return [path, ...below];
}

function files(scratch: string): string[] {
  const system = ['/var/lib/tscompose', '/run/tscompose'].flatMap((dir) =>
    list(dir).map((name) => join(dir, name)),
  );
  const temporary = list(scratch)
    .filter((name) => name.startsWith('tscompose'))
    .map((name) => join(scratch, name));
  return [...system, ...temporary].map((path) => `file ${path}`);
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function list(path: string, directoriesOnly = false): string[] {
  try {
    return readdirSync(path, { withFileTypes: true })
      .filter((entry) => !directoriesOnly || entry.isDirectory())
      .map((entry) => entry.name);
  } catch {
    return [];
  }
}
