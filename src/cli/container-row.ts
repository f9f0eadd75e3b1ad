// A container as `ps` shows it, with the field names that scripts know from other tools.
import type { ContainerRecord } from '../containers/record.ts';
import { dockerState, type Status } from '../containers/status.ts';
import type { Row } from './listing.ts';
import { humanDuration, truncate } from './output.ts';

/** Where a port of a container can be reached; `PublishedPort` 0: only exposed. */
export interface Publisher {
  readonly URL: string;
  readonly TargetPort: number;
  readonly PublishedPort: number;
  readonly Protocol: string;
}

export interface RowOptions {
  /** Milliseconds since the epoch that "2 minutes ago" counts from. */
  readonly now: number;
  /** Full ids and commands. */
  readonly noTrunc: boolean;
}

const COMMAND_LENGTH = 20;

/** The row of a container. `Label` and `Publishers` are for templates and JSON. */
export function containerRow(
  record: ContainerRecord,
  status: Status,
  publishers: readonly Publisher[],
  { now, noTrunc }: RowOptions,
): Row {
  const state = dockerState(status);
  const command = JSON.stringify(record.command.join(' '));
  return {
    Command: noTrunc ? command : `"${truncate(command.slice(1, -1), COMMAND_LENGTH)}"`,
    CreatedAt: record.created,
    ExitCode: state === 'exited' || state === 'dead' ? status.exitCode : 0,
    Health: status.health !== null && state === 'running' ? status.health.status : '',
    ID: noTrunc ? record.id : record.id.slice(0, 12),
    Image: record.image.name,
    Labels: labelText(record.labels),
    LocalVolumes: String(record.mounts.filter((mount) => mount.type === 'volume').length),
    Mounts: record.mounts.map((mount) => mount.name ?? mount.source).join(','),
    Name: record.name,
    Names: record.name,
    Networks: record.networks.map((network) => network.name).join(','),
    Ports: portsText(publishers),
    Project: record.project,
    Publishers: publishers,
    RunningFor: `${humanDuration(now - Date.parse(record.created))} ago`,
    Service: record.service,
    Size: '0B',
    State: state,
    Status: statusText(status, now),
    Label: (name: unknown) => record.labels[String(name)] ?? '',
  };
}

function labelText(labels: Readonly<Record<string, string>>): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}=${value}`)
    .sort()
    .join(',');
}

/** `Up 2 minutes (healthy)`, `Exited (1) 3 seconds ago`. */
export function statusText(status: Status, now: number): string {
  const since = (time: string) => humanDuration(Math.max(0, now - Date.parse(time)));
  const state = dockerState(status);
  switch (state) {
    case 'created':
      return status.error === null ? 'Created' : `Created (${status.error.step} failed)`;
    case 'running':
      return `Up ${since(status.startedAt)}${healthText(status)}`;
    case 'paused':
      return `Up ${since(status.startedAt)} (Paused)`;
    case 'restarting':
      return `Restarting (${status.exitCode})${ago(status, since)}`;
    case 'exited':
      return `Exited (${status.exitCode})${ago(status, since)}`;
    case 'dead':
      return 'Dead';
  }
}

function ago({ finishedAt }: Status, since: (time: string) => string): string {
  return finishedAt === '' ? '' : ` ${since(finishedAt)} ago`;
}

function healthText({ health }: Status): string {
  if (health === null) return '';
  return health.status === 'starting' ? ' (health: starting)' : ` (${health.status})`;
}

/** `0.0.0.0:8000-8001->80-81/tcp, 53/udp`: consecutive ports are put together. */
export function portsText(publishers: readonly Publisher[]): string {
  return groups(publishers).map(groupText).join(', ');
}

interface Group {
  readonly first: Publisher;
  last: Publisher;
}

function groups(publishers: readonly Publisher[]): readonly Group[] {
  const result: Group[] = [];
  for (const publisher of [...publishers].sort(byPort)) {
    const current = result.at(-1);
    if (current && continues(current.last, publisher)) current.last = publisher;
    else result.push({ first: publisher, last: publisher });
  }
  return result;
}

function byPort(a: Publisher, b: Publisher): number {
  if (a.Protocol !== b.Protocol) return a.Protocol < b.Protocol ? -1 : 1;
  if (a.URL !== b.URL) return a.URL < b.URL ? -1 : 1;
  return a.TargetPort - b.TargetPort || a.PublishedPort - b.PublishedPort;
}

function continues(last: Publisher, next: Publisher): boolean {
  if (last.URL !== next.URL || last.Protocol !== next.Protocol) return false;
  if (next.TargetPort !== last.TargetPort + 1) return false;
  return last.PublishedPort === 0 ? next.PublishedPort === 0 : next.PublishedPort === last.PublishedPort + 1;
}

function groupText({ first, last }: Group): string {
  const target = `${range(first.TargetPort, last.TargetPort)}/${first.Protocol}`;
  if (first.PublishedPort === 0) return target;
  const host = first.URL.includes(':') ? `[${first.URL}]` : first.URL;
  return `${host}:${range(first.PublishedPort, last.PublishedPort)}->${target}`;
}

function range(from: number, to: number): string {
  return from === to ? String(from) : `${from}-${to}`;
}
