// How a container is watched over: health check, restart policy, stop; service over image.
import type { Service } from '../compose/project.ts';
import { ComposeError } from '../errors.ts';
import { extensionOf } from './extension.ts';
import type { ImageDefaults, ImageHealthcheck } from './program.ts';
import type { HealthRecord, PortRecord, RestartRecord } from './record.ts';
import { durationMs, signalNumber } from './units.ts';

const DEFAULT_INTERVAL_MS = 30_000;
const DEFAULT_TIMEOUT_MS = 30_000;
const DEFAULT_START_INTERVAL_MS = 5000;
const DEFAULT_RETRIES = 3;

/** The health check that holds: each setting of the service, else of the image, else the default. */
export function healthcheckOf(service: Service, image: ImageDefaults): HealthRecord | undefined {
  const { probe, probeSettings } = extensionOf(service);
  const own = { ...service.healthcheck, ...probeSettings };
  const base = image.Healthcheck ?? {};
  const test = probe ? [] : testOf(own.test?.length ? own.test : (base.Test ?? []));
  if (own.disable || test === undefined) return undefined;
  return {
    ...(probe ? { probe } : {}),
    test,
    intervalMs: setting(own.interval, base.Interval, DEFAULT_INTERVAL_MS),
    timeoutMs: setting(own.timeout, base.Timeout, DEFAULT_TIMEOUT_MS),
    startPeriodMs: setting(own.start_period, base.StartPeriod, 0),
    startIntervalMs: setting(own.start_interval, base.StartInterval, DEFAULT_START_INTERVAL_MS),
    retries: own.retries || base.Retries || DEFAULT_RETRIES,
  };
}

function testOf(
  test: readonly string[] | NonNullable<ImageHealthcheck['Test']>,
): readonly string[] | undefined {
  const [kind, ...rest] = test;
  switch (kind) {
    case undefined:
    case 'NONE':
      return undefined;
    case 'CMD':
      return rest;
    case 'CMD-SHELL':
      return ['/bin/sh', '-c', rest.join(' ')];
    default:
      throw new ComposeError('invalid-value', `healthcheck.test begins with ${JSON.stringify(kind)}`, {
        hint: 'it begins with CMD, CMD-SHELL or NONE',
        path: 'healthcheck.test',
      });
  }
}

function setting(own: string | undefined, imageNs: number | undefined, fallback: number): number {
  const ownMs = own === undefined ? 0 : Math.ceil(durationMs(own));
  return ownMs || Math.ceil((imageNs ?? 0) / 1e6) || fallback;
}

const NEVER: RestartRecord = { policy: 'no', attempts: 0, delayMs: -1, windowMs: 0 };

/** `deploy.restart_policy` wins over `restart`, as in Compose. */
export function restartOf(service: Service): RestartRecord {
  const policy = service.deploy?.restart_policy;
  if (policy) return deployRestart(policy);
  const [name = '', count] = (service.restart ?? 'no').split(':');
  switch (name) {
    case '':
    case 'no':
      return NEVER;
    case 'always':
    case 'unless-stopped':
      return { ...NEVER, policy: name };
    case 'on-failure':
      return { ...NEVER, policy: name, attempts: Number(count ?? 0) || 0 };
    default:
      throw new ComposeError('invalid-value', `unknown restart policy ${JSON.stringify(service.restart)}`, {
        hint: 'known are no, always, unless-stopped and on-failure[:COUNT]',
        path: 'restart',
      });
  }
}

const CONDITIONS: Readonly<Record<string, RestartRecord['policy']>> = {
  none: 'no',
  no: 'no',
  any: 'always',
  always: 'always',
  'unless-stopped': 'unless-stopped',
  'on-failure': 'on-failure',
};

function deployRestart(asked: NonNullable<NonNullable<Service['deploy']>['restart_policy']>): RestartRecord {
  const policy = CONDITIONS[asked.condition || 'any'];
  if (policy === undefined) {
    throw new ComposeError('invalid-value', `unknown restart condition ${JSON.stringify(asked.condition)}`, {
      hint: 'known are none, on-failure and any',
      path: 'deploy.restart_policy.condition',
    });
  }
  return {
    policy,
    attempts: asked.max_attempts ?? 0,
    delayMs: asked.delay === undefined ? -1 : Math.round(durationMs(asked.delay)),
    windowMs: asked.window === undefined ? 0 : Math.round(durationMs(asked.window)),
  };
}

const DEFAULT_GRACE_MS = 10_000;

/** The signal that asks the container to end, and how long it may take. */
export function stopOf(
  service: Service,
  image: ImageDefaults,
): { readonly signal: number; readonly graceMs: number } {
  const grace = service.stop_grace_period;
  return {
    signal: signalNumber(service.stop_signal || image.StopSignal || 'SIGTERM'),
    graceMs: grace === undefined ? DEFAULT_GRACE_MS : Math.round(durationMs(grace)),
  };
}

export function portsOf(service: Service): readonly PortRecord[] {
  return (service.ports ?? []).map(({ target, protocol = 'tcp', host_ip, published }) => ({
    target,
    protocol,
    ...(host_ip ? { hostIp: host_ip } : {}),
    ...(published ? { published: /^\d+$/.test(published) ? Number(published) : published } : {}),
  }));
}

/** `80/tcp`, from the service and its image. */
export function exposedOf(service: Service, image: ImageDefaults): readonly string[] {
  const listed = [...(service.expose ?? []), ...Object.keys(image.ExposedPorts ?? {})];
  return [...new Set(listed.map((port) => (port.includes('/') ? port : `${port}/tcp`)))];
}
