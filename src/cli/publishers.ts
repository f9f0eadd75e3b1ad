// Where the ports of a container can be reached, in the shape that `ps --format json` has.
import type { ContainerRecord } from '../containers/record.ts';
import { isAlive, type Status } from '../containers/status.ts';
import { publishedPorts } from '../engine/ports.ts';
import type { Context } from '../state/context.ts';
import type { Publisher } from './container-row.ts';

/** Published ports, one for each family when no host address was asked for, and ports that are only exposed. */
export function publishersOf(state: Context, record: ContainerRecord, status: Status): readonly Publisher[] {
  if (!isAlive(status)) return [];
  const published = publishedPorts(state, record).flatMap(({ protocol, hostIp, hostPort, containerPort }) =>
    (hostIp === '' ? ['0.0.0.0', '::'] : [hostIp]).map((URL) => ({
      URL,
      TargetPort: containerPort,
      PublishedPort: hostPort,
      Protocol: protocol,
    })),
  );
  return [...published, ...exposedOnly(record, published)];
}

function exposedOnly({ exposed }: ContainerRecord, published: readonly Publisher[]): readonly Publisher[] {
  return exposed.flatMap((port) => {
    const [number = '', Protocol = 'tcp'] = port.split('/');
    const TargetPort = Number(number);
    const isPublished = published.some((one) => one.TargetPort === TargetPort && one.Protocol === Protocol);
    return isPublished || Number.isNaN(TargetPort)
      ? []
      : [{ URL: '', TargetPort, PublishedPort: 0, Protocol }];
  });
}
