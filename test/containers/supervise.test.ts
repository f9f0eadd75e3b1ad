// Health checks, restart policies, stop signals, ports: service over image over default.

import { describe, expect, test } from 'vitest';
import { exposedOf, healthcheckOf, portsOf, restartOf, stopOf } from '../../src/containers/supervise.ts';
import { durationMs, signalNumber } from '../../src/containers/units.ts';
import { service } from './world.ts';

const invalid = expect.objectContaining({ code: 'invalid-value' });

describe('healthcheck', () => {
  const image = { Healthcheck: { Test: ['CMD', 'probe'], Interval: 5e9, Retries: 7 } };
  test('each setting of the service, else of the image, else the default', () => {
    expect(healthcheckOf(service({ healthcheck: { timeout: '1s' } }), image)).toEqual({
      test: ['probe'],
      intervalMs: 5000,
      timeoutMs: 1000,
      startPeriodMs: 0,
      startIntervalMs: 5000,
      retries: 7,
    });
    const own = {
      test: ['CMD-SHELL', 'a && b'],
      interval: '1m30s',
      start_period: '2s',
      start_interval: '100ms',
      retries: 1,
    };
    expect(healthcheckOf(service({ healthcheck: own }), image)).toEqual({
      test: ['/bin/sh', '-c', 'a && b'],
      intervalMs: 90_000,
      timeoutMs: 30_000,
      startPeriodMs: 2000,
      startIntervalMs: 100,
      retries: 1,
    });
  });
  test('none', () => {
    expect(healthcheckOf(service(), {})).toBeUndefined();
    expect(healthcheckOf(service({ healthcheck: { disable: true } }), image)).toBeUndefined();
    expect(healthcheckOf(service({ healthcheck: { test: ['NONE'] } }), image)).toBeUndefined();
    expect(() => healthcheckOf(service({ healthcheck: { test: ['probe'] } }), {})).toThrow(invalid);
  });
});

test('restart', () => {
  const policy = (restart?: string) => restartOf(service(restart === undefined ? {} : { restart }));
  expect(policy()).toEqual({ policy: 'no', attempts: 0, delayMs: -1, windowMs: 0 });
  expect(policy('on-failure:3')).toMatchObject({ policy: 'on-failure', attempts: 3 });
  expect(policy('unless-stopped').policy).toBe('unless-stopped');
  expect(() => policy('sometimes')).toThrow(invalid);
  const deploy = { restart_policy: { condition: 'any', delay: '5s', max_attempts: 2, window: '1m' } };
  expect(restartOf(service({ restart: 'no', deploy }))).toEqual({
    policy: 'always',
    attempts: 2,
    delayMs: 5000,
    windowMs: 60_000,
  });
});

test('stop_signal and stop_grace_period', () => {
  expect(stopOf(service(), {})).toEqual({ signal: 15, graceMs: 10_000 });
  expect(stopOf(service({ stop_grace_period: '1m' }), { StopSignal: 'SIGQUIT' })).toEqual({
    signal: 3,
    graceMs: 60_000,
  });
  expect(['9', 'usr1', 'SIGRTMIN+3', 'RTMAX-1'].map(signalNumber)).toEqual([9, 10, 37, 63]);
  expect(() => signalNumber('SIGWHAT')).toThrow(invalid);
});

test('durations', () => {
  expect(['1h2m3s', '1.5s', '100ms', '500µs', '0'].map(durationMs)).toEqual([3_723_000, 1500, 100, 0.5, 0]);
  expect(() => durationMs('5')).toThrow(invalid);
  expect(() => durationMs('1s x')).toThrow(invalid);
});

test('ports and expose', () => {
  const ports = [
    { target: 80, published: '8080', host_ip: '127.0.0.1' },
    { target: 53, protocol: 'udp', published: '5000-5010' },
    { target: 1 },
  ];
  expect(portsOf(service({ ports }))).toEqual([
    { target: 80, protocol: 'tcp', hostIp: '127.0.0.1', published: 8080 },
    { target: 53, protocol: 'udp', published: '5000-5010' },
    { target: 1, protocol: 'tcp' },
  ]);
  expect(exposedOf(service({ expose: ['80', '53/udp'] }), { ExposedPorts: { '80/tcp': {} } })).toEqual([
    '80/tcp',
    '53/udp',
  ]);
});
