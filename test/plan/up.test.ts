// Plans of up, create, scale and run as text, over small worlds.
import { describe, expect, it } from 'vitest';
import type { UpGoal } from '../../src/plan/goal.ts';
import { type ProjectSketch, project, type ServiceSketch, type World, world } from '../support/world.ts';

const pair: ProjectSketch = { services: { web: { needs: { db: 'started' } }, db: {} } };
const follows: ProjectSketch = {
  services: { web: { needs: { db: { restart: true } } }, db: {}, aside: { needs: { db: 'started' } } },
};
const shared: ProjectSketch = {
  services: { vpn: {}, app: { network_mode: 'service:vpn', needs: { vpn: { restart: true } } } },
};
const withData: ProjectSketch = {
  services: { db: { volumes: [{ type: 'volume', source: 'data', target: '/data' }] } },
  volumes: { data: { name: 'demo_data' } },
};
const up = { kind: 'up' } as const;
const text = (lines: readonly string[]) => `\n${lines.join('\n')}\n`;
const joined = (w: World) => w.running('app', { joins: [w.containers[0]?.id ?? ''] }).network();

describe('an empty world', () => {
  it('is filled in dependency order, each start as early as its conditions allow', () => {
    const stack = world({
      services: {
        web: { needs: { app: 'healthy' } },
        app: { scale: 2, needs: { db: 'healthy', migrate: 'completed' } },
        migrate: { needs: { db: 'started' } },
        db: { volumes: [{ type: 'volume', source: 'data', target: '/data' }] },
      },
      volumes: { data: { name: 'demo_data' } },
    });
    expect(text(stack.plan(up))).toMatchInlineSnapshot(`
      "
      1. create-network demo_default: it does not exist
      2. create-volume demo_data: it does not exist
      3. create-container demo-db-1 after 1 2: it does not exist
      4. create-container demo-migrate-1 after 1: it does not exist
      5. create-container demo-app-1 after 1: it does not exist
      6. create-container demo-app-2 after 1: it does not exist
      7. create-container demo-web-1 after 1: it does not exist
      8. start-container demo-db-1 after 3: it is new
      9. start-container demo-migrate-1 after 4 8: it is new
      10. wait-container demo-db-1 healthy after 8: app depends on it
      11. wait-container demo-migrate-1 completed_successfully after 9: app depends on it
      12. start-container demo-app-1 after 5 10 11: it is new
      13. start-container demo-app-2 after 6 10 11: it is new
      14. wait-container demo-app-1 healthy after 12: web depends on it
      15. wait-container demo-app-2 healthy after 13: web depends on it
      16. start-container demo-web-1 after 7 14 15: it is new
      "
    `);
  });

  it('gets what is created, but nothing started, by create', () => {
    expect(text(world(pair).plan({ kind: 'up', start: false }))).toMatchInlineSnapshot(`
      "
      1. create-network demo_default: it does not exist
      2. create-container demo-db-1 after 1: it does not exist
      3. create-container demo-web-1 after 1: it does not exist
      "
    `);
  });

  it('gets only the named service with noDeps', () => {
    expect(text(world(pair).plan({ kind: 'up', services: ['web'], noDeps: true }))).toMatchInlineSnapshot(`
      "
      1. create-network demo_default: it does not exist
      2. create-container demo-web-1 after 1: it does not exist
      3. start-container demo-web-1 after 2: it is new
      "
    `);
  });

  it('gets the dependencies of a named service too', () => {
    const stack = world({ services: { ...pair.services, aside: {} } });
    expect(text(stack.plan({ kind: 'up', services: ['web'] }))).toMatchInlineSnapshot(`
      "
      1. create-network demo_default: it does not exist
      2. create-container demo-db-1 after 1: it does not exist
      3. create-container demo-web-1 after 1: it does not exist
      4. start-container demo-db-1 after 2: it is new
      5. start-container demo-web-1 after 3 4: it is new
      "
    `);
  });

  it('waits at the end when asked: for health, or for the end of what others wait to be completed', () => {
    const stack = world({ services: { app: { needs: { migrate: 'completed' } }, migrate: {} } });
    expect(text(stack.plan({ kind: 'up', wait: true }))).toMatchInlineSnapshot(`
      "
      1. create-network demo_default: it does not exist
      2. create-container demo-migrate-1 after 1: it does not exist
      3. create-container demo-app-1 after 1: it does not exist
      4. start-container demo-migrate-1 after 2: it is new
      5. wait-container demo-migrate-1 completed_successfully after 4: app depends on it
      6. start-container demo-app-1 after 3 5: it is new
      7. wait-container demo-app-1 running_or_healthy after 6: it was asked to wait
      "
    `);
  });

  it('does not let an optional dependency hold a service up for more than its end', () => {
    const stack = world({
      services: { app: { needs: { cache: { condition: 'service_healthy', required: false } } }, cache: {} },
    });
    expect(text(stack.plan(up))).toMatchInlineSnapshot(`
      "
      1. create-network demo_default: it does not exist
      2. create-container demo-cache-1 after 1: it does not exist
      3. create-container demo-app-1 after 1: it does not exist
      4. start-container demo-cache-1 after 2: it is new
      5. wait-container demo-cache-1 healthy after 4: app depends on it
      6. start-container demo-app-1 after 3 5~: it is new
      "
    `);
  });
});

