// Builds everything into dist/: `node scripts/build.mjs [--no-types] [--no-core] [--clean]`.
//
//   dist/tscompose.cjs   the command: a launcher that loads the bundle through V8's code cache
//   dist/cli-HASH.cjs    the whole command line in one script; its chunks run when they are first needed
//   dist/index.js        the TypeScript API; dist/types its declarations
//   dist/core/           libtscore.so and tscompose-shim
//
// Files are put in place by rename, the launcher last, so that a command that starts meanwhile works.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, transform } from 'esbuild';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const dist = join(root, 'dist');
const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const options = new Set(process.argv.slice(2));
const KEEP_OLD_BUNDLES_MS = 60_000;

function run(command, ...args) {
  const { status, error } = spawnSync(command, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
  if (error) throw new Error(`${command} cannot be run: ${error.message}`);
  if (status !== 0) throw new Error(`${[command, ...args].join(' ')} failed`);
}

function place(name, content, mode = 0o644) {
  const target = join(dist, name);
  const temporary = `${target}.${process.pid}`;
  mkdirSync(dirname(target), { recursive: true });
  writeFileSync(temporary, content);
  chmodSync(temporary, mode);
  renameSync(temporary, target);
}

function buildCore() {
  run('make', '-s', '-C', 'core', '-j2');
  for (const name of ['libtscore.so', 'tscompose-shim']) {
    const built = join(root, 'core/build', name);
    const temporary = join(dist, 'core', `${name}.${process.pid}`);
    mkdirSync(dirname(temporary), { recursive: true });
    copyFileSync(built, temporary);
    chmodSync(temporary, 0o755);
    renameSync(temporary, join(dist, 'core', name));
  }
}

const common = {
  absWorkingDir: root,
  bundle: true,
  platform: 'node',
  target: 'node20',
  write: false,
  logLevel: 'warning',
};

/**
 * One script: an object of functions, one for each chunk. What a command does not need is neither compiled nor run,
 * and the code cache covers all that is. koffi is native and stays a package that is found at run time.
 */
async function bundleCli() {
  const { outputFiles } = await build({
    ...common,
    entryPoints: ['src/main.ts'],
    format: 'esm',
    splitting: true,
    outdir: 'chunks',
    external: ['koffi'],
    define: { TSCOMPOSE_VERSION: JSON.stringify(version), 'import.meta.url': '__url' },
  });
  const chunks = await Promise.all(outputFiles.map(({ path, text }) => toFunction(basename(path), text)));
  return `({\n${chunks.join(',\n')}\n})\n`;
}

async function toFunction(name, text) {
  const { code } = await transform(text, {
    format: 'cjs',
    target: common.target,
    minifyWhitespace: true,
    minifySyntax: true,
    supported: { 'dynamic-import': false },
  });
  return `${JSON.stringify(`./${name}`)}(exports,require,module,__url){${inAscii(late(code))}}`;
}

/** Modules that every start of Node loads anyway are as well asked for directly. */
const ALWAYS_LOADED = new Set(['node:fs', 'node:path', 'node:os', 'node:url', 'node:util', 'node:events']);

/** Named imports of Node's modules become those of a module that is loaded at its first use. */
function late(code) {
  return code.replace(/(import_\w+)=require\("(node:[\w/]+)"\)/g, (text, variable, name) =>
    ALWAYS_LOADED.has(name) ? text : `${variable}=require.late("${name}")`,
  );
}

/** The launcher reads one byte a character. esbuild escapes strings, but not regular expressions. */
function inAscii(code) {
  return code.replace(/[^\0-\x7f]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

async function bundleApi() {
  if (!existsSync(join(root, 'src/index.ts'))) return;
  const { outputFiles } = await build({
    ...common,
    entryPoints: ['src/index.ts'],
    format: 'esm',
    packages: 'external',
    define: { TSCOMPOSE_VERSION: JSON.stringify(version) },
  });
  place('index.js', outputFiles[0].contents);
}

function commandNames() {
  const table = readFileSync(join(root, 'src/cli/commands.ts'), 'utf8');
  return [...table.matchAll(/^ {2}'?([\w-]+)'?: \(\) => import\(/gm)].map(([, name]) => name);
}

function placeLauncher(bundle) {
  const launcher = readFileSync(join(root, 'src/launcher.cjs'), 'utf8')
    .replace('@BUNDLE@', bundle)
    .replace('@COMMANDS@', commandNames().join(' '));
  place('tscompose.cjs', launcher, 0o755);
}

function removeOldBundles(current) {
  for (const name of readdirSync(dist)) {
    const stale = /^cli-\w+\.cjs$/.test(name) && name !== current;
    if (stale && Date.now() - statSync(join(dist, name)).mtimeMs > KEEP_OLD_BUNDLES_MS)
      rmSync(join(dist, name));
  }
}

async function main() {
  if (options.has('--clean')) rmSync(dist, { recursive: true, force: true });
  for (const generator of ['build-schema.mjs', 'build-syscalls.mjs']) {
    if (existsSync(join(root, 'scripts', generator))) run(process.execPath, join('scripts', generator));
  }
  if (!options.has('--no-core')) buildCore();
  const cli = await bundleCli();
  const bundle = `cli-${createHash('sha256').update(cli).digest('hex').slice(0, 12)}.cjs`;
  place(bundle, cli);
  await bundleApi();
  if (!options.has('--no-types')) run('npx', '--no-install', 'tsc', '-p', 'tsconfig.build.json');
  placeLauncher(bundle);
  removeOldBundles(bundle);
}

await main();
