// The resource attributes where there is nothing but cgroup v2: in a small guest kernel, which takes some minutes.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { isRoot, needing } from '../support/machine.ts';
import { ROOT } from '../support/stack.ts';
import { isV2 } from './groups.ts';

const GUEST = join(ROOT, '../shared/cgroup2/cgroup2-vm.sh');
const needs = {
  root: isRoot,
  'the guest of ../shared/cgroup2': existsSync(GUEST),
  'a machine that is not v2 itself': !isV2,
};
const LIMIT_MS = 900_000;
const NOT_THERE = 125;

describe.skipIf(Object.values(needs).includes(false))(needing('pure cgroup v2', needs), () => {
  test('the resource attributes hold', { timeout: LIMIT_MS + 30_000 }, (context) => {
    const vitest = join(ROOT, 'node_modules/vitest/vitest.mjs');
    const command = [
      process.execPath,
      vitest,
      'run',
      '--maxWorkers',
      '1',
      '--reporter',
      'json',
      '--testTimeout',
      '120000',
    ];
    const argv = ['-t', String(LIMIT_MS / 1000), '-C', ROOT, '--', ...command, 'test/attributes/resources'];
    const { stdout, stderr, status } = spawnSync(GUEST, argv, { encoding: 'utf8', maxBuffer: 2 ** 26 });
    // The guest's kernel is a package that may not be had.
    if (status === NOT_THERE) return context.skip(stderr);
    const report: Report = JSON.parse(stdout.slice(stdout.indexOf('{"')).trim());
    const cases = report.testResults.flatMap(({ assertionResults }) => assertionResults);
    const failed = cases.filter((one) => one.status === 'failed');
    expect(failed.map((one) => [one.fullName, one.failureMessages])).toEqual([]);
    expect(cases.filter((one) => one.status === 'passed').length).toBeGreaterThan(30);
  });
});

/** As far as it is read. */
interface Report {
  readonly testResults: readonly {
    readonly assertionResults: readonly {
      readonly status: string;
      readonly fullName: string;
      readonly failureMessages: readonly string[];
    }[];
  }[];
}
