// `node bench/throughput.mjs [--peers DIR] [--seconds N] [--runs N] [--only TEXT] [--cli FILE]`: between containers, through
// published ports, into logs.
//
// Runs tscompose, and Docker Engine when its programs are in DIR, by turns, each in a network and mount namespace of
// its own, on the same image (traffic.c). Prints the median and the range of each; --only picks lines that contain TEXT.
// Needs root, a C compiler, iproute2 and iptables.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const script = fileURLToPath(import.meta.url);
const root = dirname(dirname(script));
const { values: option } = parseArgs({
  options: {
    peers: { type: 'string', default: join(tmpdir(), 'tscompose-bench-peers/bin') },
    seconds: { type: 'string', default: '3' },
    runs: { type: 'string', default: '5' },
    only: { type: 'string', default: '' },
    cli: { type: 'string', default: join(root, 'dist/tscompose.cjs') },
  },
});

const LINES = 4_000_000;
const LINE_BYTES = 63;
/** The other end of a wire to this network namespace: what comes from there is from another machine. */
const OUTSIDE = { here: '192.0.2.1', name: `tscompose-bench-${process.pid}` };

function run(command, args, options = {}) {
  const result = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 1 << 28, ...options });
  if (result.error) throw result.error;
  if (result.status !== 0)
    throw new Error(`${command} ${args.join(' ')} failed:\n${result.stdout}${result.stderr}`);
  return result.stdout;
}

function prepare(scratch) {
  mkdirSync(join(scratch, 'root/bin'), { recursive: true });
  for (const name of ['etc', 'proc', 'sys', 'dev', 'tmp']) mkdirSync(join(scratch, 'root', name));
  const source = join(root, 'bench/traffic.c');
  run('cc', ['-O2', '-static', '-w', '-o', join(scratch, 'root/bin/traffic'), source]);
  run('sh', [
    '-c',
    `ip link set lo up; sysctl -qw net.ipv4.ip_forward=1
    ip netns add ${OUTSIDE.name}; ip link add wire type veth peer name wire netns ${OUTSIDE.name}
    ip addr add ${OUTSIDE.here}/24 dev wire; ip link set wire up
    ip -n ${OUTSIDE.name} addr add 192.0.2.2/24 dev wire; ip -n ${OUTSIDE.name} link set wire up`,
  ]);
}

const rate = (text) => Number(/rate (\d+)/.exec(text)[1]);

/** How traffic is measured, with the unit of what a rate is divided by. */
const KINDS = {
  'bulk (GB/s)': ['bulk', 1e9],
  'short connections (thousands/s)': ['connections', 1e3],
  'datagrams there and back (MB/s)': ['datagrams', 1e6],
};

/** Rates by where the client is. */
function pathsOf(scratch, { port, bridge, client }) {
  const program = join(scratch, 'root/bin/traffic');
  const measure = (kind, host) => [kind, host, port, option.seconds];
  const outside = ['netns', 'exec', OUTSIDE.name, program];
  return {
    'another container': (kind) => rate(client(measure(kind, 'server'))),
    'another network namespace': (kind) => rate(run('ip', [...outside, ...measure(kind, OUTSIDE.here)])),
    "the bridge's address": (kind) => rate(run(program, measure(kind, addressOf(bridge)))),
    '127.0.0.1': (kind) => rate(run(program, measure(kind, '127.0.0.1'))),
  };
}

/** The machine's own address on the bridge whose name begins so. */
function addressOf(prefix) {
  const links = JSON.parse(run('ip', ['-j', '-4', 'address']));
  return links.find(({ ifname }) => ifname.startsWith(prefix)).addr_info[0].local;
}

/** What is measured of an engine: one sample each. */
function samplesOf(scratch, engine) {
  const samples = {};
  for (const [kindText, [kind, unit]] of Object.entries(KINDS)) {
    for (const [from, sample] of Object.entries(pathsOf(scratch, engine)))
      samples[`${kindText} from ${from}`] = () => sample(kind) / unit;
  }
  samples['log, json-file (MB/s)'] = () => (LINES * LINE_BYTES) / 1e6 / engine.print(String(LINES));
  return Object.fromEntries(Object.entries(samples).filter(([what]) => what.includes(option.only)));
}

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];

function seconds(work) {
  const begin = process.hrtime.bigint();
  work();
  return Number(process.hrtime.bigint() - begin) / 1e9;
}

/** Ports of the server: bulk and short connections, and datagrams. */
const published = (port) => `${port}-${Number(port) + 1}:${port}-${Number(port) + 1}`;
const udp = (port) => `${Number(port) + 2}:${Number(port) + 2}/udp`;

function tscompose(scratch) {
  const port = '9100';
  const env = { ...process.env, TSCOMPOSE_STATE_DIR: join(scratch, 'state') };
  // Groups of its own, as Docker's are: other containers of this machine are to take no more from one than from the other.
  writeFileSync(
    join(scratch, 'compose.yaml'),
    `name: bench
services:
  server: { image: "rootfs:./root", command: [/bin/traffic, serve, "${port}"], ports: ["${published(port)}", "${udp(port)}"], stop_signal: SIGKILL, cgroup_parent: "${OUTSIDE.name}" }
  client: { image: "rootfs:./root", command: [/bin/traffic], profiles: [tools], cgroup_parent: "${OUTSIDE.name}" }
  print: { image: "rootfs:./root", command: [/bin/traffic, print, "${LINES}"], profiles: [tools], network_mode: none }
`,
  );
  const cli = (...args) => run(process.execPath, [option.cli, ...args], { cwd: scratch, env });
  return {
    port,
    bridge: 'tsc',
    serve: () => cli('up', '-d', 'server'),
    client: (args) => cli('run', '--rm', '-T', 'client', '/bin/traffic', ...args),
    end: () => cli('down'),
    print: () => {
      cli('create', 'print');
      const spent = seconds(() => {
        cli('start', 'print');
        cli('wait', 'print');
      });
      cli('rm', '-f', '-s', 'print');
      return spent;
    },
    close: () => cli('--profile', 'tools', 'down'),
  };
}

