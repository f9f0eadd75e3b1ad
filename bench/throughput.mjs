// `node bench/throughput.mjs [--peers DIR] [--seconds N] [--cli FILE]`: bytes between containers, through published ports, into logs.
//
// Runs tscompose, and Docker Engine when its programs are in DIR, by turns in a network and mount namespace of
// their own, on the same image: a server that discards and a client that sends. Prints GB/s and MB/s, the median and the range.
// Needs root, a C compiler, iproute2 and iptables.
import { spawn, spawnSync } from 'node:child_process';
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
    cli: { type: 'string', default: join(root, 'dist/tscompose.cjs') },
  },
});

const PROGRAM = `
#include <arpa/inet.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
static char bytes[1 << 17];
static double now(void) { struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t); return t.tv_sec + t.tv_nsec / 1e9; }
static int serve(int port) {
  int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0 || listen(fd, 16) < 0) return 1;
  for (int one; (one = accept(fd, 0, 0)) >= 0; close(one))
    if (fork() == 0) { while (read(one, bytes, sizeof bytes) > 0) ; _exit(0); }
  return 1;
}
static int send_to(const char *name, const char *port, double seconds) {
  struct addrinfo hints = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM}, *found;
  int fd = -1;
  for (int attempt = 0; attempt < 100; attempt++, usleep(50000)) {
    if (getaddrinfo(name, port, &hints, &found)) continue;
    fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connect(fd, found->ai_addr, found->ai_addrlen) == 0) break;
    close(fd); fd = -1;
  }
  if (fd < 0) return 1;
  double begin = now(), sent = 0;
  while (now() - begin < seconds) { ssize_t count = write(fd, bytes, sizeof bytes); if (count <= 0) return 2; sent += count; }
  printf("rate %.0f\\n", sent / (now() - begin));
  return 0;
}
static int print_lines(long count) {
  char line[] = "2026-01-01 00:00:00 INFO request 0123456789abcdef took 12.5 ms\\n";
  setvbuf(stdout, 0, _IOFBF, 1 << 16);
  for (long i = 0; i < count; i++) fwrite(line, 1, sizeof line - 1, stdout);
  return fflush(stdout);
}
int main(int argc, char *argv[]) {
  if (argc == 3 && !strcmp(argv[1], "serve")) return serve(atoi(argv[2]));
  if (argc == 5 && !strcmp(argv[1], "send")) return send_to(argv[2], argv[3], atof(argv[4]));
  if (argc == 3 && !strcmp(argv[1], "print")) return print_lines(atol(argv[2]));
  return 9;
}`;
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
  writeFileSync(join(scratch, 'pipe.c'), PROGRAM);
  run('cc', ['-O2', '-static', '-w', '-o', join(scratch, 'root/bin/pipe'), join(scratch, 'pipe.c')]);
  run('sh', [
    '-c',
    `ip link set lo up; sysctl -qw net.ipv4.ip_forward=1
    ip netns add ${OUTSIDE.name}; ip link add wire type veth peer name wire netns ${OUTSIDE.name}
    ip addr add ${OUTSIDE.here}/24 dev wire; ip link set wire up
    ip -n ${OUTSIDE.name} addr add 192.0.2.2/24 dev wire; ip -n ${OUTSIDE.name} link set wire up`,
  ]);
}

const rate = (text) => Number(/rate (\d+)/.exec(text)[1]);

/** What is measured of an engine: one sample each. */
function samplesOf(scratch, { port, ...engine }) {
  const pipe = join(scratch, 'root/bin/pipe');
  const send = (host) => ['send', host, port, option.seconds];
  return {
    'container to container (GB/s)': () => rate(engine.client(send('server'))) / 1e9,
    'from outside through a published port (GB/s)': () =>
      rate(run('ip', ['netns', 'exec', OUTSIDE.name, pipe, ...send(OUTSIDE.here)])) / 1e9,
    'from the machine through 127.0.0.1 (GB/s)': () => rate(run(pipe, send('127.0.0.1'))) / 1e9,
    'log, json-file (MB/s)': () => (LINES * LINE_BYTES) / 1e6 / engine.print(String(LINES)),
  };
}

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];

/** The engines take turns: what else the machine does at the moment hits them alike. */
function measure(scratch, engines) {
  const samples = Object.entries(engines).map(([name, engine]) => [name, samplesOf(scratch, engine)]);
  const whats = Object.keys(samples[0][1]);
  return whats.map((what) => {
    const values = Object.fromEntries(samples.map(([name]) => [name, []]));
    for (let turn = 0; turn < Number(option.runs); turn++)
      for (const [name, sample] of samples) values[name].push(sample[what]());
    return { what, values };
  });
}

function seconds(work) {
  const begin = process.hrtime.bigint();
  work();
  return Number(process.hrtime.bigint() - begin) / 1e9;
}

function tscompose(scratch) {
  const port = '9100';
  const env = { ...process.env, TSCOMPOSE_STATE_DIR: join(scratch, 'state') };
  writeFileSync(
    join(scratch, 'compose.yaml'),
    `name: bench
services:
  server: { image: "rootfs:./root", command: [/bin/pipe, serve, "${port}"], ports: ["${port}:${port}"], stop_signal: SIGKILL }
  client: { image: "rootfs:./root", command: [/bin/pipe], profiles: [tools] }
  print: { image: "rootfs:./root", command: [/bin/pipe, print, "${LINES}"], profiles: [tools], network_mode: none }
`,
  );
  const cli = (...args) => run(process.execPath, [option.cli, ...args], { cwd: scratch, env });
  return {
    port,
    serve: () => cli('up', '-d', 'server'),
    client: (args) => cli('run', '--rm', '-T', 'client', '/bin/pipe', ...args),
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
  const port = '9101';
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
    { env, stdio: 'ignore' },
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
    serve: () =>
      cli(
        'run',
        '-d',
        '--name',
        'server',
        '--network',
        'bench',
        '-p',
        `${port}:${port}`,
        'bench',
        '/bin/pipe',
        'serve',
        port,
      ),
    client: (args) => cli('run', '--rm', '--network', 'bench', 'bench', '/bin/pipe', ...args),
    end: () => cli('rm', '-f', 'server'),
    print: (lines) => {
      cli('create', '--name', 'print', '--network', 'none', 'bench', '/bin/pipe', 'print', lines);
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
  const ratio = values.docker
    ? ` | ${(median(values.tscompose) / median(values.docker)).toFixed(2)} times`
    : '';
  console.log(`${what} | ${cells.join(' | ')}${ratio}`);
}

async function main() {
  const scratch = mkdtempSync(join(tmpdir(), 'tscompose-throughput-'));
  const engines = {};
  try {
    prepare(scratch);
    engines.tscompose = tscompose(scratch);
    if (existsSync(join(option.peers, 'dockerd'))) engines.docker = await docker(scratch);
    for (const engine of Object.values(engines)) engine.serve();
    for (const measured of measure(scratch, engines)) report(measured);
    for (const engine of Object.values(engines)) engine.end();
  } finally {
    for (const engine of Object.values(engines)) await engine.close();
    run('ip', ['netns', 'del', OUTSIDE.name]);
    rmSync(scratch, { recursive: true, force: true });
  }
}

if (process.env.TSCOMPOSE_BENCH_INSIDE) await main();
else
  process.exitCode = spawnSync('unshare', ['-n', '-m', process.execPath, ...process.argv.slice(1)], {
    stdio: 'inherit',
    env: { ...process.env, TSCOMPOSE_BENCH_INSIDE: '1' },
  }).status;
