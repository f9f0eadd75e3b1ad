// What a container uses, read from its control groups and its network namespace.
import { existsSync, readFileSync } from 'node:fs';
import { totalmem } from 'node:os';
import type { ContainerRecord } from '../containers/record.ts';
import type { Status } from '../containers/status.ts';
import type { Row } from './listing.ts';
import { binarySize, decimalSize } from './output.ts';
import { pidsOf } from './processes.ts';

/** One reading; counters grow from the container's start. */
export interface Usage {
  readonly atNs: bigint;
  readonly cpuNs: number;
  readonly memoryBytes: number;
  /** Of the machine when the container has no limit. */
  readonly memoryLimit: number;
  readonly received: number;
  readonly sent: number;
  readonly read: number;
  readonly written: number;
  readonly pids: number;
}

/** Reads the counters; what the kernel does not count is 0. */
export function readUsage(record: ContainerRecord, status: Status): Usage {
  const network = interfaces(status);
  const disk = blockIo(record);
  return {
    atNs: process.hrtime.bigint(),
    cpuNs: cpu(record),
    ...memory(record),
    ...network,
    ...disk,
    pids: pidsOf(record).length,
  };
}

function cpu(record: ContainerRecord): number {
  const v2 = /^usage_usec (\d+)/m.exec(firstOf(record, 'cpu.stat'))?.[1];
  return v2 === undefined ? Number(firstOf(record, 'cpuacct.usage') || 0) : Number(v2) * 1000;
}

function memory(record: ContainerRecord): { readonly memoryBytes: number; readonly memoryLimit: number } {
  const total = totalmem();
  const used = Number(firstOf(record, 'memory.current') || firstOf(record, 'memory.usage_in_bytes') || 0);
  const cache = Number(/^(?:total_)?inactive_file (\d+)/m.exec(firstOf(record, 'memory.stat'))?.[1] ?? 0);
  const limit = Number(firstOf(record, 'memory.max') || firstOf(record, 'memory.limit_in_bytes'));
  return {
    memoryBytes: Math.max(0, used - cache),
    memoryLimit: limit > 0 && limit < total ? limit : total,
  };
}

function interfaces({ pid }: Status): { readonly received: number; readonly sent: number } {
  const lines = (pid > 0 ? read(`/proc/${pid}/net/dev`) : '').split('\n').slice(2);
  let received = 0;
  let sent = 0;
  for (const line of lines) {
    const [name = '', numbers = ''] = line.split(':');
    if (name.trim() === 'lo' || numbers === '') continue;
    const fields = numbers.trim().split(/\s+/).map(Number);
    received += fields[0] ?? 0;
    sent += fields[8] ?? 0;
  }
  return { received, sent };
}

function blockIo(record: ContainerRecord): { readonly read: number; readonly written: number } {
  const v2 = firstOf(record, 'io.stat');
  if (v2 !== '') return { read: sum(v2, /rbytes=(\d+)/g), written: sum(v2, /wbytes=(\d+)/g) };
  const v1 = firstOf(record, 'blkio.throttle.io_service_bytes');
  return { read: sum(v1, /Read (\d+)/g), written: sum(v1, /Write (\d+)/g) };
}

function sum(text: string, pattern: RegExp): number {
  return [...text.matchAll(pattern)].reduce((total, [, number]) => total + Number(number), 0);
}

function firstOf({ cgroups }: ContainerRecord, file: string): string {
  const path = cgroups.map((directory) => `${directory}/${file}`).find((candidate) => existsSync(candidate));
  return path === undefined ? '' : read(path).trim();
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return ''; // the container ended meanwhile
  }
}

/** The row of a container; its share of the processors is that since `before`. */
export function usageRow(
  record: ContainerRecord,
  before: Usage | undefined,
  now: Usage,
  noTrunc: boolean,
): Row {
  const share = (part: number, whole: number) => `${(whole > 0 ? (part / whole) * 100 : 0).toFixed(2)}%`;
  const elapsedNs = before ? Number(now.atNs - before.atNs) : 0;
  return {
    BlockIO: `${decimalSize(now.read)} / ${decimalSize(now.written)}`,
    CPUPerc: share(before ? now.cpuNs - before.cpuNs : 0, elapsedNs),
    Container: record.id.slice(0, 12),
    ID: noTrunc ? record.id : record.id.slice(0, 12),
    MemPerc: share(now.memoryBytes, now.memoryLimit),
    MemUsage: `${binarySize(now.memoryBytes)} / ${binarySize(now.memoryLimit)}`,
    Name: record.name,
    NetIO: `${decimalSize(now.received)} / ${decimalSize(now.sent)}`,
    PIDs: String(now.pids),
  };
}
