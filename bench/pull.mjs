// Pulling and unpacking images beside `docker pull` and `skopeo copy` with `umoci unpack`, in one run, from one registry.
//
//   node bench/pull.mjs --layouts DIR [--docker DIR] [--runs N]
//
// DIR has the OCI layouts of the image set. Everything runs in a network and mount namespace of its own: registry,
// Docker's daemon (from --docker, with its own data directory) and the clients. Each tool pulls into an empty store;
// rounds take turns, figures are medians. Replaces the section "Pulling" of bench/RESULTS.md.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const { values: option } = parseArgs({
  options: {
    layouts: { type: 'string' },
    docker: { type: 'string' },
    runs: { type: 'string', default: '5' },
    inside: { type: 'boolean', default: false },
  },
});
const HOST = '127.0.0.1:5000';
const IMAGES = ['debian:bookworm-slim', 'node:20'];
const cli = join(root, 'dist/tscompose.cjs');

if (option.layouts === undefined) throw new Error('--layouts DIR is missing');
if (option.inside) await measure();
else process.exitCode = again();

function again() {
  const argv = [process.execPath, process.argv[1], ...process.argv.slice(2), '--inside'];
  return spawnSync('unshare', ['--net', '--mount', ...argv], { stdio: 'inherit' }).status ?? 1;
}

async function measure() {
  const scratch = mkdtempSync(join(tmpdir(), 'tscompose-bench-pull-'));
  const started = [];
  try {
    run('ip', ['link', 'set', 'lo', 'up']);
    const registry = await startRegistry(scratch, started);
    for (const name of IMAGES)
      run('skopeo', [
        'copy',
        '-q',
        '--dest-tls-verify=false',
        `oci:${option.layouts}/${name}`,
        `docker://${HOST}/${name}`,
      ]);
    const docker = await startDocker(scratch, started);
    const rounds = Array.from({ length: Number(option.runs) }, () => round({ scratch, docker }));
    publish(rounds, requestsOf(scratch, registry));
  } finally {
    for (const child of started.reverse()) {
      child.kill();
      await new Promise((resolve) => (child.exitCode === null ? child.on('exit', resolve) : resolve()));
    }
    rmSync(scratch, { recursive: true, force: true });
  }
}

async function startRegistry(scratch, started) {
  const log = join(scratch, 'registry.log');
  writeFileSync(
    join(scratch, 'registry.yml'),
    `version: 0.1\nlog: {level: error}\nstorage:\n  filesystem: {rootdirectory: ${scratch}/registry}\nhttp: {addr: ${HOST}}\n`,
  );
  const command = `exec docker-registry serve ${scratch}/registry.yml > ${log} 2>&1`;
  started.push(spawn('sh', ['-c', command], { stdio: 'ignore' }));
  await until(() => fetch(`http://${HOST}/v2/`));
  return log;
}

async function startDocker(scratch, started) {
  if (option.docker === undefined) return undefined;
  const socket = `unix://${scratch}/docker.sock`;
  const args = ['--data-root', `${scratch}/docker`, '--exec-root', `${scratch}/docker-run`, '-H', socket];
  const env = { ...process.env, PATH: `${option.docker}:${process.env.PATH}` };
  const options = [
    '--pidfile',
    `${scratch}/docker.pid`,
    '--iptables=false',
    '--ip6tables=false',
    '--bridge=none',
  ];
  const log = `${scratch}/dockerd.log`;
  const command = `exec ${option.docker}/dockerd ${[...args, ...options].join(' ')} > ${log} 2>&1`;
  started.push(spawn('sh', ['-c', command], { stdio: 'ignore', env }));
  const docker = (...words) => run(join(option.docker, 'docker'), ['-H', socket, ...words], { env });
  await until(() => docker('version'));
  return docker;
}

/** One pull of each image by each tool into an empty store: milliseconds, and our peak memory in bytes. */
function round({ scratch, docker }) {
  const result = {};
  for (const image of IMAGES) {
    const name = `${HOST}/${image}`;
    const state = fresh(scratch, 'state');
    const ours = timed(() => peak(['--state-dir', state, 'image', 'pull', '-q', name]));
    const layout = fresh(scratch, 'skopeo');
    const peers = timed(() => {
      run('skopeo', ['copy', '-q', '--src-tls-verify=false', `docker://${name}`, `oci:${layout}/oci:x`]);
      run('umoci', ['unpack', '--image', `${layout}/oci:x`, `${layout}/bundle`]);
    });
    const theirs = docker === undefined ? undefined : timed(() => docker('pull', '-q', name));
    if (docker !== undefined) docker('image', 'rm', '-f', name);
    result[image] = { ours: ours.ms, memory: ours.value, peers: peers.ms, docker: theirs?.ms };
    console.error(image, result[image]);
  }
  return result;
}

