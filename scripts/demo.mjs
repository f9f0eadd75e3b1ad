// `npm run demo`: from a fresh clone to a running stack: installs, builds, brings examples/app-db-lb up with tscompose,
// sends requests through its load balancer, scales, takes it down and shows that nothing is left.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { installDependencies } from './install.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const example = join(root, 'examples/app-db-lb');
const REPLICAS = 3;

function explain(text) {
  console.log(process.stdout.isTTY ? `\n\u001b[1m${text}\u001b[0m` : `\n${text}`);
}

function requireRoot() {
  if (process.getuid() === 0) return;
  console.error('The demo makes containers and networks, which needs root: run it as `sudo npm run demo`.');
  process.exit(1);
}

function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer().on('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/** Containers see no home directories, so that a Node in one has to be named to the example. */
function nodeForContainers() {
  const hidden = [homedir(), '/root', '/home'].some((dir) => process.execPath.startsWith(`${dir}/`));
  return hidden ? { NODE: process.execPath } : {};
}

function tscompose(env, ...args) {
  console.log(`$ tscompose ${args.join(' ')}`);
  const child = spawn(process.execPath, [join(root, 'dist/tscompose.cjs'), ...args], {
    cwd: example,
    env,
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (code) =>
      code === 0 ? resolve() : reject(new Error(`tscompose ${args[0]} exited ${code}`)),
    );
  });
}

async function request(port, count) {
  console.log(`$ curl localhost:${port}   # ${count} times`);
  const answers = [];
  for (let n = 0; n < count; n++) {
    const answer = await fetch(`http://127.0.0.1:${port}/`);
    if (!answer.ok) throw new Error(`the load balancer answered ${answer.status}: ${await answer.text()}`);
    answers.push((await answer.text()).trim());
    console.log(`  ${answers.at(-1)}`);
  }
  return new Set(answers.map((answer) => answer.split(' ').at(-1)));
}

function leftovers(stateDir) {
  const read = (path) => (existsSync(path) ? readFileSync(path, 'utf8') : '');
  const mounts = read('/proc/self/mountinfo').split('\n');
  const commands = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .map((pid) => read(`/proc/${pid}/cmdline`).replaceAll('\0', ' '));
  return [...mounts, ...commands].filter((line) => line.includes(stateDir));
}

async function show(env, port, stateDir) {
  explain(
    'Up: the database first, then the app, then the load balancer, each when the one before is healthy',
  );
  await tscompose(env, 'up', '-d', '--wait');
  await tscompose(env, 'ps');
  explain('Requests go through the load balancer to the app, which counts them in the database');
  await request(port, 2);
  explain(`Scale: ${REPLICAS} replicas of the app, found by name`);
  await tscompose(env, 'scale', `app=${REPLICAS}`);
  await tscompose(env, 'start', '--wait');
  const answered = await request(port, 2 * REPLICAS);
  if (answered.size !== REPLICAS) throw new Error(`${answered.size} of ${REPLICAS} replicas answered`);
  explain('Down');
  await tscompose(env, 'down', '-v', '-t', '2');
  const left = leftovers(stateDir);
  if (left.length > 0) throw new Error(`left behind:\n${left.join('\n')}`);
  console.log('Nothing is left: no process, no mount.');
}

async function main() {
  requireRoot();
  installDependencies(root);
  console.log('building');
  const { status } = spawnSync(process.execPath, ['scripts/build.mjs', '--no-types'], {
    cwd: root,
    stdio: 'inherit',
  });
  if (status !== 0) throw new Error('the build failed');
  const stateDir = mkdtempSync(join(tmpdir(), 'tscompose-demo-'));
  const port = await freePort();
  const env = {
    ...process.env,
    ...nodeForContainers(),
    TSCOMPOSE_STATE_DIR: stateDir,
    COMPOSE_PROJECT_NAME: 'demo',
    PORT: String(port),
  };
  try {
    await show(env, port, stateDir);
  } catch (error) {
    await tscompose(env, 'down', '-v', '-t', '1').catch(() => undefined);
    throw error;
  } finally {
    rmSync(stateDir, { recursive: true, force: true });
  }
}

main().catch((error) => {
  console.error(`\nThe demo failed: ${error.message}`);
  process.exitCode = 1;
});
