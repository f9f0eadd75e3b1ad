// Jobs: containers that run to their end, on demand or on a schedule.
import { describe, expect, it } from 'vitest';
import { failure, load, serviceFile } from './fixture.ts';

const job = (body: string): string => `${serviceFile('')}jobs:\n  j: { image: x, ${body} }\n`;

describe('a job', () => {
  it.each<[string, string, unknown]>([
    ['by hand', 'triggers: { manual: true }', { manual: true }],
    ['never by hand', 'triggers: { manual: false }', { manual: false }],
    ['by a short schedule', 'triggers: { schedule: ["* * * * *"] }', { schedule: [{ cron: '* * * * *' }] }],
    [
      'by a long schedule',
      'triggers: { schedule: [{ cron: 0 3 * * 1, timezone: Europe/Paris, concurrency: queue, missed_fires: skip }] }',
      {
        schedule: [
          { cron: '0 3 * * 1', timezone: 'Europe/Paris', concurrency: 'queue', missed_fires: 'skip' },
        ],
      },
    ],
  ])('runs %s', (_name, body, expected) => {
    expect(load(job(body)).project.jobs.j?.triggers).toEqual(expected);
  });

  it('depends on services and on other jobs', () => {
    const text = `${job('triggers: { manual: true }, depends_on: [web, k]')}  k: { image: y, triggers: { manual: true } }\n`;
    expect(Object.keys(load(text).project.jobs.j?.depends_on ?? {})).toEqual(['web', 'k']);
  });

  it.each([
    ['without triggers', 'tty: true', 'missing-key', 'compose.yaml:6:3'],
    ['that nothing starts', 'triggers: {}', 'missing-key', 'compose.yaml:6:28'],
    [
      'with a schedule and manual',
      'triggers: { manual: true, schedule: ["* * * * *"] }',
      'conflicting-keys',
      'compose.yaml:6:38',
    ],
    [
      'with an unknown word',
      'triggers: { schedule: [{ cron: a, concurrency: allow }] }',
      'invalid-value',
      'compose.yaml:6:65',
    ],
    [
      'with a key of services',
      'triggers: { manual: true }, restart: always',
      'unknown-key',
      'compose.yaml:6:46',
    ],
    ['with links', 'triggers: { manual: true }, links: [web]', 'unknown-key', 'compose.yaml:6:46'],
  ])('%s is refused', (_name, body, code, place) => {
    const { codes, places } = failure(job(body));
    expect([codes, places]).toEqual([[code], [place]]);
  });

  it('has a name of its own, and no service depends on it', () => {
    const same = `${serviceFile('')}jobs:\n  web: { image: x, triggers: { manual: true } }\n`;
    expect(failure(same).codes).toEqual(['name-conflict']);
    const needed = `${serviceFile('depends_on: [j]')}jobs:\n  j: { image: x, triggers: { manual: true } }\n`;
    const { codes, error } = failure(needed);
    expect(codes).toEqual(['undefined-reference']);
    expect(error.message).toBe('service "web" depends on undefined service "j", which is a job');
  });
});
