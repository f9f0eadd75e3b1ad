// Plans of start, stop, restart, kill, pause, rm and down as text, over small worlds.
import { describe, expect, it } from 'vitest';
import { recallProject } from '../../src/plan/recall.ts';
import { type ProjectSketch, World, world } from '../support/world.ts';

const pair: ProjectSketch = { services: { web: { needs: { db: 'started' } }, db: {} } };
const both = () => world(pair).running('web').running('db').network();
const text = (lines: readonly string[]) => `\n${lines.join('\n')}\n`;

describe('start', () => {
  it('starts dependencies first and waits for their conditions', () => {
    const stack = world({ services: { web: { needs: { db: 'healthy' } }, db: {} } });
    expect(text(stack.exited('web').exited('db').network().plan({ kind: 'start' }))).toMatchInlineSnapshot(`
      "
      1. start-container demo-db-1: it is not running
      2. wait-container demo-db-1 healthy after 1: web depends on it
      3. start-container demo-web-1 after 2: it is not running
      "
    `);
  });

  it('leaves running containers alone', () => {
    expect(both().plan({ kind: 'start' })).toEqual(['nothing to do']);
  });

  it('starts again what died with its shim', () => {
    const stack = world({ services: { web: {} } }).running('web', { state: 'dead' });
    expect(text(stack.plan({ kind: 'start' }))).toMatchInlineSnapshot(`
      "
      1. start-container demo-web-1: it is not running
      "
    `);
  });

  it('fails when there is no container', () => {
    expect(() => world(pair).plan({ kind: 'start' })).toThrow(
      expect.objectContaining({ code: 'container-not-found' }),
    );
  });
});

describe('stop', () => {
  it('stops dependents first', () => {
    expect(text(both().plan({ kind: 'stop' }))).toMatchInlineSnapshot(`
      "
      1. stop-container demo-web-1: stopping was asked for
      2. stop-container demo-db-1 after 1: stopping was asked for
      "
    `);
  });

  it('leaves one-offs and what has ended alone', () => {
    const stack = world(pair).exited('web').running('db', { oneoff: true });
    expect(stack.plan({ kind: 'stop' })).toEqual(['nothing to do']);
  });

  it('names only services that exist', () => {
    expect(() => both().plan({ kind: 'stop', services: ['nope'] })).toThrow(
      expect.objectContaining({ code: 'unknown-service' }),
    );
  });
});

describe('restart', () => {
  const stack = () =>
    world({
      services: { web: { needs: { db: { restart: true } } }, db: {}, aside: { needs: { db: 'started' } } },
    })
      .running('web')
      .running('db')
      .running('aside');

  it('takes dependents along that ask for it', () => {
    expect(text(stack().plan({ kind: 'restart', services: ['db'] }))).toMatchInlineSnapshot(`
      "
      1. stop-container demo-web-1: what it depends on is restarted
      2. stop-container demo-db-1 after 1: restarting was asked for
      3. start-container demo-db-1 after 2: restarting was asked for
      4. start-container demo-web-1 after 1 3: what it depends on is restarted
      "
    `);
  });

  it('leaves them with noDeps', () => {
    const lines = stack().plan({ kind: 'restart', services: ['db'], noDeps: true });
    expect(text(lines)).toMatchInlineSnapshot(`
      "
      1. stop-container demo-db-1: restarting was asked for
      2. start-container demo-db-1 after 1: restarting was asked for
      "
    `);
  });

  it('starts what has ended', () => {
    expect(
      text(
        world({ services: { once: {} } })
          .exited('once')
          .plan({ kind: 'restart' }),
      ),
    ).toMatchInlineSnapshot(`
      "
      1. start-container demo-once-1: restarting was asked for
      "
    `);
  });
});

describe('kill, pause and rm', () => {
  it('kill signals what runs', () => {
    expect(
      text(both().exited('web', 0, { number: 2 }).plan({ kind: 'kill', signal: 'SIGUSR1' })),
    ).toMatchInlineSnapshot(`
      "
      1. kill-container demo-db-1: killing was asked for
      2. kill-container demo-web-1: killing was asked for
      "
    `);
  });

  it('pause is asked of every living container', () => {
    expect(text(both().plan({ kind: 'pause', services: ['db'] }))).toMatchInlineSnapshot(`
      "
      1. pause-container demo-db-1: pause was asked for
      "
    `);
  });

  it('rm removes what has ended, one-offs too', () => {
    const stack = world(pair)
      .exited('web')
      .running('db')
      .exited('db', 0, { oneoff: true, name: 'demo-db-run-1' });
    expect(text(stack.plan({ kind: 'rm' }))).toMatchInlineSnapshot(`
      "
      1. remove-container demo-web-1: removal was asked for
      2. remove-container demo-db-run-1: removal was asked for
      "
    `);
  });

  it('rm stops first when asked', () => {
    expect(text(both().plan({ kind: 'rm', stop: true, services: ['web'] }))).toMatchInlineSnapshot(`
      "
      1. stop-container demo-web-1: removal was asked for
      2. remove-container demo-web-1 after 1: removal was asked for
      "
    `);
  });
});