describe('an unchanged world', () => {
  it('needs nothing', () => {
    expect(world(pair).running('web').running('db').network().plan(up)).toEqual(['nothing to do']);
  });

  it('needs nothing either when the replica count and the dependencies changed', () => {
    const before = world({ services: { web: {}, db: {} } })
      .running('web')
      .running('db')
      .network();
    const after = world(pair);
    after.containers.push(...before.containers);
    expect(after.network().plan(up)).toEqual(['nothing to do']);
  });

  it('starts what has ended and thaws what is paused', () => {
    const stack = world(pair).exited('web').running('db', { state: 'paused' }).network();
    expect(text(stack.plan(up))).toMatchInlineSnapshot(`
      "
      1. unpause-container demo-db-1: it is paused
      2. start-container demo-web-1 after 1: it is not running
      "
    `);
  });

  it('leaves a container alone that its restart policy is about to start', () => {
    const stack = world({ services: { web: {} } })
      .running('web', { state: 'restarting' })
      .network();
    expect(stack.plan(up)).toEqual(['nothing to do']);
  });

  it('does not wait again for a dependency that is healthy', () => {
    const stack = world({ services: { web: { needs: { db: 'healthy' } }, db: {} } });
    expect(text(stack.running('db', { health: 'healthy' }).network().plan(up))).toMatchInlineSnapshot(`
      "
      1. create-container demo-web-1: it does not exist
      2. start-container demo-web-1 after 1: it is new
      "
    `);
  });
});

