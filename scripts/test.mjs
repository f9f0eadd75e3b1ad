// `npm test`: on a fresh clone installs what is missing, builds, and runs the whole vitest suite.
//
//   node scripts/test.mjs [--json FILE] [arguments of vitest]
//
// As root on Debian it also installs the packages that some tests want; without them those are skipped.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { installDependencies } from './install.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Package to the file that shows that it is there. */
const DEBIAN_PACKAGES = {
  'busybox-static': '/bin/busybox',
  debootstrap: '/usr/sbin/debootstrap',
  'docker-registry': '/usr/bin/docker-registry',
  skopeo: '/usr/bin/skopeo',
  umoci: '/usr/bin/umoci',
  zstd: '/usr/bin/zstd',
};

function installDebianPackages() {
  const missing = Object.keys(DEBIAN_PACKAGES).filter((name) => !existsSync(DEBIAN_PACKAGES[name]));
  if (missing.length === 0 || process.getuid() !== 0 || !existsSync('/etc/debian_version')) return;
  console.log(`installing ${missing.join(', ')}`);
  const apt = (...args) =>
    spawnSync('apt-get', ['-qq', ...args], {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' },
    }).status === 0;
  const install = () => apt('install', '-y', '--no-install-recommends', ...missing);
  if (!install() && !(apt('update') && install())) {
    console.log(`${missing.join(', ')} cannot be installed: the tests that need them are skipped`);
  }
}

function run(...argv) {
  const { status } = spawnSync(process.execPath, argv, {
    cwd: root,
    stdio: 'inherit',
    env: { ...process.env, TSCOMPOSE_TEST_LEFTOVERS: '1' },
  });
  return status ?? 1;
}

installDependencies(root);
installDebianPackages();
const failed = run('scripts/build.mjs', '--no-types');
process.exitCode =
  failed || run(join('node_modules', 'vitest', 'vitest.mjs'), 'run', ...process.argv.slice(2));