describe('down', () => {
  const withData: ProjectSketch = {
    services: { db: { volumes: [{ type: 'volume', source: 'data', target: '/data' }] } },
    volumes: { data: { name: 'demo_data' }, outside: { name: 'outside', external: true } },
  };

  it('stops in reverse order, removes, and takes the network last', () => {
    expect(text(both().plan({ kind: 'down' }))).toMatchInlineSnapshot(`
      "
      1. stop-container demo-web-1: the project is taken down
      2. stop-container demo-db-1 after 1: the project is taken down
      3. remove-container demo-db-1 after 2: the project is taken down
      4. remove-container demo-web-1 after 1: the project is taken down
      5. remove-network demo_default after 3 4: no container is left on it
      "
    `);
  });

  it('keeps volumes, unless they are to go; external ones stay', () => {
    const stack = world(withData)
      .running('db', { volumes: ['demo_data'] })
      .network();
    stack.volume('data').volume('outside');
    expect(text(stack.plan({ kind: 'down' }))).toMatchInlineSnapshot(`
      "
      1. stop-container demo-db-1: the project is taken down
      2. remove-container demo-db-1 after 1: the project is taken down
      3. remove-network demo_default after 2: no container is left on it
      "
    `);
    expect(text(stack.plan({ kind: 'down', volumes: true }))).toMatchInlineSnapshot(`
      "
      1. stop-container demo-db-1: the project is taken down
      2. remove-container demo-db-1 after 1: the project is taken down
      3. remove-network demo_default after 2: no container is left on it
      4. remove-volume demo_data after 2: its data is to go too
      "
    `);
  });

  it('leaves a network that a one-off is on, and says so', () => {
    const stack = world(pair).running('web').running('db', { oneoff: true, name: 'demo-db-run-1' }).network();
    expect(text(stack.plan({ kind: 'down' }))).toMatchInlineSnapshot(`
      "
      1. stop-container demo-web-1: the project is taken down
      2. remove-container demo-web-1 after 1: the project is taken down
      warning: network demo_default stays: demo-db-run-1 is still on it
      "
    `);
    expect(text(stack.plan({ kind: 'down', removeOrphans: true }))).toMatchInlineSnapshot(`
      "
      1. stop-container demo-web-1: the project is taken down
      2. stop-container demo-db-run-1 after 1: the project is taken down
      3. remove-container demo-db-run-1 after 2: the project is taken down
      4. remove-container demo-web-1 after 1: the project is taken down
      5. remove-network demo_default after 3 4: no container is left on it
      "
    `);
  });

  it('takes only the named services and what nobody else uses', () => {
    expect(text(both().plan({ kind: 'down', services: ['web'] }))).toMatchInlineSnapshot(`
      "
      1. stop-container demo-web-1: the project is taken down
      2. remove-container demo-web-1 after 1: the project is taken down
      "
    `);
  });

  it('removes images that were built here, or all', () => {
    const stack = world({ services: { web: {}, built: { build: {}, image: 'own' } } }).image(
      'own',
      'sha256:own',
    );
    expect(text(stack.plan({ kind: 'down', images: 'local' }))).toMatchInlineSnapshot(`
      "
      1. remove-image own: --rmi local was given
      "
    `);
    expect(text(stack.plan({ kind: 'down', images: 'all' }))).toMatchInlineSnapshot(`
      "
      1. remove-image own: --rmi all was given
      2. remove-image box: --rmi all was given
      "
    `);
  });

  it('needs nothing when nothing is there', () => {
    expect(world(pair).plan({ kind: 'down' })).toEqual(['nothing to do']);
  });
});

describe('a project without files', () => {
  it('takes a network of nobody along with its last container, whatever the files say of it', () => {
    const seen = both();
    const [web, db] = seen.containers.map(({ id }) => id);
    const shared = (name: string, users: readonly (string | undefined)[]) =>
      seen.network(name, { name, project: '', users: users.flatMap((id) => id ?? []) });
    shared('emptied', [web, db]);
    shared('used', [web, 'another']);
    shared('idle', []);
    const removed = text(seen.plan({ kind: 'down' })).match(/remove-network \S+/g);
    expect(removed).toEqual(['remove-network demo_default', 'remove-network emptied']);
  });

  it('is recalled from labels: services, order, networks', () => {
    const seen = both().running('old');
    const recalled = new World(recallProject('demo', seen.observed));
    recalled.containers.push(...seen.containers);
    recalled.networks.push(...seen.networks);
    expect(text(recalled.plan({ kind: 'down' }))).toMatchInlineSnapshot(`
      "
      1. stop-container demo-web-1: the project is taken down
      2. stop-container demo-old-1: the project is taken down
      3. stop-container demo-db-1 after 1: the project is taken down
      4. remove-container demo-db-1 after 3: the project is taken down
      5. remove-container demo-old-1 after 2: the project is taken down
      6. remove-container demo-web-1 after 1: the project is taken down
      7. remove-network demo_default after 4 6: no container is left on it
      "
    `);
  });
});
