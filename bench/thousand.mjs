// `node bench/thousand.mjs [--count N] [--step N] [--cli FILE]`: N containers of one service on one network of this machine.
//
// Starts them in steps, lists and stops them, and prints what a container costs as there are more of them: the time of
// one more, what the batch of a step takes per container, and the memory of the shims. Needs root and a static busybox.
import { spawnSync } from 'node:child_process';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const { values: option } = parseArgs({
  options: {
    count: { type: 'string', default: '1000' },
    step: { type: 'string', default: '90' },
    cli: { type: 'string', default: join(root, 'dist/tscompose.cjs') },
  },
});
const FIRST = 10;
/** After this time the shims have read the names of all. */
const SETTLING_MS = 9000;
/** One more, and `ps`, so often in each step: the median counts. */
const TIMES = 3;
const count = Number(option.count);
const scratch = mkdtempSync(join(tmpdir(), 'tscompose-thousand-'));
const env = { ...process.env, TSCOMPOSE_STATE_DIR: join(scratch, 'state') };

// 1,000 addresses do not fit the /24 that a network has by default.
const COMPOSE = `name: thousand${process.pid}
services:
  app:
    image: rootfs:./root
    command: [sleep, infinity]
    stop_signal: SIGKILL
networks:
  default:
    ipam:
      config: [{ subnet: 10.213.0.0/20 }]
`;

function tscompose(...args) {
  const begin = process.hrtime.bigint();
  const { status, stdout, stderr } = spawnSync(process.execPath, [option.cli, ...args], {
    cwd: scratch,
    env,
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  const ms = Number(process.hrtime.bigint() - begin) / 1e6;
  if (status !== 0) throw new Error(`tscompose ${args.join(' ')} exited ${status}:\n${stderr.slice(-4000)}`);
  return { ms, stdout };
}

function prepare() {
  mkdirSync(join(scratch, 'root/bin'), { recursive: true });
  cpSync('/bin/busybox', join(scratch, 'root/bin/busybox'));
  symlinkSync('busybox', join(scratch, 'root/bin/sleep'));
  writeFileSync(join(scratch, 'compose.yaml'), COMPOSE);
}

function read(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

/** Of the processes called so whose command line names our state. */
function shims() {
  return readdirSync('/proc').filter(
    (pid) => /^\d+$/.test(pid) && read(`/proc/${pid}/cmdline`).includes(scratch),
  );
}

function kib(pid) {
  return Number(/^Pss:\s+(\d+)/m.exec(read(`/proc/${pid}/smaps_rollup`))?.[1] ?? 0);
}

/** Ticks of the processor that the shims have used up. */
function processorMs(pids) {
  const ticks = pids.map((pid) => {
    const fields = read(`/proc/${pid}/stat`)
      .replace(/^.*\) /, '')
      .split(' ');
    return Number(fields[11] ?? 0) + Number(fields[12] ?? 0);
  });
  return ticks.reduce((sum, value) => sum + value, 0) * 10;
}

const format = (value) => value.toFixed(1).padStart(9);
const row = (...cells) =>
  console.log(cells.map((cell) => (typeof cell === 'number' ? format(cell) : cell.padStart(9))).join(' '));

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];

function up(scale) {
  return tscompose('up', '-d', '--scale', `app=${scale}`).ms;
}

function ps(expected) {
  const { ms, stdout } = tscompose('ps', '-q');
  const listed = stdout.trim().split('\n').length;
  if (listed !== expected) throw new Error(`${listed} of ${expected} containers are listed`);
  return ms;
}

async function grow() {
  const figures = [];
  row('running', 'batch/1', 'one more', 'ps', 'PSS KiB', 'shims ms');
  for (let there = 0; there < count; ) {
    const wanted = there === 0 ? FIRST : Math.min(count - TIMES, there + Number(option.step));
    const batch = up(wanted) / (wanted - there);
    const turns = Array.from({ length: TIMES }, (_, turn) => turn + 1);
    const single = median(turns.map((turn) => up(wanted + turn)));
    there = wanted + TIMES;
    const listing = median(turns.map(() => ps(there)));
    if (there === count) await setTimeout(SETTLING_MS);
    const pids = shims();
    const pss = pids.reduce((sum, pid) => sum + kib(pid), 0) / pids.length;
    figures.push({ batch, single, listing, pss });
    row(String(there), batch, single, listing, pss, processorMs(pids));
  }
  return figures;
}

try {
  prepare();
  const figures = await grow();
  const ratio = (key, from) => (figures.at(-1)[key] / figures[from][key]).toFixed(2);
  const most = Math.max(...figures.map(({ pss }) => pss));
  // The first batch is of ten, and mostly the start of Node.
  console.log(
    `last / first: ${ratio('batch', 1)} a batch, ${ratio('single', 0)} one more, ${ratio('listing', 0)} ps; at most ${most.toFixed(0)} KiB of PSS`,
  );
} finally {
  const { ms } = tscompose('down', '-t', '1');
  console.log(`down: ${ms.toFixed(0)} ms, ${shims().length} shims left`);
  rmSync(scratch, { recursive: true, force: true });
}
