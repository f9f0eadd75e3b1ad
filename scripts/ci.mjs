// Runs the tests and the lint and ends with one line, `N passed, M failed`; the lint counts as one.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const scratch = mkdtempSync(join(tmpdir(), 'tscompose-ci-'));
const report = join(scratch, 'report.json');

function run(...argv) {
  return spawnSync(process.execPath, argv, { cwd: root, stdio: 'inherit' }).status === 0;
}

/** Counts of the report; a suite that broke before its tests ran counts as one failure. */
function counts() {
  try {
    const { numPassedTests, numFailedTests, numFailedTestSuites } = JSON.parse(readFileSync(report, 'utf8'));
    return { passed: numPassedTests, failed: Math.max(numFailedTests, numFailedTestSuites > 0 ? 1 : 0) };
  } catch {
    return { passed: 0, failed: 0 };
  }
}

const tested = run(
  'scripts/test.mjs',
  '--reporter=default',
  '--reporter=json',
  `--outputFile.json=${report}`,
);
const linted = run('scripts/lint.mjs');
const tests = counts();
rmSync(scratch, { recursive: true, force: true });

const broken = !tested && tests.failed === 0 ? 1 : 0;
const passed = tests.passed + (linted ? 1 : 0);
const failed = tests.failed + broken + (linted ? 0 : 1);
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