describe('recreation', () => {
  it('replaces a container whose configuration changed, and not its dependents', () => {
    const stack = world(pair).running('web').running('db', { configHash: 'old' }).network();
    expect(text(stack.plan(up))).toMatchInlineSnapshot(`
      "
      1. create-container demo-db-1: its configuration changed
      2. stop-container demo-db-1 after 1: its configuration changed
      3. remove-container demo-db-1 after 1 2: its configuration changed
      4. start-container demo-db-1 after 1 3: it is new
      "
    `);
  });

  it('replaces a container whose image changed', () => {
    const stack = world(pair)
      .running('web')
      .running('db', { image: { name: 'box', id: 'sha256:old' } });
    expect(text(stack.network().plan(up))).toMatchInlineSnapshot(`
      "
      1. create-container demo-db-1: its image changed
      2. stop-container demo-db-1 after 1: its image changed
      3. remove-container demo-db-1 after 1 2: its image changed
      4. start-container demo-db-1 after 1 3: it is new
      "
    `);
  });

  it('restarts dependents in place that ask for it', () => {
    const stack = world(follows)
      .running('web')
      .running('db', { configHash: 'old' })
      .running('aside')
      .network();
    expect(text(stack.plan(up))).toMatchInlineSnapshot(`
      "
      1. create-container demo-db-1: its configuration changed
      2. stop-container demo-web-1: it depends on db, which is replaced
      3. stop-container demo-db-1 after 1 2: its configuration changed
      4. remove-container demo-db-1 after 1 3: its configuration changed
      5. start-container demo-db-1 after 1 4: it is new
      6. start-container demo-web-1 after 2 5: it depends on db, which is replaced
      "
    `);
  });

  it('takes along what shares namespaces', () => {
    expect(text(joined(world(shared).running('vpn', { configHash: 'old' })).plan(up))).toMatchInlineSnapshot(`
      "
      1. create-container demo-vpn-1: its configuration changed
      2. create-container demo-app-1 after 1: it shares namespaces with vpn, which is replaced
      3. stop-container demo-app-1 after 2: it shares namespaces with vpn, which is replaced
      4. stop-container demo-vpn-1 after 1 3: its configuration changed
      5. remove-container demo-vpn-1 after 1 4: its configuration changed
      6. remove-container demo-app-1 after 2 3: it shares namespaces with vpn, which is replaced
      7. start-container demo-vpn-1 after 1 5: it is new
      8. start-container demo-app-1 after 2 6 7: it is new
      "
    `);
  });

  it('restarts what shares the namespaces of a container that is started', () => {
    expect(text(joined(world(shared).exited('vpn')).plan(up))).toMatchInlineSnapshot(`
      "
      1. stop-container demo-app-1: it depends on vpn, which is started
      2. start-container demo-vpn-1: it is not running
      3. start-container demo-app-1 after 1 2: it depends on vpn, which is started
      "
    `);
  });

  it('restarts what is left in the namespaces of an earlier run', () => {
    const stack = (since: number) => {
      const w = world(shared).running('vpn', { since: 20 });
      return w.running('app', { joins: [w.containers[0]?.id ?? ''], since }).network();
    };
    expect(text(stack(10).plan(up))).toMatchInlineSnapshot(`
      "
      1. stop-container demo-app-1: it shares namespaces with vpn, which was started after it
      2. start-container demo-app-1 after 1: it shares namespaces with vpn, which was started after it
      "
    `);
    expect(stack(20).plan(up)).toEqual(['nothing to do']);
  });

  it('is done to all named services by force', () => {
    const stack = world(pair).running('web').running('db').network();
    expect(text(stack.plan({ kind: 'up', services: ['web'], recreate: 'force' }))).toMatchInlineSnapshot(`
      "
      1. create-container demo-web-1: recreation was asked for
      2. stop-container demo-web-1 after 1: recreation was asked for
      3. remove-container demo-web-1 after 1 2: recreation was asked for
      4. start-container demo-web-1 after 1 3: it is new
      "
    `);
  });

  it('is done to their dependencies only when that is asked for', () => {
    const stack = world(pair).running('web').running('db').network();
    const goal = { kind: 'up', services: ['web'], recreateDependencies: 'force' } as const;
    expect(text(stack.plan(goal))).toMatchInlineSnapshot(`
      "
      1. create-container demo-db-1: recreation was asked for
      2. stop-container demo-db-1 after 1: recreation was asked for
      3. remove-container demo-db-1 after 1 2: recreation was asked for
      4. start-container demo-db-1 after 1 3: it is new
      "
    `);
  });

  it('is not done when it was forbidden', () => {
    const stack = world(pair).running('web', { configHash: 'old' }).running('db').network();
    expect(stack.plan({ kind: 'up', recreate: 'never' })).toEqual(['nothing to do']);
  });

  it('renews anonymous volumes when asked', () => {
    const stack = world({ services: { web: {} } })
      .running('web')
      .network();
    const [create] = stack.plan({ kind: 'up', recreate: 'force', renewVolumes: true });
    expect(create).toBe('1. create-container demo-web-1: recreation was asked for');
  });

  it('is done when a container lacks a network of its service', () => {
    const stack = world(pair).running('web', { networks: [] }).running('db').network();
    expect(text(stack.plan(up))).toMatchInlineSnapshot(`
      "
      1. create-container demo-web-1: it is not on network demo_default
      2. stop-container demo-web-1 after 1: it is not on network demo_default
      3. remove-container demo-web-1 after 1 2: it is not on network demo_default
      4. start-container demo-web-1 after 1 3: it is new
      "
    `);
  });
});

