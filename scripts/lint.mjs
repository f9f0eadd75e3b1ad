// Everything that judges the code without running it: `node scripts/lint.mjs [--write]`.
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const write = process.argv.includes('--write');
const bin = (name) => join(root, 'node_modules/.bin', name);

function run(name, ...args) {
  return spawnSync(bin(name), args, { cwd: root, stdio: 'inherit' }).status === 0;
}

function cFiles() {
  return readdirSync(join(root, 'core'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.[ch]$/.test(entry.name))
    .map((entry) => join(entry.parentPath ?? entry.path, entry.name))
    .filter((file) => !file.includes('/build/'))
    .sort();
}

async function checkC() {
  const { format } = await import('@wasm-fmt/clang-format');
  const style = readFileSync(join(root, '.clang-format'), 'utf8');
  let good = true;
  for (const file of cFiles()) {
    const before = readFileSync(file, 'utf8');
    const after = format(before, file, style);
    if (after === before) continue;
    if (write) writeFileSync(file, after);
    else {
      good = false;
      console.error(`${relative(root, file)}: not formatted (npm run format)`);
    }
  }
  return good;
}

const results = {
  biome: run('biome', 'check', ...(write ? ['--write'] : []), '.'),
  typescript: run('tsc', '--noEmit'),
  'clang-format': await checkC(),
};
const failed = Object.keys(results).filter((name) => !results[name]);
console.log(failed.length === 0 ? 'lint: all good' : `lint: ${failed.join(', ')} failed`);
process.exitCode = failed.length === 0 ? 0 : 1;
