// The resource attributes where there is nothing but cgroup v2: in a small guest kernel, which takes some minutes.
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
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
/** What a group decides, and what this machine's own kernel may lack. */
const FILES = [
  '../files/storage_opt.quota',
  'blkio_config',
  'cgroup',
  'cgroup_parent',
  'cpu_period',
  'cpu_quota',
  'cpu_shares',
  'cpus',
  'device_cgroup_rules',
  'devices',
  'mem_limit',
  'mem_reservation',
  'mem_swappiness',
  'memswap_limit',
  'oom_kill_disable',
  'pause',
  'pids_limit',
];
const LIMIT_MS = 900_000;
const NOT_THERE = 125;

const SYSTEMD = '/lib/systemd/systemd';

describe.skipIf(Object.values(needs).includes(false))(needing('pure cgroup v2', needs), () => {
  test('the resource attributes hold', { timeout: LIMIT_MS + 30_000 }, async (context) => {
    const files = FILES.map((name) => `test/attributes/resources/${name}.test.ts`);
    const { stdout, stderr, status } = await runGuest(['--', ...vitest(files)]);
    // The guest's kernel is a package that may not be had.
    if (status === NOT_THERE) return context.skip(stderr);
    const cases = casesOf(stdout);
    expect(failed(cases)).toEqual([]);
    expect(cases.filter((one) => one.status === 'passed').length).toBeGreaterThan(25);
  });

  test.skipIf(!existsSync(SYSTEMD))(
    'containers are in scopes of systemd where that is process 1',
    { timeout: LIMIT_MS + 30_000 },
    async (context) => {
      const out = mkdtempSync(join(tmpdir(), 'systemd-'));
      const command = vitest(['test/attributes/resources/cgroup_parent.systemd.test.ts']);
      const boot = join(ROOT, 'test/support/systemd.sh');
      const { stderr, status } = await runGuest(['-o', out, '--', boot, '/vmout', ...command]);
      if (status === NOT_THERE) return context.skip(stderr);
      const cases = casesOf(readFileSync(join(out, 'output'), 'utf8'));
      expect(failed(cases)).toEqual([]);
      expect(cases.map((one) => one.status)).toEqual(['passed', 'passed', 'passed']);
    },
  );
});

function vitest(files: readonly string[]): readonly string[] {
  const program = join(ROOT, 'node_modules/vitest/vitest.mjs');
  const options = ['--maxWorkers', '1', '--reporter', 'json', '--testTimeout', '120000'];
  return [process.execPath, program, 'run', ...options, ...files];
}

function casesOf(output: string): readonly Case[] {
  const line = output.split('\n').find((one) => one.includes('{"numTotal')) ?? '';
  const report: Report = JSON.parse(line.slice(line.indexOf('{'), line.lastIndexOf('}') + 1));
  return report.testResults.flatMap(({ assertionResults }) => assertionResults);
}

function failed(cases: readonly Case[]): readonly unknown[] {
  return cases.filter((one) => one.status === 'failed').map((one) => [one.fullName, one.failureMessages]);
}

interface Outcome {
  readonly status: number;
  readonly stdout: string;
  readonly stderr: string;
}

function runGuest(argv: readonly string[]): Promise<Outcome> {
  return new Promise((resolve) => {
    const common = ['-t', String(LIMIT_MS / 1000), '-C', ROOT];
    execFile(GUEST, [...common, ...argv], { maxBuffer: 2 ** 26 }, (error, stdout, stderr) => {
      const status = typeof error?.code === 'number' ? error.code : Number(error !== null);
      resolve({ status, stdout, stderr });
    });
  });
}

/** As far as it is read. */
interface Report {
  readonly testResults: readonly {
    readonly assertionResults: readonly Case[];
  }[];
}

interface Case {
  readonly status: string;
  readonly fullName: string;
  readonly failureMessages: readonly string[];
}
