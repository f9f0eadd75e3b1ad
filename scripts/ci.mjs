// Runs the tests, the lint and the tests of the runtime with sanitizers, and ends with one line, `N passed, M failed`; the
// latter two count as one each.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const scratch = mkdtempSync(join(tmpdir(), 'tscompose-ci-'));
const report = join(scratch, 'report.json');

function run(...argv) {
  const env = { TSCOMPOSE_FUZZ_SECONDS: '30', ...process.env };
  return spawnSync(process.execPath, argv, { cwd: root, stdio: 'inherit', env }).status === 0;
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
const sanitized = run('scripts/sanitize.mjs');
const tests = counts();
rmSync(scratch, { recursive: true, force: true });

const broken = !tested && tests.failed === 0 ? 1 : 0;
const others = [linted, sanitized];
const passed = tests.passed + others.filter(Boolean).length;
const failed = tests.failed + broken + others.filter((good) => !good).length;
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
