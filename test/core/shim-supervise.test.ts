// The supervisor: stopping, restarting, pausing, memory, and the death of either side.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { step } from '../../src/containers/steps.ts';
import { eventually } from '../support/eventually.ts';
import { isRoot } from '../support/machine.ts';
import { Container, NEW, PRIVATE, runScript, shimPath, type Wanted } from './support/container.ts';

const v1 = '/sys/fs/cgroup';
const isV1 = existsSync(`${v1}/freezer/cgroup.procs`);
const controllers = isV1 ? ['freezer', 'memory', 'cpuset'] : [''];

let next = 0;

/** A group of its own in each hierarchy that matters, and where its files are. */
function ownGroup(): {
  steps: ReturnType<typeof step>[];
  path: (controller: string) => string;
  isGone: () => boolean;
} {
  const name = `tscompose-supervise-${process.pid}-${next++}`;
  const path = (controller: string) => `${v1}/${isV1 ? controller : ''}/${name}`;
  const steps = controllers.flatMap((one) => [
    step('CGROUP_CREATE', path(one), Number(one === 'cpuset')),
    step('CGROUP_JOIN', path(one), Number(!isV1)),
  ]);
  return { steps, path, isGone: () => controllers.every((one) => !existsSync(path(one))) };
}

async function during<T>(
  script: string,
  wanted: Wanted,
  use: (container: Container) => Promise<T>,
): Promise<T> {
  const container = new Container(['sh', '-c', script], wanted);
  try {
    await container.start();
    return await use(container);
  } finally {
    await container.remove();
  }
}

const FOREVER = 'while :; do sleep 0.01; done';
const ready = (container: Container) => eventually(() => expect(container.output()).toContain('ready'));