async function docker(scratch) {
  const port = '9110';
  const socket = join(scratch, 'docker.sock');
  const env = {
    ...process.env,
    DOCKER_HOST: `unix://${socket}`,
    PATH: `${option.peers}:${process.env.PATH}`,
  };
  const data = join(scratch, 'docker');
  const daemon = spawn(
    join(option.peers, 'dockerd'),
    [
      '--data-root',
      data,
      '--exec-root',
      join(scratch, 'exec'),
      '-H',
      env.DOCKER_HOST,
      '--pidfile',
      join(scratch, 'docker.pid'),
    ],
    // A session of its own, as a service has: otherwise it would share the client's turns on the processor.
    { env, stdio: 'ignore', detached: true },
  );
  const cli = (...args) => run(join(option.peers, 'docker'), args, { env });
  for (let attempt = 0; ; attempt++) {
    try {
      cli('info');
      break;
    } catch (error) {
      if (attempt > 100) throw error;
      await setTimeout(200);
    }
  }
  run('tar', ['-C', join(scratch, 'root'), '-cf', join(scratch, 'root.tar'), '.']);
  cli('import', join(scratch, 'root.tar'), 'bench');
  cli('network', 'create', 'bench');
  return {
    port,
    bridge: 'br-',
    serve: () =>
      cli(
        'run',
        '-d',
        '--name',
        'server',
        '--network',
        'bench',
        '-p',
        published(port),
        '-p',
        udp(port),
        'bench',
        '/bin/traffic',
        'serve',
        port,
      ),
    client: (args) => cli('run', '--rm', '--network', 'bench', 'bench', '/bin/traffic', ...args),
    end: () => cli('rm', '-f', 'server'),
    print: (lines) => {
      cli('create', '--name', 'print', '--network', 'none', 'bench', '/bin/traffic', 'print', lines);
      const spent = seconds(() => {
        cli('start', 'print');
        cli('wait', 'print');
      });
      cli('rm', '-f', 'print');
      return spent;
    },
    close: async () => {
      daemon.kill('SIGTERM');
      await new Promise((resolve) => daemon.once('exit', resolve));
    },
  };
}

function report({ what, values }) {
  const cells = Object.entries(values).map(([name, all]) => {
    const [lowest, highest] = [Math.min(...all), Math.max(...all)].map((value) => value.toFixed(2));
    return `${name} ${median(all).toFixed(2)} (${lowest} to ${highest})`;
  });
  // Of neighbours in time: what disturbs one turn disturbs both of its sides.
  const ratios = values.docker?.map((theirs, turn) => values.tscompose[turn] / theirs);
  const ratio = ratios ? ` | ${median(ratios).toFixed(2)} times` : '';
  console.log(`${what} | ${cells.join(' | ')}${ratio}`);
}

const ENGINES = { tscompose, docker };

/** In a child of its own: what the parent names is measured, until the parent has enough. */
async function serveSamples(name) {
  const scratch = mkdtempSync(join(tmpdir(), 'tscompose-throughput-'));
  prepare(scratch);
  const engine = await ENGINES[name](scratch);
  engine.serve();
  const samples = samplesOf(scratch, engine);
  process.on('message', (what) => process.send(samples[what]()));
  process.once('disconnect', async () => {
    engine.end();
    await engine.close();
    run('ip', ['netns', 'del', OUTSIDE.name]);
    // Docker mounts its directory on itself.
    spawnSync('umount', ['-l', join(scratch, 'docker')]);
    rmSync(scratch, { recursive: true, force: true });
  });
  process.send(Object.keys(samples));
}

/** An engine in namespaces of its own: the rules of one packet filter do not slow down the other's packets. */
async function openEngine(name) {
  const child = spawn('unshare', ['-n', '-m', process.execPath, ...process.argv.slice(1)], {
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    env: { ...process.env, TSCOMPOSE_BENCH_ENGINE: name },
  });
  const gone = once(child, 'exit');
  const answer = () =>
    new Promise((resolve, reject) => {
      child.once('message', resolve);
      gone.then(() => reject(new Error(`${name} gave up`)));
    });
  return {
    name,
    whats: await answer(),
    sample: (what) => {
      child.send(what);
      return answer();
    },
    close: async () => {
      child.disconnect();
      await gone;
    },
  };
}

/** The engines take turns: what else the machine does at the moment hits them alike. */
async function measure(engines, what) {
  const values = Object.fromEntries(engines.map(({ name }) => [name, []]));
  for (let turn = 0; turn < Number(option.runs); turn++)
    for (const { name, sample } of engines) values[name].push(await sample(what));
  report({ what, values });
}

async function main() {
  const names = existsSync(join(option.peers, 'dockerd')) ? ['tscompose', 'docker'] : ['tscompose'];
  const engines = [];
  try {
    for (const name of names) engines.push(await openEngine(name));
    for (const what of engines[0].whats) await measure(engines, what);
  } finally {
    for (const engine of engines) await engine.close();
  }
}

const inside = process.env.TSCOMPOSE_BENCH_ENGINE;
await (inside === undefined ? main() : serveSamples(inside));
