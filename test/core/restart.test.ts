// When a container that ended is launched again, at a clock that the test sets: Docker's back-off, and Swarm's window.
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { encodeLaunch, step } from '../../src/containers/steps.ts';

const MINUTE = 60_000;
/** How a container has Docker's own delays. */
const BACKOFF = -1;

type Policy = 'no' | 'always' | 'on-failure' | 'unless-stopped';

/** The delays after runs of these lengths, and `ends` when there was none; each run is `MILLISECONDS:EXIT-CODE`. */
function delays(policy: Policy, [limit, delay, window]: [number, number, number], runs: readonly string[]) {
  const directory = mkdtempSync(join(tmpdir(), 'tscompose-test-'));
  try {
    const program = join(directory, 'launch');
    writeFileSync(program, encodeLaunch([step('RESTART', policy, limit, delay, window)]));
    const text = execFileSync('core/build/unit/restart', [program, ...runs], { encoding: 'utf8' });
    return text.trim().split('\n');
  } finally {
    rmSync(directory, { recursive: true });
  }
}

const times = (count: number, run: string) => Array.from({ length: count }, () => run);

describe('a restart', () => {
  beforeAll(() => void execFileSync('make', ['-s', '-C', 'core', 'units']));

  it('waits twice as long each time, a minute at most', () => {
    const expected = [100, 200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 51_200, MINUTE, MINUTE, MINUTE];
    expect(delays('always', [0, BACKOFF, 0], times(13, '5:1'))).toEqual(expected.map(String));
  });

  it('waits as at first once the container ran for ten seconds', () => {
    const runs = ['5:1', '5:1', '5:1', '9999:1', '10000:0', '5:1', `${MINUTE}:1`];
    const expected = [100, 200, 400, 800, 100, 200, 100];
    expect(delays('unless-stopped', [0, BACKOFF, 0], runs)).toEqual(expected.map(String));
  });

  it('comes as often as on-failure says, however long the container ran', () => {
    const runs = ['5:1', '20000:1', '5:1', '5:1'];
    expect(delays('on-failure', [3, BACKOFF, 0], runs)).toEqual(['100', '100', '200', 'ends']);
  });

  it('does not come after success, or when none is asked for', () => {
    expect(delays('on-failure', [0, BACKOFF, 0], ['5:1', '5:0', '5:1'])).toEqual(['100', 'ends']);
    expect(delays('no', [0, BACKOFF, 0], ['5:1'])).toEqual(['ends']);
  });

  it('has the delay and counts the attempts within the window that deploy.restart_policy names', () => {
    const runs = ['5:1', '5:1', '3000:1', '5:1', '5:1'];
    expect(delays('on-failure', [2, 700, 3000], runs)).toEqual(['700', '700', '700', '700', 'ends']);
  });
});