/** Runs our command; the most memory that it had, in bytes. */
function peak(args) {
  const { stderr } = run('/usr/bin/time', ['-f', '%M', process.execPath, cli, ...args]);
  return Number(stderr.trim().split('\n').at(-1)) * 1024;
}

/** What the registry is asked for: a second image, a pull with everything here, `up` with everything here. */
function requestsOf(scratch, log) {
  const state = fresh(scratch, 'state');
  const project = fresh(scratch, 'project');
  writeFileSync(
    join(project, 'compose.yaml'),
    `name: benchpull\nservices:\n${IMAGES.map((image, index) => `  s${index}:\n    image: ${HOST}/${image}\n    command: 'true'\n    network_mode: none\n`).join('')}`,
  );
  const asked = (...args) => {
    const before = linesOf(log).length;
    run(process.execPath, [cli, '--state-dir', state, ...args], { cwd: project });
    return linesOf(log).slice(before);
  };
  const [base, second] = IMAGES.map((image) => asked('image', 'pull', '-q', `${HOST}/${image}`));
  const present = asked('pull', '-q');
  const up = asked('up', '-d');
  run(process.execPath, [cli, '--state-dir', state, 'down', '-t', '0'], { cwd: project });
  return { base, second, present, up };
}

function linesOf(log) {
  return [...readFileSync(log, 'utf8').matchAll(/"(GET|HEAD) (\/v2\/\S+) HTTP/g)]
    .map(([, method, path]) => `${method} ${path}`)
    .filter((line) => line !== 'GET /v2/');
}

function publish(rounds, requests) {
  const rows = IMAGES.map((image) => {
    const median = (key) => medianOf(rounds.map((each) => each[image][key]));
    const [ours, peers, docker] = [median('ours'), median('peers'), median('docker')];
    const cells = [ours, docker, ratio(docker, ours), peers, ratio(peers, ours)];
    const memory = Math.max(...rounds.map((each) => each[image].memory)) / 1e6;
    return `| ${image} | ${cells.map((cell) => (typeof cell === 'number' ? `${Math.round(cell)} ms` : cell)).join(' | ')} | ${memory.toFixed(0)} MB |`;
  });
  const blobs = (lines) => lines.filter((line) => line.startsWith('GET') && line.includes('/blobs/')).length;
  const section = `## Pulling

Medians of ${rounds.length} rounds, registry on loopback, every store empty before (\`node bench/pull.mjs --layouts DIR --docker DIR\`).

| image | tscompose | docker pull | ratio | skopeo copy + umoci unpack | ratio | peak memory of tscompose |
| --- | --- | --- | --- | --- | --- | --- |
${rows.join('\n')}

- Blobs fetched for ${IMAGES[0]}: ${blobs(requests.base)}; then for ${IMAGES[1]}, which shares its layers: ${blobs(requests.second)}.
- \`pull\` of ${IMAGES.length} images that are here: ${requests.present.length} requests (${[...new Set(requests.present.map((line) => line.split(' ')[0]))].join(', ')}).
- \`up\` with every image here: ${requests.up.length} requests.
`;
  const path = join(root, 'bench/RESULTS.md');
  const before = existsSync(path) ? readFileSync(path, 'utf8') : '# Results\n';
  const others = before.replace(/\n*## Pulling\n[\s\S]*?(?=\n## |$)/, '');
  writeFileSync(path, `${others.trimEnd()}\n\n${section}`);
  console.log(section);
}

function ratio(theirs, ours) {
  return theirs === undefined ? '-' : `${(theirs / ours).toFixed(2)}×`;
}

function medianOf(values) {
  const known = values.filter((value) => value !== undefined).sort((a, b) => a - b);
  return known.length === 0 ? undefined : known[Math.floor(known.length / 2)];
}

// What others wrote before is nobody's cost.
function timed(task) {
  run('sync', []);
  const start = performance.now();
  const value = task();
  return { ms: performance.now() - start, value };
}

function fresh(scratch, name) {
  const dir = join(scratch, name);
  rmSync(dir, { recursive: true, force: true });
  mkdirSync(dir);
  return dir;
}

function run(command, args, options = {}) {
  const result = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 1 << 26, ...options });
  if (result.error) throw result.error;
  if (result.status !== 0) throw new Error(`${command} ${args.join(' ')}: ${result.stderr}`);
  return result;
}

async function until(check) {
  for (let attempt = 0; ; attempt++) {
    try {
      return await check();
    } catch (error) {
      if (attempt === 100) throw error;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
}