describe('what faults leave', () => {
  it('a container whose shim died is replaced, also when recreation is forbidden', () => {
    const stack = world(pair).running('web').running('db', { state: 'dead' }).network();
    expect(text(stack.plan({ kind: 'up', recreate: 'never' }))).toMatchInlineSnapshot(`
      "
      1. create-container demo-db-1: its shim died
      2. remove-container demo-db-1 after 1: its shim died
      3. start-container demo-db-1 after 1 2: it is new
      "
    `);
  });

  it('a replacement that was interrupted is finished', () => {
    const stack = world({ services: { web: {} } })
      .running('web', { configHash: 'old', created: '2025' })
      .running('web', { state: 'created', created: '2026' });
    expect(text(stack.network().plan(up))).toMatchInlineSnapshot(`
      "
      1. stop-container demo-web-1: an interrupted replacement left it
      2. remove-container demo-web-1 after 1: an interrupted replacement left it
      3. start-container demo-web-1 after 2: it was never started
      "
    `);
  });

  it('of two wrong containers the newer is replaced and the older goes', () => {
    const stack = world({ services: { web: {} } })
      .running('web', { configHash: 'older', created: '2025' })
      .running('web', { configHash: 'old', created: '2026' });
    expect(text(stack.network().plan(up))).toMatchInlineSnapshot(`
      "
      1. create-container demo-web-1: its configuration changed
      2. stop-container demo-web-1 after 1: its configuration changed
      3. stop-container demo-web-1: an interrupted replacement left it
      4. remove-container demo-web-1 after 1 2: its configuration changed
      5. remove-container demo-web-1 after 3: an interrupted replacement left it
      6. start-container demo-web-1 after 1 4: it is new
      "
    `);
  });

  it('a container that was made and never started is started', () => {
    const stack = world({ services: { web: {} } })
      .running('web', { state: 'created' })
      .network();
    expect(text(stack.plan(up))).toMatchInlineSnapshot(`
      "
      1. start-container demo-web-1: it was never started
      "
    `);
  });
});

describe('scale', () => {
  const three: ProjectSketch = { services: { web: { scale: 3 } } };

  it('uses the numbers that are free', () => {
    const stack = world(three).running('web').running('web', { number: 3 }).network();
    expect(text(stack.plan(up))).toMatchInlineSnapshot(`
      "
      1. create-container demo-web-2: it does not exist
      2. start-container demo-web-2 after 1: it is new
      "
    `);
  });

  it('removes the highest numbers', () => {
    const stack = world(three).running('web').running('web', { number: 2 }).running('web', { number: 3 });
    expect(text(stack.network().plan({ kind: 'up', scale: { web: 1 } }))).toMatchInlineSnapshot(`
      "
      1. stop-container demo-web-2: 1 of web is wanted
      2. stop-container demo-web-3: 1 of web is wanted
      3. remove-container demo-web-2 after 1: 1 of web is wanted
      4. remove-container demo-web-3 after 2: 1 of web is wanted
      "
    `);
  });

  it('removes what would have to be replaced before anything else', () => {
    const stack = world({ services: { web: { scale: 2 } } })
      .running('web')
      .running('web', { number: 2, configHash: 'old' })
      .running('web', { number: 3 });
    expect(text(stack.network().plan(up))).toMatchInlineSnapshot(`
      "
      1. stop-container demo-web-2: 2 of web are wanted
      2. remove-container demo-web-2 after 1: 2 of web are wanted
      "
    `);
  });

  it('goes to zero', () => {
    const stack = world({ services: { web: {} } })
      .running('web')
      .network();
    expect(text(stack.plan({ kind: 'up', scale: { web: 0 } }))).toMatchInlineSnapshot(`
      "
      1. stop-container demo-web-1: 0 of web are wanted
      2. remove-container demo-web-1 after 1: 0 of web are wanted
      "
    `);
  });

  it('refuses a second container of one name', () => {
    const stack = world({ services: { web: { container_name: 'the-one' } } });
    const plan = () => stack.plan({ kind: 'up', scale: { web: 2 } });
    expect(plan).toThrow(expect.objectContaining({ code: 'conflicting-keys' }));
    expect(stack.plan(up)[1]).toBe('2. create-container the-one after 1: it does not exist');
  });
});

