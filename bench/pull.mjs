// Pulling and unpacking images beside `docker pull` and `skopeo copy` with `umoci unpack`, in one run, from one registry.
//
//   node bench/pull.mjs --layouts DIR [--docker DIR] [--runs N]
//
// DIR has the OCI layouts of the image set. Everything runs in a network and mount namespace of its own: registry,
// Docker's daemon (from --docker) and the clients. Each tool pulls into an empty store, Docker with a daemon started for
// it; rounds take turns, figures are medians. Nothing is removed before the end: ext4 looks for a new inode past all
// that were freed within a minute, one by one, which then takes longer than the pull. Replaces the section "Pulling" of
// bench/RESULTS.md.
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { replaceSection } from './results.mjs';

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
  let registry;
  try {
    run('ip', ['link', 'set', 'lo', 'up']);
    registry = await startRegistry(scratch);
    for (const name of IMAGES)
      run('skopeo', [
        'copy',
        '-q',
        '--dest-tls-verify=false',
        `oci:${option.layouts}/${name}`,
        `docker://${HOST}/${name}`,
      ]);
    const rounds = [];
    for (let count = 0; count < Number(option.runs); count++) rounds.push(await round(scratch));
    publish(rounds, requestsOf(scratch, join(scratch, 'registry.log')));
  } finally {
    if (registry !== undefined) await end(registry);
    rmSync(scratch, { recursive: true, force: true });
  }
}

async function startRegistry(scratch) {
  const log = join(scratch, 'registry.log');
  writeFileSync(
    join(scratch, 'registry.yml'),
    `version: 0.1\nlog: {level: error}\nstorage:\n  filesystem: {rootdirectory: ${scratch}/registry}\nhttp: {addr: ${HOST}}\n`,
  );
  const command = `exec docker-registry serve ${scratch}/registry.yml > ${log} 2>&1`;
  const child = spawn('sh', ['-c', command], { stdio: 'ignore' });
  await until(() => fetch(`http://${HOST}/v2/`));
  return child;
}

/** A daemon with an empty store, for one pull. */
async function dockerPull(scratch, name) {
  const dir = fresh(scratch, 'docker');
  const socket = `unix://${dir}/docker.sock`;
  const args = ['--data-root', `${dir}/data`, '--exec-root', `${dir}/run`, '-H', socket];
  const env = { ...process.env, PATH: `${option.docker}:${process.env.PATH}` };
  const options = ['--pidfile', `${dir}/pid`, '--iptables=false', '--ip6tables=false', '--bridge=none'];
  const command = `exec ${option.docker}/dockerd ${[...args, ...options].join(' ')} > ${dir}/log 2>&1`;
  const daemon = spawn('sh', ['-c', command], { stdio: 'ignore', env });
  const docker = (...words) => run(join(option.docker, 'docker'), ['-H', socket, ...words], { env });
  try {
    await until(() => docker('version'));
    const pids = [daemon.pid, Number(readFileSync(`${dir}/run/containerd/containerd.pid`, 'utf8'))];
    const busy = () => pids.map(processorTime).reduce((sum, ms) => sum + ms, 0);
    const before = busy();
    const { ms } = timed(() => docker('pull', '-q', name));
    return { ms, busy: busy() - before };
  } finally {
    await end(daemon);
  }
}

async function end(child) {
  child.kill();
  await new Promise((resolve) => (child.exitCode === null ? child.on('exit', resolve) : resolve()));
}

/** Milliseconds that a process and the children it waited for were computing. */
function processorTime(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks) * 10, 0);
}

/** One pull of each image by each tool into an empty store: milliseconds, processor time, our peak memory in bytes. */
async function round(scratch) {
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
    const docker = option.docker === undefined ? undefined : await dockerPull(scratch, name);
    result[image] = {
      ours: ours.ms,
      peers: peers.ms,
      docker: docker?.ms,
      oursBusy: ours.value.busy,
      dockerBusy: docker?.busy,
      memory: ours.value.memory,
    };
    console.error(image, result[image]);
  }
  return result;
}

/** Runs our command; the most memory that it had, in bytes, and its processor time in milliseconds. */
function peak(args) {
  const { stderr } = run('/usr/bin/time', ['-f', '%M %U %S', process.execPath, cli, ...args]);
  const [kilobytes, user, system] = (stderr.trim().split('\n').at(-1) ?? '').split(' ').map(Number);
  return { memory: kilobytes * 1024, busy: (user + system) * 1000 };
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
  const table = IMAGES.map((image) => {
    const median = (key) => medianOf(rounds.map((each) => each[image][key]));
    const [ours, peers, docker] = [median('ours'), median('peers'), median('docker')];
    const cells = [ours, docker, ratio(docker, ours), peers, ratio(peers, ours)];
    cells.push(median('oursBusy'), median('dockerBusy'));
    const memory = Math.max(...rounds.map((each) => each[image].memory)) / 1e6;
    return `| ${image} | ${cells.map(inMilliseconds).join(' | ')} | ${memory.toFixed(0)} MB |`;
  });
  const blobs = (lines) => lines.filter((line) => line.startsWith('GET') && line.includes('/blobs/')).length;
  const section = `Medians of ${rounds.length} rounds, registry on loopback, every store empty before
(\`node bench/pull.mjs --layouts DIR --docker DIR --runs ${rounds.length}\`). ${loadavg()[0].toFixed(1)} processes were runnable at the end,
on ${cpus().length} processors. Docker's processor time is that of its daemon and containerd.

| image | tscompose | docker pull | ratio | skopeo copy + umoci unpack | ratio | processor time of tscompose | of Docker | peak memory of tscompose |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
${table.join('\n')}

- Blobs fetched for ${IMAGES[0]}: ${blobs(requests.base)}; then for ${IMAGES[1]}, which shares its layers: ${blobs(requests.second)}.
- \`pull\` of ${IMAGES.length} images that are here: ${requests.present.length} requests (${[...new Set(requests.present.map((line) => line.split(' ')[0]))].join(', ')}).
- \`up\` with every image here: ${requests.up.length} requests.
`;
  replaceSection('Pulling', section);
  console.log(section);
}

function inMilliseconds(cell) {
  return typeof cell === 'number' ? `${Math.round(cell)} ms` : (cell ?? '-');
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
  return mkdtempSync(join(scratch, `${name}-`));
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
