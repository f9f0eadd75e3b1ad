// Reading the state of a container from its files, with the lock as the sign of life.
import { once } from 'node:events';
import { closeSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openCore } from '../../core/index.ts';
import type { ContainerRecord } from '../../src/containers/record.ts';
import { dockerState, isAlive, readStatus, sight } from '../../src/containers/status.ts';
import { enterBoot } from '../../src/state/boot.ts';
import type { Context } from '../../src/state/context.ts';
import { bootIdFile, containerFiles } from '../../src/state/layout.ts';

const id = 'ef'.repeat(32);
const RUNNING = {
  version: 1,
  id,
  state: 'running',
  shim: 10,
  shimStart: 20,
  pid: 11,
  pidStart: 21,
  startedAt: '2024-01-01T00:00:00.5Z',
  finishedAt: '',
  exitCode: 0,
  signal: 0,
  oomKilled: false,
  restarts: 0,
  stopRequested: false,
  health: { status: 'healthy', failing: 0, log: [{ start: 'a', end: 'b', exitCode: 0, output: 'c' }] },
  error: null,
};

let ctx: Context;
beforeEach(() => {
  const stateDir = mkdtempSync(join(tmpdir(), 'tscompose-status-'));
  ctx = { layout: { stateDir, runDir: join(stateDir, 'run') }, core: openCore() };
  mkdirSync(containerFiles(ctx.layout, id).runDir, { recursive: true });
});
afterEach(() => rmSync(ctx.layout.stateDir, { recursive: true, force: true }));

const write = (more = {}) =>
  writeFileSync(containerFiles(ctx.layout, id).status, JSON.stringify({ ...RUNNING, ...more }));

describe('the state of a container', () => {
  test('is what the shim wrote while it lives', () => {
    write();
    const fd = ctx.core.lock(containerFiles(ctx.layout, id).lock, { exclusive: true });
    const status = readStatus(ctx, id);
    expect(status).toMatchObject({ state: 'running', pid: 11, health: RUNNING.health });
    expect([dockerState(status), isAlive(status)]).toEqual(['running', true]);
    if (fd !== undefined) ctx.core.close(fd);
  });

  test('is lost when nobody holds the lock', () => {
    write();
    const status = readStatus(ctx, id);
    expect(status).toMatchObject({ state: 'lost', shim: 0, pid: 11, exitCode: 255 });
    expect([dockerState(status), isAlive(status)]).toEqual(['dead', false]);
  });

  test('of many is known from the sockets of their shims', async () => {
    const directory = openSync(containerFiles(ctx.layout, id).runDir, 'r');
    const server = createServer().listen(`/proc/self/fd/${directory}/sock`);
    await once(server, 'listening');
    const line = readFileSync('/proc/net/unix', 'utf8')
      .split('\n')
      .find((entry) => entry.endsWith(` /proc/self/fd/${directory}/sock`));
    write({ socket: Number(line?.split(/ +/)[6]) });
    // So many that not each is looked at alone.
    const records = Array.from({ length: 20 }, () => ({ id }) as ContainerRecord);
    expect(sight(ctx, records).map(({ status }) => status.state)).toEqual(records.map(() => 'running'));
    server.close();
    await once(server, 'close');
    expect(new Set(sight(ctx, records).map(({ status }) => status.state))).toEqual(new Set(['lost']));
    closeSync(directory);
  });

  test('is created when the launch was given up', () => {
    write({ state: 'creating', health: null });
    expect(readStatus(ctx, id).state).toBe('created');
  });

  test('is final without a lock', () => {
    write({ state: 'stopped', exitCode: 137, signal: 9, oomKilled: true });
    expect(readStatus(ctx, id)).toMatchObject({ state: 'stopped', exitCode: 137, oomKilled: true });
    const error = { errno: 2, step: 'EXEC', path: '/x', message: 'm' };
    write({ state: 'created', error });
    expect(readStatus(ctx, id)).toMatchObject({ state: 'created', error });
  });

  test('after a reboot: stopped when it was launched before, created when not', () => {
    expect(readStatus(ctx, id).state).toBe('created');
    mkdirSync(containerFiles(ctx.layout, id).launched, { recursive: true });
    expect(readStatus(ctx, id)).toMatchObject({ state: 'stopped', exitCode: 255 });
  });

  test('is state-corrupt when it cannot be understood', () => {
    write({ state: 'flying' });
    expect(() => readStatus(ctx, id)).toThrow(expect.objectContaining({ code: 'state-corrupt' }));
  });
});

test('a new boot empties the run directory, the same one does not', () => {
  write();
  expect(enterBoot(ctx)).toBe(true);
  expect(readStatus(ctx, id).state).toBe('lost');
  expect(enterBoot(ctx)).toBe(false);
  writeFileSync(bootIdFile(ctx.layout), 'an earlier one\n');
  expect(enterBoot(ctx)).toBe(true);
  expect(readStatus(ctx, id).state).toBe('created');
});