describe('networks and volumes', () => {
  it('a network whose definition changed is replaced under containers that stay', () => {
    const stack = world(pair).running('web').running('db').network('default', { configHash: 'old' });
    expect(text(stack.plan(up))).toMatchInlineSnapshot(`
      "
      1. stop-container demo-web-1: network demo_default is replaced
      2. stop-container demo-db-1 after 1: network demo_default is replaced
      3. remove-network demo_default after 1 2: its definition changed
      4. create-network demo_default after 3: its definition changed
      5. start-container demo-db-1 after 2 4: network demo_default is replaced
      6. start-container demo-web-1 after 1 4 5: network demo_default is replaced
      "
    `);
  });

  it('a container that is replaced at the same time is in nobody’s way', () => {
    const stack = world({ services: { web: {} } })
      .running('web', { configHash: 'old' })
      .network('default', { configHash: 'old' });
    expect(text(stack.plan(up))).toMatchInlineSnapshot(`
      "
      1. create-container demo-web-1: its configuration changed
      2. stop-container demo-web-1 after 1: its configuration changed
      3. remove-container demo-web-1 after 1 2: its configuration changed
      4. remove-network demo_default after 3: its definition changed
      5. create-network demo_default after 4: its definition changed
      6. start-container demo-web-1 after 1 3 5: it is new
      "
    `);
  });

  it('a changed network that other projects use is refused', () => {
    const stack = world(pair).network('default', { configHash: 'old', users: ['f'.repeat(64)] });
    expect(() => stack.plan(up)).toThrow(expect.objectContaining({ code: 'network-in-use' }));
  });

  it('an external network that is missing is refused with its place', () => {
    const stack = world({ ...pair, networks: { default: { name: 'outside', external: true } } });
    const error = expect.objectContaining({ code: 'network-not-found', at: expect.anything() });
    expect(() => stack.plan(up)).toThrow(error);
  });

  it('an external volume that is missing is refused', () => {
    const stack = world({ ...withData, volumes: { data: { name: 'outside', external: true } } });
    expect(() => stack.plan(up)).toThrow(expect.objectContaining({ code: 'volume-not-found' }));
  });

  it('a network of another project is refused', () => {
    const stack = world(pair).network('default', { project: 'other' });
    expect(() => stack.plan(up)).toThrow(expect.objectContaining({ code: 'name-conflict' }));
  });

  it('a volume whose definition changed is kept with a warning', () => {
    const stack = world(withData)
      .running('db', { volumes: ['demo_data'] })
      .network();
    expect(text(stack.volume('data', { configHash: 'old' }).plan(up))).toMatchInlineSnapshot(`
      "
      nothing to do
      warning: volume demo_data was made from another definition than the file has now, and is used as it is
      "
    `);
  });

  it('and made anew when its data may go', () => {
    const stack = world(withData)
      .running('db', { volumes: ['demo_data'] })
      .network();
    const goal = { kind: 'up', recreateVolumes: true } as const;
    expect(text(stack.volume('data', { configHash: 'old' }).plan(goal))).toMatchInlineSnapshot(`
      "
      1. stop-container demo-db-1: volume demo_data is made anew
      2. remove-container demo-db-1 after 1: volume demo_data is made anew
      3. remove-volume demo_data after 2: its definition changed
      4. create-volume demo_data after 3: its definition changed
      5. create-container demo-db-1 after 4: volume demo_data is made anew
      6. start-container demo-db-1 after 2 5: it is new
      "
    `);
  });

  it('unused ones are made only with allResources', () => {
    const sketch = { services: {}, volumes: { data: { name: 'demo_data' } } };
    expect(world(sketch).plan(up)).toEqual(['nothing to do']);
    const declared = project(sketch);
    const loaded = {
      declared,
      allResources: true,
      provenanceOf: () => undefined,
      variable: () => undefined,
      readYaml: () => undefined,
      withProfiles: () => declared,
    };
    expect(text(world({ ...sketch, loaded }).plan(up))).toMatchInlineSnapshot(`
      "
      1. create-network demo_default: it does not exist
      2. create-volume demo_data: it does not exist
      "
    `);
  });
});

