// CPU, memory, I/O and pids: the attributes of a service as OCI resources.
import type { BlkioConfig, Service } from '../compose/project.ts';
import { ComposeError } from '../errors.ts';
import { extensionOf } from './extension.ts';
import type { Machine } from './machine.ts';
import type { OciDeviceRule, OciResources, OciThrottle } from './oci.ts';
import { byteCount, durationMs } from './units.ts';

const DEFAULT_PERIOD_US = 100_000;

/** Limits of a service; `deploy.resources` wins over the attributes of the service itself, as in Compose. */
export function resourcesOf(
  service: Service,
  devices: readonly OciDeviceRule[],
  machine: Pick<Machine, 'device' | 'cpus'>,
): OciResources {
  const memory = memoryOf(service);
  const cpu = cpuOf(service, machine.cpus);
  const pids = service.deploy?.resources?.limits?.pids ?? service.pids_limit;
  const { hugetlb } = extensionOf(service);
  const blockIO = service.blkio_config && blockIOOf(service.blkio_config, machine);
  return {
    devices,
    ...(memory && { memory }),
    ...(cpu && { cpu }),
    ...(pids === undefined || pids === 0 ? {} : { pids: { limit: pids } }),
    ...(blockIO && { blockIO }),
    ...(hugetlb.length > 0 ? { hugepageLimits: hugetlb } : {}),
  };
}

function memoryOf(service: Service): OciResources['memory'] {
  const { limits, reservations } = service.deploy?.resources ?? {};
  const limit = positive(limits?.memory ?? service.mem_limit);
  const reservation = positive(reservations?.memory ?? service.mem_reservation);
  const swap = swapOf(service, limit);
  const swappiness = service.mem_swappiness === undefined ? undefined : Number(service.mem_swappiness);
  const memory = {
    ...(limit === undefined ? {} : { limit }),
    ...(reservation === undefined ? {} : { reservation }),
    ...(swap === undefined ? {} : { swap }),
    ...(swappiness === undefined || swappiness < 0 ? {} : { swappiness }),
    ...(service.oom_kill_disable ? { disableOOMKiller: true } : {}),
  };
  return Object.keys(memory).length === 0 ? undefined : memory;
}

// As in Docker: a memory limit alone allows as much swap again.
function swapOf(service: Service, limit: number | undefined): number | undefined {
  const asked = service.memswap_limit === undefined ? 0 : byteCount(service.memswap_limit);
  if (asked < 0) return -1;
  if (asked === 0) return limit === undefined ? undefined : 2 * limit;
  if (limit === undefined) {
    throw new ComposeError(
      'conflicting-keys',
      'memswap_limit needs mem_limit: it counts memory and swap together',
      { path: 'memswap_limit' },
    );
  }
  if (asked < limit) {
    throw new ComposeError(
      'invalid-value',
      'memswap_limit counts memory and swap together: it cannot be below mem_limit',
      { path: 'memswap_limit' },
    );
  }
  return asked;
}

function positive(bytes: string | number | undefined): number | undefined {
  if (bytes === undefined) return undefined;
  const count = byteCount(bytes);
  return count > 0 ? count : undefined;
}

function cpuOf(service: Service, cpus: number): OciResources['cpu'] {
  const cpu = {
    ...bandwidth(service, cpus),
    ...(service.cpu_shares ? { shares: service.cpu_shares } : {}),
    ...(service.cpuset ? { cpus: service.cpuset } : {}),
    ...microsecondsOf('realtimePeriod', service.cpu_rt_period),
    ...microsecondsOf('realtimeRuntime', service.cpu_rt_runtime),
  };
  return Object.keys(cpu).length === 0 ? undefined : cpu;
}

function bandwidth(service: Service, available: number) {
  const cpus = Number(service.deploy?.resources?.limits?.cpus ?? service.cpus ?? 0);
  const period = microseconds(service.cpu_period);
  const quota = microseconds(service.cpu_quota);
  if (cpus > 0) {
    if (cpus > available) {
      throw new ComposeError('invalid-value', `${cpus} cpus are wanted, this machine has ${available}`, {
        path: 'cpus',
      });
    }
    const periodUs = period ?? DEFAULT_PERIOD_US;
    return { quota: Math.round(cpus * periodUs), period: periodUs };
  }
  return { ...(quota ? { quota } : {}), ...(period ? { period } : {}) };
}

function microsecondsOf<K extends string>(key: K, value: string | number | undefined) {
  const us = microseconds(value);
  return us ? { [key]: us } : {};
}

// A bare number is microseconds, as in Docker.
function microseconds(value: string | number | undefined): number | undefined {
  if (value === undefined || value === '' || value === 0) return undefined;
  if (typeof value === 'number' || /^-?\d+$/.test(value)) return Number(value);
  return Math.round(durationMs(value) * 1000);
}

function blockIOOf(config: BlkioConfig, machine: Pick<Machine, 'device'>): OciResources['blockIO'] {
  const throttles = (list: readonly { Path: string; Rate: number | string }[] | undefined) =>
    list?.map(({ Path, Rate }): OciThrottle => ({ ...numbersOf(Path, machine), rate: rateOf(Rate) }));
  const entries = {
    weight: config.weight || undefined,
    weightDevice: config.weight_device?.map(({ Path, Weight }) => ({
      ...numbersOf(Path, machine),
      weight: Weight,
    })),
    throttleReadBpsDevice: throttles(config.device_read_bps),
    throttleWriteBpsDevice: throttles(config.device_write_bps),
    throttleReadIOPSDevice: throttles(config.device_read_iops),
    throttleWriteIOPSDevice: throttles(config.device_write_iops),
  };
  return Object.fromEntries(Object.entries(entries).filter(([, value]) => value !== undefined));
}

const SUFFIX: Readonly<Record<string, number>> = { '': 1, k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40 };

function rateOf(rate: number | string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([kmgt]?)(?:i?b)?$/i.exec(String(rate).trim());
  if (match === null) {
    throw new ComposeError('invalid-value', `${JSON.stringify(rate)} is no rate`, { path: 'blkio_config' });
  }
  return Math.round(Number(match[1]) * (SUFFIX[(match[2] ?? '').toLowerCase()] ?? 1));
}

function numbersOf(path: string, machine: Pick<Machine, 'device'>): { major: number; minor: number } {
  const node = machine.device(path);
  if (node === undefined)
    throw new ComposeError('invalid-value', `blkio_config: ${path} is no device of this machine`, {
      path: 'blkio_config',
    });
  return { major: node.major, minor: node.minor };
}