describe.skipIf(!isRoot)('the supervisor (needs root)', () => {
  it('stops with the signal of the program and answers when all is over', async () => {
    const script = `trap "echo bye; exit 3" INT; echo ready; ${FOREVER}`;
    await during(
      script,
      { steps: [step('STOP', 2, 60_000), step('RESTART', 'always', 0, -1, 0)] },
      async (one) => {
        await ready(one);
        expect(await one.request('stop')).toBe('ok');
        expect(await one.ended()).toMatchObject({
          state: 'stopped',
          exitCode: 3,
          stopRequested: true,
          restarts: 0,
        });
        expect(one.output()).toContain('bye');
      },
    );
  });

  it('kills what does not stop within the grace', async () => {
    await during(`trap "" TERM; echo ready; ${FOREVER}`, {}, async (one) => {
      await ready(one);
      expect(await one.request('stop 15 50')).toBe('ok');
      expect(await one.ended()).toMatchObject({ exitCode: 137, signal: 9 });
    });
  });

  it('passes signals on, and takes SIGKILL by hand for the wish that it stays away', async () => {
    const script = `trap "echo hup" HUP; echo ready; ${FOREVER}`;
    await during(script, { steps: [step('RESTART', 'always', 0, -1, 0)] }, async (one) => {
      await ready(one);
      expect(await one.request('kill 1')).toBe('ok');
      await eventually(() => expect(one.output()).toContain('hup'));
      expect(await one.request('kill 9')).toBe('ok');
      expect(await one.ended()).toMatchObject({ exitCode: 137, stopRequested: true, restarts: 0 });
    });
  });

  it.each([
    ['no', 0, 'exit 1', 0],
    ['on-failure', 2, 'exit 1', 2],
    ['on-failure', 5, 'exit 0', 0],
    ['always', 3, 'exit 0', 3],
    ['unless-stopped', 1, 'exit 1', 1],
  ])('restarts by policy %s with limit %i: %s', async (policy, limit, script, restarts) => {
    const { status, output } = await runScript(`echo run; ${script}`, {
      steps: [step('RESTART', policy, limit, 0, 0)],
    });
    expect(status).toMatchObject({ state: 'stopped', restarts });
    expect(output).toBe('run\n'.repeat(restarts + 1));
  });

  it('keeps the network namespace over a restart, and nothing else', async () => {
    const script = 'readlink /proc/self/ns/net; [ -e /tmp/kept ] && echo again; touch /tmp/kept; exit 1';
    const { output } = await runScript(script, { steps: [step('RESTART', 'on-failure', 1, 0, 0)] });
    const [first, second, again] = output.split('\n');
    expect(second).toBe(first);
    expect(again).toBe('again');
  });

  it('ends the wait for a restart when asked to stop', async () => {
    await during('exit 1', { steps: [step('RESTART', 'always', 0, 3_600_000, 0)] }, async (one) => {
      await one.until(({ state }) => state === 'restarting');
      expect(await one.request('stop')).toBe('ok');
      expect(await one.ended()).toMatchObject({ state: 'stopped', exitCode: 1, stopRequested: true });
    });
  });

  it('says that a relaunch failed', async () => {
    const { status } = await runScript('mv /usr/bin/sh /usr/bin/gone; exit 1', {
      steps: [step('RESTART', 'on-failure', 3, 0, 0)],
    });
    expect(status).toMatchObject({ state: 'stopped', restarts: 1, error: { step: 'EXEC', errno: 2 } });
  });

  it('pauses, resumes, and kills what is paused', async () => {
    const group = ownGroup();
    await during(`echo ready; ${FOREVER}`, { prepare: group.steps }, async (one) => {
      expect(await one.request('pause')).toBe('ok');
      expect(one.status().state).toBe('paused');
      const frozen = isV1 ? 'FROZEN' : '1';
      const file = isV1 ? `${group.path('freezer')}/freezer.state` : `${group.path('')}/cgroup.freeze`;
      expect(readFileSync(file, 'utf8').trim()).toBe(frozen);
      expect(await one.request('pause')).toMatch(/^error 22\t/);
      expect(await one.request('unpause')).toBe('ok');
      expect(await one.request('pause')).toBe('ok');
      expect(await one.request('kill 9')).toBe('ok');
      expect(await one.ended()).toMatchObject({ state: 'stopped', exitCode: 137 });
    });
    expect(group.isGone()).toBe(true);
  });

  it('tells when the kernel killed it for want of memory', async () => {
    const group = ownGroup();
    const limit = isV1
      ? step('CGROUP_WRITE', `${group.path('memory')}/memory.limit_in_bytes`, '30000000')
      : step('CGROUP_WRITE', `${group.path('')}/memory.max`, '30000000');
    const { status } = await runScript('exec tail /dev/zero', { prepare: [...group.steps, limit] });
    expect(status).toMatchObject({ exitCode: 137, signal: 9, oomKilled: true });
    expect(group.isGone()).toBe(true);
  });

  it('leaves no process behind in a shared process namespace', async () => {
    const group = ownGroup();
    await during(
      'sleep 61 & sleep 62 & echo ready',
      { prepare: group.steps, namespaces: PRIVATE & ~NEW.pid },
      async (one) => {
        expect(await one.ended()).toMatchObject({ state: 'stopped', exitCode: 0 });
      },
    );
    expect(group.isGone()).toBe(true);
  });

  it('dies with its shim', async () => {
    await during(`echo ready; ${FOREVER}`, { steps: [step('USER', 'daemon')] }, async (one) => {
      const { pid } = one.status();
      one.killShim();
      await eventually(() => expect(isAlive(pid)).toBe(false));
    });
  });

  it('undoes everything when who launched it is gone before the start', async () => {
    const group = ownGroup();
    const container = new Container(['sleep', '60'], { prepare: group.steps });
    try {
      const { pid } = await container.until(({ state }) => state === 'created');
      container.hangUp();
      expect(await container.ended()).toMatchObject({ state: 'created', pid: 0, error: null, startedAt: '' });
      expect(isAlive(pid)).toBe(false);
      expect(group.isGone()).toBe(true);
    } finally {
      await container.remove();
    }
  });

  it('has no first process before the word when it is held, and undoes what it has when the word never comes', async () => {
    const group = ownGroup();
    const held = () => new Container(['sh', '-c', 'exit 7'], { prepare: group.steps, args: ['--hold'] });
    const used = held();
    try {
      expect(await used.until(({ state }) => state === 'creating')).toMatchObject({ pid: 0, error: null });
      expect(group.isGone()).toBe(false);
      expect(await used.request('start')).toMatch(/^error \d+\tstart/);
      expect(await used.request('launch')).toBe('ok');
      expect(await used.run()).toMatchObject({ state: 'stopped', exitCode: 7 });
    } finally {
      await used.remove();
    }
    const unused = held();
    try {
      await unused.until(({ state }) => state === 'creating');
      expect(group.isGone()).toBe(false);
      unused.hangUp();
      expect(await unused.ended()).toMatchObject({ state: 'created', pid: 0, error: null });
      expect(group.isGone()).toBe(true);
    } finally {
      await unused.remove();
    }
  });

  it('refuses a second shim on the same directory, and a program that is none', async () => {
    await during(`echo ready; ${FOREVER}`, {}, async (one) => {
      const second = runShim(one.path('launch'), one.path('run'));
      expect(second.stderr).toMatch(/lock .*: Resource temporarily unavailable/);
      expect(second.status).toBe(1);
      writeFileSync(one.path('launch'), 'TSLP and no more');
      mkdirSync(one.path('other'));
      expect(runShim(one.path('launch'), one.path('other')).stderr).toMatch(/decode launch program/);
    });
  });

  it('refuses what is no request, and what makes no sense now', async () => {
    await during(`echo ready; ${FOREVER}`, {}, async (one) => {
      expect(await one.request('dance')).toMatch(/^error 38\trequest\tdance$/);
      expect(await one.request('start')).toMatch(/^error 22\t/);
      expect(await one.request('unpause')).toMatch(/^error 22\t/);
      expect(await one.request('kill x')).toMatch(/^error 22\t/);
      expect(await one.request('ping')).toBe('ok');
    });
  });
});

function isAlive(pid: number): boolean {
  try {
    return !/^State:\tZ/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));
  } catch {
    return false;
  }
}

function runShim(program: string, runDir: string) {
  return spawnSync(shimPath, ['run', '--program', program, '--run-dir', runDir, '--id', 'x'], {
    encoding: 'utf8',
  });
}
