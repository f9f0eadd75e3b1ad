// Runs the tests, the lint and the tests of the runtime with sanitizers, and ends with one line, `N passed, M failed`; the
// latter two count as one each.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stripVTControlCharacters } from 'node:util';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const scratch = mkdtempSync(join(tmpdir(), 'tscompose-ci-'));
const report = join(scratch, 'report.json');

function run(...argv) {
  const env = { TSCOMPOSE_FUZZ_SECONDS: '30', ...process.env };
  return spawnSync(process.execPath, argv, { cwd: root, stdio: 'inherit', env }).status === 0;
}

const REASON_LINES = 20;

/** The end of a long output is often all that is kept of it: it says not only what failed but also why. */
function reasonsOf({ failureMessages = [] }) {
  return failureMessages
    .flatMap((message) => ['', ...stripVTControlCharacters(message).split('\n').slice(0, REASON_LINES)])
    .join('\n    ');
}

/** What the report says; a suite that broke before its tests ran counts as one failure. */
function readReport() {
  try {
    const { numPassedTests, numPendingTests, testResults } = JSON.parse(readFileSync(report, 'utf8'));
    const failures = testResults.flatMap(({ name, status, assertionResults }) => {
      const failed = assertionResults.filter((test) => test.status === 'failed');
      const file = relative(root, name);
      if (failed.length > 0) return failed.map((test) => `${file}: ${test.fullName}${reasonsOf(test)}`);
      return status === 'failed' ? [`${file}: cannot be run`] : [];
    });
    return { passed: numPassedTests, skipped: numPendingTests, failures };
  } catch {
    return { passed: 0, skipped: 0, failures: [] };
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
const { passed, skipped, failures } = readReport();
rmSync(scratch, { recursive: true, force: true });

// What failed outside of all tests: the build, or what the whole suite left on the machine.
if (!tested && failures.length === 0) failures.push('npm test: see above');
if (!linted) failures.push('lint: see above');
if (!sanitized) failures.push('sanitizers: see above');
for (const failure of failures) console.log(`FAILED ${failure}`);
const good = passed + [linted, sanitized].filter(Boolean).length;
console.log(`${good} passed, ${failures.length} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
process.exitCode = failures.length === 0 ? 0 : 1;
