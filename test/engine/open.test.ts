// Which containers are opened ahead of their start.
import { describe, expect, it } from 'vitest';
import { openedAhead } from '../../src/engine/open.ts';
import type { Draft, Plan } from '../../src/plan/plan.ts';
import { PlanBuilder } from '../../src/plan/plan.ts';

const ref = (name: string, id?: string) => ({
  service: name,
  name,
  number: 1,
  ...(id === undefined ? {} : { id }),
});

function planOf(fill: (add: (draft: Draft) => string) => void): Plan {
  const builder = new PlanBuilder();
  fill((draft) => builder.add(draft));
  return builder.build();
}

const create = (name: string, more: object = {}): Draft => ({
  kind: 'create-container',
  container: ref(name),
  oneoff: false,
  cause: '',
  ...more,
});
const start = (name: string, ...needs: string[]): Draft => ({
  kind: 'start-container',
  container: ref(name),
  cause: '',
  needs,
});

describe('openedAhead', () => {
  it('takes new containers that only wait for others to start', () => {
    const plan = planOf((add) => {
      const network = add({ kind: 'create-network', key: 'default', name: 'n', cause: '' });
      const db = add(start('db', add(create('db', { needs: [network] }))));
      add(start('web', add(create('web', { needs: [network] })), db));
    });
    expect(openedAhead(plan)).toEqual(new Set(['db', 'web']));
  });

  it('leaves those whose start waits for a condition, however indirectly', () => {
    const plan = planOf((add) => {
      const db = add(start('db', add(create('db'))));
      const condition = 'healthy' as const;
      const draft = { kind: 'wait-container', container: ref('db'), condition, optional: false } as const;
      const healthy = add({ ...draft, cause: '', needs: [db] });
      const web = add(start('web', add(create('web')), healthy));
      add(start('lb', add(create('lb')), web));
    });
    expect(openedAhead(plan)).toEqual(new Set(['db']));
  });

  it('leaves those that take the place of another, exist already, or come after something ends', () => {
    const plan = planOf((add) => {
      add(start('new', add(create('new', { replaces: 'f'.repeat(64) }))));
      add({ kind: 'start-container', container: ref('old', 'e'.repeat(64)), cause: '' });
      const stop = add({
        kind: 'stop-container',
        container: ref('gone', 'd'.repeat(64)),
        hooks: false,
        cause: '',
      });
      add(start('next', add(create('next')), stop));
      add(create('idle'));
    });
    expect(openedAhead(plan)).toEqual(new Set());
  });
});
