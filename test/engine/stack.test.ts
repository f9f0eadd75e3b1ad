// Whole stacks on the real runtime: up, change, scale, restart, down, and what faults leave.
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Service } from '../../src/compose/project.ts';
import { ComposeError } from '../../src/errors.ts';
import type { Goal } from '../../src/plan/goal.ts';
import { eventually } from '../support/eventually.ts';
import { freePort, isRoot, needing } from '../support/machine.ts';
import { Machine } from './machine.ts';

const up: Goal = { kind: 'up' };
const down: Goal = { kind: 'down', graceMs: 500 };
const dependsOn = (
  name: string,
  condition: 'service_started' | 'service_healthy' | 'service_completed_successfully',
  more = {},
) => ({
  depends_on: { [name]: { condition, required: true, ...more } },
});
const sh = (script: string): Partial<Service> => ({ command: ['/bin/sh', '-c', script] });
const kinds = (machine: Machine) =>
  machine.events.flatMap((event) =>
    event.type === 'action-done' ? [event.action.id.replaceAll(`${machine.name}-`, '')] : [],
  );

describe.skipIf(!isRoot)(needing('a stack', { root: isRoot }), () => {
  let machine: Machine;
  beforeEach(() => {
    machine = new Machine();
  });
  afterEach(() => machine.close());

  it('leaves nothing of what was opened ahead for containers that are not started after all', async () => {
    const project = machine.project({
      db: { command: ['/does/not/exist'] },
      web: {
        scale: 2,
        ports: [{ target: 80, protocol: 'tcp', mode: 'ingress' }],
        ...dependsOn('db', 'service_started'),
      },
    });
    const { error } = await machine.apply(project, up);
    expect(error).toMatchObject({ code: 'command-not-found' });
    expect(machine.states()).toEqual(['db-1 created', 'web-1 created', 'web-2 created']);
    const { core, layout } = machine.ctx;
    for (const { id } of machine.containers('web')) {
      expect(core.lockIsHeld(`${layout.runDir}/containers/${id}/lock`)).toBe(false);
    }
    await machine.reach(
      machine.project({ db: {}, web: { scale: 2, ...dependsOn('db', 'service_started') } }),
      up,
    );
    expect(machine.states()).toEqual(['db-1 running', 'web-1 running', 'web-2 running']);
  });

  it('comes up in dependency order, knows its names, is a no-op the second time, and goes down without a trace', async () => {
    const project = machine.project({
      db: {
        healthcheck: {
          test: ['CMD-SHELL', 'test -e /tmp/ready'],
          interval: '100ms',
          start_period: '1s',
          start_interval: '50ms',
        },
        ...sh('touch /tmp/ready; sleep 1000'),
      },
      migrate: { ...sh('exit 0'), ...dependsOn('db', 'service_healthy') },
      web: { scale: 2, ...dependsOn('migrate', 'service_completed_successfully') },
    });
    await machine.reach(project, up);
    expect(machine.states()).toEqual(['db-1 running', 'migrate-1 exited', 'web-1 running', 'web-2 running']);
    expect(machine.status('db').health?.status).toBe('healthy');
    const order = kinds(machine);
    expect(order.indexOf('wait-container db-1 healthy')).toBeLessThan(
      order.indexOf('start-container migrate-1'),
    );
    expect(order.indexOf('wait-container migrate-1 completed_successfully')).toBeLessThan(
      order.indexOf('start-container web-1'),
    );
    await eventually(async () => {
      const names = await machine.shell('db', 'cat /etc/hosts');
      expect(names).toMatch(/web-1\b.*\bweb\b/);
      expect(names).toMatch(/web-2\b.*\bweb\b/);
    });
    const before = machine.containers().map(({ id }) => id);
    const { plan } = await machine.reach(machine.project({ ...project.services }), up);
    expect(plan.actions.map(({ id }) => id)).toEqual([`start-container ${machine.name}-migrate-1`]);
    expect(machine.containers().map(({ id }) => id)).toEqual(before);
    await machine.reach(project, down);
    expect(machine.leftovers()).toEqual([]);
  });

  it('is changed where its files changed, and scaled', async () => {
    const first = machine.project({ web: {}, db: {} });
    await machine.reach(first, up);
    const [web, db] = [machine.only('web').id, machine.only('db').id];
    const second = machine.project({ web: { environment: { A: '1' } }, db: {} });
    await machine.reach(second, up);
    expect(machine.only('web').id).not.toBe(web);
    expect(machine.only('db').id).toBe(db);
    await machine.reach(second, { kind: 'up', services: ['web'], scale: { web: 3 } });
    expect(machine.states()).toEqual(['db-1 running', 'web-1 running', 'web-2 running', 'web-3 running']);
    await machine.reach(second, up);
    expect(machine.states()).toEqual(['db-1 running', 'web-1 running']);
    await eventually(async () => expect(await machine.shell('db', 'grep -c web- /etc/hosts')).toBe('1'));
  });

  it('stops, starts, restarts, pauses and is killed', async () => {
    const project = machine.project({ web: dependsOn('db', 'service_started', { restart: true }), db: {} });
    await machine.reach(project, up);
    const ids = machine.containers().map(({ id }) => id);
    const startedAt = machine.status('web').startedAt;
    await machine.reach(project, { kind: 'restart', services: ['db'] });
    expect(machine.status('web').startedAt).not.toBe(startedAt);
    await machine.reach(project, { kind: 'pause' });
    expect(machine.states()).toEqual(['db-1 paused', 'web-1 paused']);
    const again = await machine.apply(project, { kind: 'pause' });
    expect(again.error).toMatchObject({ code: 'container-state' });
    await machine.reach(project, { kind: 'unpause' });
    await machine.reach(project, { kind: 'kill', signal: 'SIGKILL', services: ['web'] });
    await eventually(() => expect(machine.status('web')).toMatchObject({ state: 'stopped', exitCode: 137 }));
    await machine.reach(project, { kind: 'stop' });
    expect(machine.states()).toEqual(['db-1 exited', 'web-1 exited']);
    await machine.reach(project, { kind: 'start' });
    expect(machine.states()).toEqual(['db-1 running', 'web-1 running']);
    expect(machine.containers().map(({ id }) => id)).toEqual(ids);
  });

  it('keeps the containers of a network whose subnet changed', async () => {
    const subnet = (of: string) => ({
      networks: { default: { name: `${machine.name}_default`, ipam: { config: [{ subnet: of }] } } },
    });
    const web = { web: {} };
    await machine.reach(machine.project(web, subnet('10.219.7.0/24')), up);
    const { id } = machine.only('web');
    await machine.reach(machine.project(web, subnet('10.219.8.0/24')), up);
    expect(machine.only('web').id).toBe(id);
    expect(await machine.shell('web', 'cat /proc/net/fib_trie')).toContain('10.219.8.');
  });

  it('carries anonymous volumes over to the container that replaces another', async () => {
    const project = machine.project({ web: { volumes: [{ type: 'volume', target: '/data' }] } });
    await machine.reach(project, up);
    await machine.shell('web', 'echo kept > /data/f');
    await machine.reach(project, { kind: 'up', recreate: 'force' });
    expect(await machine.shell('web', 'cat /data/f')).toBe('kept');
    await machine.reach(project, { kind: 'up', recreate: 'force', renewVolumes: true });
    expect(await machine.shell('web', 'ls -A /data')).toBe('');
  });

  it('lets services share volumes and namespaces', async () => {
    const project = machine.project(
      {
        owner: { volumes: [{ type: 'volume', source: 'data', target: '/data' }] },
        guest: {
          network_mode: 'service:owner',
          volumes_from: ['owner'],
          ...dependsOn('owner', 'service_started', { restart: true }),
        },
      },
      { volumes: { data: { name: `${machine.name}_data` } } },
    );
    await machine.reach(project, up);
    await machine.shell('owner', 'echo shared > /data/f');
    expect(await machine.shell('guest', 'cat /data/f')).toBe('shared');
    expect(await machine.shell('guest', 'readlink /proc/self/ns/net')).toBe(
      await machine.shell('owner', 'readlink /proc/self/ns/net'),
    );
    expect((await machine.engine.plan(project, up)).actions).toEqual([]);
    await machine.reach(project, { kind: 'restart', services: ['owner'] });
    expect(await machine.shell('guest', 'readlink /proc/self/ns/net')).toBe(
      await machine.shell('owner', 'readlink /proc/self/ns/net'),
    );
  });

  it('runs hooks, and a failing one says its code', async () => {
    const hooks = (code: number) => ({
      init: false,
      ...sh("trap 'exit 0' TERM; sleep 1000 & wait"),
      post_start: [{ command: ['/bin/sh', '-c', `echo started >> /tmp/hooks; echo said; exit ${code}`] }],
      pre_stop: [{ command: ['/bin/sh', '-c', 'echo bye > /proc/1/fd/1'] }],
    });
    await machine.reach(machine.project({ web: hooks(0) }), up);
    expect(await machine.shell('web', 'cat /tmp/hooks')).toBe('started');
    expect(machine.events).toContainEqual(expect.objectContaining({ type: 'output', line: 'said' }));
    await machine.reach(machine.project({ web: hooks(0) }), { kind: 'stop' });
    expect(machine.log('web')).toContain('bye');
    const failed = await machine.apply(machine.project({ web: hooks(19) }), up);
    expect(failed.error?.message).toContain('exited with code 19');
  });

  it('runs pre_start containers once, with the mounts of the service', async () => {
    const project = machine.project({
      web: {
        volumes: [{ type: 'volume', target: '/data' }],
        pre_start: [{ command: ['/bin/sh', '-c', 'echo prepared >> /data/f'] }],
      },
    });
    await machine.reach(project, up);
    await machine.reach(project, { kind: 'restart' });
    expect(await machine.shell('web', 'cat /data/f')).toBe('prepared');
    expect(machine.containers()).toHaveLength(1);
  });

  it('runs one-offs, which are not part of the rest', async () => {
    const project = machine.project({ web: {}, db: {} });
    const request = { service: 'web', command: ['sleep', '1000'], noDeps: true } as const;
    const { container, error } = await machine.engine.run(project, request);
    expect(error).toBeUndefined();
    expect(container?.name).toMatch(new RegExp(`^${machine.name}-web-run-[0-9a-f]{12}$`));
    await machine.reach(project, up);
    await machine.reach(project, { kind: 'stop' });
    expect(machine.states()).toEqual([
      'db-1 exited',
      'web-1 exited',
      expect.stringMatching(/^web-run-\w+ running$/),
    ]);
    const result = await machine.reach(project, down);
    expect(result.plan.warnings[0]?.message).toContain('stays');
    expect(machine.states()).toHaveLength(1);
  });

  it('fails where it fails: what needs the failed part does not start, the rest runs', async () => {
    const project = machine.project({
      broken: sh('exit 3'),
      app: dependsOn('broken', 'service_completed_successfully'),
      aside: {},
    });
    const { error, failed, skipped } = await machine.apply(project, up);
    expect(error).toMatchObject({ code: 'dependency-failed' });
    expect(error?.message).toMatch(/broken-1.*\(3\)/);
    expect(error instanceof ComposeError && error.hint).toContain(`left running: ${machine.name}-aside-1`);
    expect(failed.map(({ action }) => action.kind)).toEqual(['wait-container']);
    expect(skipped.map(({ kind }) => kind)).toEqual(['start-container']);
    expect(machine.states()).toEqual(['aside-1 running', 'app-1 created', 'broken-1 exited'].sort());
  });

  it('tells what a launch failed at, and leaves nothing of it running', async () => {
    const project = machine.project({
      web: { user: 'nobody-knows-me' },
      db: { command: ['/no/such/program'] },
    });
    const { failed } = await machine.apply(project, up);
    const reasons = failed.map(({ error }) => (error instanceof ComposeError ? error.code : ''));
    expect(reasons.sort()).toEqual(['command-not-found', 'unknown-user']);
    expect(machine.states()).toEqual(['db-1 created', 'web-1 created']);
  });

  it('goes on without an optional dependency that fails', async () => {
    const project = machine.project({
      cache: sh('exit 1'),
      app: { depends_on: { cache: { condition: 'service_healthy', required: false } } },
    });
    await machine.reach(project, up);
    expect(machine.states()).toEqual(['app-1 running', 'cache-1 exited']);
    expect(machine.events).toContainEqual(expect.objectContaining({ type: 'warning' }));
  });

  it('finds a taken port before anything starts, and says where it is written', async () => {
    const port = await freePort();
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(port, '0.0.0.0', () => resolve()));
    const project = machine.project({
      db: {},
      web: { ports: [{ target: 80, published: String(port), protocol: 'tcp' }] },
    });
    await expect(machine.apply(project, up)).rejects.toMatchObject({
      code: 'port-in-use',
      message: expect.stringMatching(new RegExp(`web.*${port}.*pid ${process.pid}`)),
      at: expect.objectContaining({ file: 'compose.yaml' }),
    });
    expect(machine.states()).toEqual([]);
    server.close();
    await machine.reach(project, up);
    await machine.reach(project, { kind: 'up', recreate: 'force' });
    expect(machine.states()).toEqual(['db-1 running', 'web-1 running']);
  });

  it('two replicas cannot publish one port', async () => {
    const port = await freePort();
    const project = machine.project({
      web: { scale: 2, ports: [{ target: 80, published: String(port), protocol: 'tcp' }] },
    });
    await expect(machine.apply(project, up)).rejects.toThrow(/web-2 and .*web-1 cannot both publish/);
  });

  it('two ups at once end in one good stack', async () => {
    const project = machine.project({ web: { scale: 3 }, db: {} });
    await Promise.all([machine.reach(project, up), machine.reach(project, up)]);
    expect(machine.states()).toEqual(['db-1 running', 'web-1 running', 'web-2 running', 'web-3 running']);
  });

  it('replaces a container whose shim was killed, and ends what was left of it', async () => {
    const project = machine.project({ web: {} });
    await machine.reach(project, up);
    const { shim, pid, id } = machine.status('web');
    process.kill(shim, 'SIGKILL');
    await eventually(() => expect(machine.status('web').state).toBe('lost'));
    await machine.reach(project, up);
    expect(machine.only('web').id).not.toBe(id);
    expect(machine.status('web').state).toBe('running');
    await eventually(() => expect(existsSync(`/proc/${pid}`)).toBe(false));
  });

  it('an interrupted up says so, and the next one finishes it', async () => {
    const project = machine.project({
      db: { healthcheck: { test: ['CMD', 'false'], interval: '10s', start_period: '60s' } },
      web: dependsOn('db', 'service_healthy'),
    });
    const controller = new AbortController();
    const interrupted = machine.apply(project, up, { signal: controller.signal });
    await eventually(() => expect(machine.states()).toContain('db-1 running'));
    controller.abort();
    const { error, skipped } = await interrupted;
    expect(error).toMatchObject({ code: 'interrupted' });
    expect(skipped.map(({ kind }) => kind)).toContain('start-container');
    const fixed = machine.project({ db: {}, web: dependsOn('db', 'service_started') });
    await machine.reach(fixed, up);
    expect(machine.states()).toEqual(['db-1 running', 'web-1 running']);
  });

  it('waits no longer than it may', async () => {
    const project = machine.project({
      db: { healthcheck: { test: ['CMD', 'false'], interval: '10s', start_period: '60s' } },
    });
    const { error } = await machine.apply(project, { kind: 'up', wait: true }, { waitMs: 300 });
    expect(error).toMatchObject({ code: 'timeout' });
  });

  it('is known by its containers alone', async () => {
    const project = machine.project({ web: dependsOn('db', 'service_started'), db: {} });
    await machine.reach(project, up);
    const recalled = await machine.engine.recall(machine.name);
    expect(Object.keys(recalled.services)).toEqual(['db', 'web']);
    await machine.reach(recalled, down);
    expect(machine.leftovers()).toEqual([]);
  });
});
