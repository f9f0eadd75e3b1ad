// The scheduler: order, limit, failure and interruption, with actions that do nothing but report.
import { describe, expect, it } from 'vitest';
import { execute, type Outcome, type Schedulable } from '../../src/engine/execute.ts';

const step = (id: string, needs: string[] = [], after: string[] = []): Schedulable => ({ id, needs, after });

/** Actions that end when they are told to. */
function stage(actions: readonly Schedulable[], options: { parallel?: number; signal?: AbortSignal } = {}) {
  const running = new Map<string, { done: () => void; fail: (error: Error) => void }>();
  const started: string[] = [];
  const finished = execute(actions, {
    perform: ({ id }) =>
      new Promise((resolve, reject) => {
        started.push(id);
        running.set(id, { done: resolve, fail: reject });
      }),
    isWaiting: ({ id }) => id.startsWith('wait'),
    ...options,
  });
  const settle = () => new Promise((resolve) => setImmediate(resolve));
  return {
    started,
    finished,
    async done(id: string) {
      running.get(id)?.done();
      await settle();
    },
    async fail(id: string) {
      running.get(id)?.fail(new Error(`${id} failed`));
      await settle();
    },
  };
}

const states = (outcomes: ReadonlyMap<string, Outcome>) =>
  Object.fromEntries([...outcomes].map(([id, { state }]) => [id, state]));

describe('execute', () => {
  it('ends at once without actions', async () => {
    expect((await stage([]).finished).size).toBe(0);
  });

  it('starts each action the moment that its needs are done, not level by level', async () => {
    const play = stage([step('a'), step('slow'), step('b', ['a']), step('c', ['b', 'slow'])]);
    expect(play.started).toEqual(['a', 'slow']);
    await play.done('a');
    expect(play.started).toEqual(['a', 'slow', 'b']);
    await play.done('b');
    expect(play.started).not.toContain('c');
    await play.done('slow');
    expect(play.started).toContain('c');
    await play.done('c');
    expect(states(await play.finished)).toEqual({ a: 'done', slow: 'done', b: 'done', c: 'done' });
  });

  it('stops what needs a failed action, and nothing else', async () => {
    const play = stage([step('a'), step('b', ['a']), step('c', ['b']), step('other')]);
    await play.fail('a');
    await play.done('other');
    const outcomes = await play.finished;
    expect(states(outcomes)).toEqual({ a: 'failed', b: 'skipped', c: 'skipped', other: 'done' });
    expect(outcomes.get('c')).toEqual({ state: 'skipped', because: 'a' });
  });

  it('lets what only comes after a failed or skipped action begin', async () => {
    const play = stage([step('a'), step('b', ['a']), step('c', [], ['a']), step('d', [], ['b'])]);
    await play.fail('a');
    expect(play.started).toEqual(['a', 'c', 'd']);
    await play.done('c');
    await play.done('d');
    expect(states(await play.finished)).toEqual({ a: 'failed', b: 'skipped', c: 'done', d: 'done' });
  });

  it('performs no more at once than it may, waiting ones not counted', async () => {
    const play = stage([step('a'), step('wait'), step('b'), step('c')], { parallel: 1 });
    expect(play.started).toEqual(['a', 'wait']);
    await play.done('a');
    expect(play.started).toEqual(['a', 'wait', 'b']);
    await play.done('b');
    await play.done('c');
    await play.done('wait');
    expect([...(await play.finished).values()].every(({ state }) => state === 'done')).toBe(true);
  });

  it('begins nothing after an interrupt, and lets what has begun end', async () => {
    const controller = new AbortController();
    const play = stage([step('a'), step('b', ['a']), step('c')], { parallel: 1, signal: controller.signal });
    controller.abort();
    await play.done('a');
    const outcomes = await play.finished;
    expect(states(outcomes)).toEqual({ a: 'done', b: 'skipped', c: 'skipped' });
    expect(outcomes.get('b')).toEqual({ state: 'skipped', because: undefined });
  });

  it('takes what throws at once for a failure', async () => {
    const perform = () => {
      throw new Error('at once');
    };
    expect(states(await execute([step('a')], { perform }))).toEqual({ a: 'failed' });
  });

  it('takes time linear in the number of edges', async () => {
    const first = Array.from({ length: 300 }, (_, index) => step(`a${index}`));
    const needs = first.map(({ id }) => id);
    const second = Array.from({ length: 300 }, (_, index) => step(`b${index}`, needs));
    let most = 0;
    let running = 0;
    const perform = async () => {
      running++;
      most = Math.max(most, running);
      await Promise.resolve();
      running--;
    };
    const outcomes = await execute([...first, ...second], { perform });
    expect([...outcomes.values()].every(({ state }) => state === 'done')).toBe(true);
    expect(most).toBe(300);
  });
});
