// `npm run test:sanitize [-- PATHS]`: builds the C code with ASan and UBSan and runs the runtime's tests on that build.
//
// What the sanitizers find goes to files, because a container has its own standard error; one such file is a failure.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const SUITES = ['test/core', 'test/containers', 'test/supervision'];
const scratch = mkdtempSync(join(tmpdir(), 'tscompose-sanitize-'));

function run(command, args, env = {}) {
  return (
    spawnSync(command, args, { cwd: root, stdio: 'inherit', env: { ...process.env, ...env } }).status ?? 1
  );
}

/** libtscore.so is loaded by Node, which has to have the runtime of the sanitizer from the start. */
function runtime() {
  return execFileSync(process.env.CC ?? 'cc', ['-print-file-name=libasan.so'], { encoding: 'utf8' }).trim();
}

function test(paths) {
  // A container's init has to be static, which a build with sanitizers cannot be.
  const pattern = '^(?!a container init$)';
  return run(process.execPath, ['node_modules/vitest/vitest.mjs', 'run', '-t', pattern, ...paths], {
    LD_PRELOAD: runtime(),
    TSCOMPOSE_CORE_DIR: join(root, 'core/build/san'),
    // The shim gives nothing back at its end, and Node never does.
    ASAN_OPTIONS: `detect_leaks=0:exitcode=99:log_path=${join(scratch, 'address')}`,
    UBSAN_OPTIONS: `print_stacktrace=1:log_path=${join(scratch, 'undefined')}`,
  });
}

try {
  const built =
    run(process.execPath, ['scripts/build.mjs', '--no-types']) || run('make', ['-s', '-C', 'core', 'SAN=1']);
  const paths = process.argv.slice(2);
  const failed = built || test(paths.length > 0 ? paths : SUITES);
  const reports = readdirSync(scratch);
  for (const name of reports) console.error(readFileSync(join(scratch, name), 'utf8'));
  console.log(
    reports.length === 0 ? 'the sanitizers found nothing' : `${reports.length} reports of sanitizers`,
  );
  process.exitCode = failed || reports.length > 0 ? 1 : 0;
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