describe('images', () => {
  it('that are not here are pulled once', () => {
    const stack = world({ services: { web: { scale: 2 }, other: {} } }).withoutImages();
    expect(text(stack.plan(up))).toMatchInlineSnapshot(`
      "
      1. create-network demo_default: it does not exist
      2. pull-image box: the image is not here
      3. create-container demo-other-1 after 1 2: it does not exist
      4. create-container demo-web-1 after 1 2: it does not exist
      5. create-container demo-web-2 after 1 2: it does not exist
      6. start-container demo-other-1 after 3: it is new
      7. start-container demo-web-1 after 4: it is new
      8. start-container demo-web-2 after 5: it is new
      "
    `);
  });

  it('that are not here and must not be pulled are refused', () => {
    const stack = world({ services: { web: { pull_policy: 'never' } } }).withoutImages();
    expect(() => stack.plan(up)).toThrow(expect.objectContaining({ code: 'image-not-found' }));
  });

  it('are pulled again when their policy or the command line says so', () => {
    const yesterday = '2026-01-01T00:00:00Z';
    const pulls = (sketch: ServiceSketch, goal: Partial<UpGoal> = {}, offline = false) =>
      world({ services: { web: { image: 'box', ...sketch } } })
        .image('box', 'sha256:box', yesterday)
        .plan({ kind: 'up', ...goal }, { offline })
        .find((line) => line.includes('pull-image'));
    expect(pulls({ pull_policy: 'every_12h' })).toBe(
      '2. pull-image box: it was last pulled more than 12h ago',
    );
    expect(pulls({ pull_policy: 'weekly' })).toBeUndefined();
    expect(pulls({ pull_policy: 'refresh', pull_refresh_after: '2h' })).toContain('more than 2h ago');
    expect(pulls({ pull_policy: 'never' }, { pull: 'always' })).toContain('its pull policy is always');
    expect(pulls({ pull_policy: 'always' }, { pull: 'missing' })).toBeUndefined();
    expect(pulls({ pull_policy: 'always' }, {}, true)).toBeUndefined();
  });

  it('of another platform are other images', () => {
    const stack = world({ services: { web: {}, arm: { platform: 'linux/arm64' } } });
    expect(stack.plan({ kind: 'up' })).toContain('2. pull-image box (linux/arm64): the image is not here');
    stack.image('box (linux/arm64)', 'sha256:arm');
    expect(stack.plan({ kind: 'up' }).join()).not.toContain('pull-image');
  });

  it('that are mounted are needed too', () => {
    const service = { volumes: [{ type: 'image', source: 'data', target: '/data' }] } as const;
    const stack = world({ services: { web: service } });
    expect(stack.plan(up).slice(1, 3)).toEqual([
      '2. pull-image data: the image is not here',
      '3. create-container demo-web-1 after 1 2: it does not exist',
    ]);
    expect(() => stack.plan({ kind: 'up', pull: 'never' })).toThrow('image data');
    stack.image('data', 'sha256:data');
    expect(stack.plan(up).join()).not.toContain('pull-image');
    expect(stack.plan({ kind: 'up', pull: 'always' }).join()).toContain('pull-image data');
  });

  it('that are this machine are never pulled', () => {
    const stack = world({ services: { web: { image: 'host', pull_policy: 'always' } } }).image(
      'host',
      'host',
    );
    expect(stack.plan({ kind: 'up' }).join()).not.toContain('pull-image');
  });

  it('of a build are built when they are not here, or when asked', () => {
    const stack = world({ services: { web: { build: { context: '.' } } } });
    expect(stack.plan(up)[1]).toBe('2. build-image demo-web: the image is not here');
    stack.image('demo-web', 'sha256:built');
    expect(stack.plan(up)[1]).toBe('2. create-container demo-web-1 after 1: it does not exist');
    expect(stack.plan({ kind: 'up', build: 'always' })[1]).toBe(
      '2. build-image demo-web: a build was asked for',
    );
  });
});

