// A small world for network tests: a network namespace of its own for the machine, others for containers.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { openCore } from '../../core/index.ts';
import { requireAddress } from '../../src/networks/address.ts';
import { findLink, route } from '../../src/networks/links.ts';
import { addAddress } from '../../src/networks/routes.ts';
import { changeLink, createLink } from '../../src/networks/rtnetlink.ts';
import type { Context } from '../../src/state/context.ts';

const INSIDE = 'TSCOMPOSE_TEST_NETNS';

export const isRoot = process.getuid?.() === 0;
/** True in the run that has a network namespace of its own. */
export const isIsolated = process.env[INSIDE] === '1';

/** Runs one test file again in a new network namespace; returns its output when it fails. */
export function runIsolated(file: string): string | undefined {
  const vitest = new URL('../../node_modules/vitest/vitest.mjs', import.meta.url).pathname;
  const { status, stdout, stderr } = spawnSync('unshare', ['--net', process.execPath, vitest, 'run', file], {
    cwd: new URL('../..', import.meta.url).pathname,
    encoding: 'utf8',
    env: { ...process.env, [INSIDE]: '1', TSCOMPOSE_TEST_BUILT: '1', NO_COLOR: '1' },
  });
  return status === 0 ? undefined : `${stdout}${stderr}`;
}

export interface World {
  readonly ctx: Context;
  readonly dispose: () => void;
}

export function makeWorld(): World {
  const directory = mkdtempSync(join(tmpdir(), 'tscompose-networks-'));
  const ctx = { core: openCore(), layout: { stateDir: directory, runDir: join(directory, 'run') } };
  return { ctx, dispose: () => rmSync(directory, { recursive: true, force: true }) };
}

// Talks to servers and clients in its own namespace; one JSON line a request and an answer.
const AGENT = `
const net = require('net'), dgram = require('dgram'), readline = require('readline');
const quiet = (t) => 'no answer';
const actions = {
  tcpServer: ({ port, name, host }) => new Promise((done) => {
    const server = net.createServer((socket) => { socket.on('error', () => {}); socket.end(name + ' to ' + socket.remoteAddress.replace('::ffff:', '')); });
    server.listen(port, host ?? '::', () => done('listening'));
  }),
  udpServer: ({ port, name }) => new Promise((done) => {
    const socket = dgram.createSocket('udp4');
    socket.on('message', (_, from) => socket.send(name + ' to ' + from.address, from.port, from.address));
    socket.bind(port, () => done('listening'));
  }),
  tcp: ({ host, port, patience }) => new Promise((done) => {
    const socket = net.connect({ host, port });
    let text = '';
    const timer = setTimeout(() => { socket.destroy(); done('no answer'); }, patience);
    const end = (result) => { clearTimeout(timer); done(result); };
    socket.on('data', (bytes) => { text += bytes; });
    socket.on('end', () => end(text));
    socket.on('error', (error) => end(error.code));
  }),
  udp: ({ host, port, patience }) => new Promise((done) => {
    const socket = dgram.createSocket('udp4');
    const timer = setTimeout(() => { socket.close(); done('no answer'); }, patience);
    socket.on('message', (bytes) => { clearTimeout(timer); socket.close(); done(String(bytes)); });
    socket.on('error', () => {});
    socket.send('hello', port, host);
  }),
};
readline.createInterface({ input: process.stdin }).on('line', async (line) => {
  const { action, ...options } = JSON.parse(line);
  console.log(JSON.stringify(await actions[action](options)));
});
console.log('"ready"');
`;

export interface Agent {
  readonly netns: string;
  /** Serves; answers say who asked: `NAME to ADDRESS`. */
  tcpServer(port: number, name: string): Promise<string>;
  udpServer(port: number, name: string): Promise<string>;
  /** What a server answers, an errno, or `no answer`. */
  tcp(host: string, port: number, options?: Patience): Promise<string>;
  udp(host: string, port: number, options?: Patience): Promise<string>;
  kill(): void;
}

export interface Patience {
  /** How long silence takes to be believed. */
  readonly patience?: number;
}

/** A process in a network namespace of its own, or with `host` in ours. */
export async function startAgent({ host = false } = {}): Promise<Agent> {
  const argv = [process.execPath, '-e', AGENT];
  const child = host ? spawn(argv[0] ?? '', argv.slice(1)) : spawn('unshare', ['--net', ...argv]);
  const ask = conversation(child);
  await ask();
  return {
    netns: `/proc/${child.pid}/ns/net`,
    tcpServer: (port, name) => ask({ action: 'tcpServer', port, name }),
    udpServer: (port, name) => ask({ action: 'udpServer', port, name }),
    tcp: (address, port, { patience = 5000 } = {}) => ask({ action: 'tcp', host: address, port, patience }),
    udp: (address, port, { patience = 5000 } = {}) => ask({ action: 'udp', host: address, port, patience }),
    kill: () => void child.kill('SIGKILL'),
  };
}

function conversation(child: ChildProcess): (request?: object) => Promise<string> {
  if (!child.stdout || !child.stdin) throw new Error('the agent has no pipes');
  const { stdin } = child;
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return async (request) => {
    if (request) stdin.write(`${JSON.stringify(request)}\n`);
    const { value, done } = await lines.next();
    if (done) throw new Error('the agent died');
    return JSON.parse(value);
  };
}

export interface Cable {
  readonly netns: string;
  readonly name: string;
  /** `ADDRESS/PREFIX` at our end and at the far one. */
  readonly ours: readonly string[];
  readonly theirs: readonly string[];
}

/** Connects our namespace with another, as a machine is connected with the world. */
export function connect(ctx: Context, { netns, name, ours, theirs }: Cable): void {
  const fd = ctx.core.openFd(netns);
  route(ctx, [createLink({ name }, { kind: 'veth', peer: { name: 'world', namespaceFd: fd } })]);
  ctx.core.close(fd);
  setAddresses(ctx, name, ours);
  setAddresses(ctx, 'world', theirs, netns);
}

function setAddresses(ctx: Context, name: string, texts: readonly string[], netns?: string): void {
  const index = findLink(ctx, name, netns)?.index ?? 0;
  const requests = texts.map((text) => {
    const [address = '', prefix] = text.split('/');
    return addAddress({ index, address: requireAddress(address, 'a test address'), prefix: Number(prefix) });
  });
  route(ctx, [...requests, changeLink(1, { up: true }), changeLink(index, { up: true })], netns);
}