describe('orphans', () => {
  const left = () => world(pair).running('web').running('db').running('gone').network();

  it('are only named', () => {
    expect(text(left().plan(up))).toMatchInlineSnapshot(`
      "
      nothing to do
      warning: found orphan containers (demo-gone-1) of services that the project does not have
      "
    `);
    expect(left().plan({ kind: 'up', ignoreOrphans: true })).toEqual(['nothing to do']);
  });

  it('go when asked', () => {
    expect(text(left().plan({ kind: 'up', removeOrphans: true }))).toMatchInlineSnapshot(`
      "
      1. stop-container demo-gone-1: no service of the project has it
      2. remove-container demo-gone-1 after 1: no service of the project has it
      "
    `);
  });

  it('are not the services that no profile enables', () => {
    const stack = world({ ...pair, disabledServices: { gone: { profiles: ['x'] } } });
    expect(stack.running('web').running('db').running('gone').network().plan(up)).toEqual(['nothing to do']);
  });
});

describe('names', () => {
  it('that another project has are refused', () => {
    const stack = world(pair).foreign('demo-web-1', { id: 'f', project: 'other', service: 'x' });
    expect(() => stack.plan(up)).toThrow(expect.objectContaining({ code: 'name-conflict' }));
  });

  it('of services that do not exist are refused', () => {
    const plan = () => world(pair).plan({ kind: 'up', services: ['nope'] });
    expect(plan).toThrow(expect.objectContaining({ code: 'unknown-service' }));
  });
});

describe('providers', () => {
  it('run before what depends on them is made', () => {
    const stack = world({
      services: { web: { needs: { cloud: 'started' } }, cloud: { provider: { type: 'cloud' } } },
    });
    expect(text(stack.plan(up))).toMatchInlineSnapshot(`
      "
      1. run-provider cloud up: it is provided by another program
      2. create-network demo_default: it does not exist
      3. create-container demo-web-1 after 1 2: it does not exist
      4. start-container demo-web-1 after 1 3: it is new
      "
    `);
  });
});

describe('run', () => {
  const stack = () => world({ services: { client: { needs: { db: 'healthy' } }, db: {} } });
  const run = { kind: 'run', service: 'client', name: 'demo-client-run-abc' } as const;

  it('makes a container of its own once the dependencies are as they have to be', () => {
    expect(text(stack().plan(run))).toMatchInlineSnapshot(`
      "
      1. create-network demo_default: it does not exist
      2. create-container demo-db-1 after 1: it does not exist
      3. start-container demo-db-1 after 2: it is new
      4. wait-container demo-db-1 healthy after 3: client depends on it
      5. create-container demo-client-run-abc after 1 4: run makes a container of its own
      "
    `);
  });

  it('leaves the dependencies out when asked', () => {
    expect(text(stack().plan({ ...run, noDeps: true }))).toMatchInlineSnapshot(`
      "
      1. create-network demo_default: it does not exist
      2. create-container demo-client-run-abc after 1: run makes a container of its own
      "
    `);
  });
});
