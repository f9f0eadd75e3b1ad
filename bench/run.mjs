// `npm run bench`: the speed and memory of tscompose beside Docker's, and the kernel's own floor for the same containers.
//
//   node bench/run.mjs [--peers DIR] [--side-by-side FILE] [--runs N] [--replicas N] [--only a,b]
//
// Docker runs from DIR, where get-peers.sh unpacks it; without it only tscompose and the floor are measured. Writes
// the section "Commands" of bench/RESULTS.md with the figures, the command and the machine. Needs root and a static busybox.
import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { cpus, release, tmpdir, totalmem } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { replaceSection } from './results.mjs';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const { values: option } = parseArgs({
  options: {
    peers: { type: 'string', default: join(root, '../shared/peers/get-peers.sh') },
    'peers-dir': { type: 'string', default: join(tmpdir(), 'tscompose-bench-peers') },
    'side-by-side': { type: 'string', default: join(root, '../shared/bench/side-by-side.mjs') },
    runs: { type: 'string', default: '5' },
    replicas: { type: 'string', default: '50' },
    only: { type: 'string' },
  },
});
const IMAGE = 'bench/busybox:latest';
const scratch = mkdtempSync(join(tmpdir(), 'tscompose-bench-'));
const stateDir = join(scratch, 'state');
const cli = join(root, 'dist/tscompose.cjs');

function run(command, args, options = {}) {
  const result = spawnSync(command, args, { cwd: root, encoding: 'utf8', maxBuffer: 1 << 28, ...options });
  if (result.error) throw result.error;
  if (result.status !== 0)
    throw new Error(`${command} ${args.join(' ')} failed:\n${result.stdout}${result.stderr}`);
  return result.stdout;
}

/** A root file system with a static busybox in it, the same for all. */
function makeRootfs() {
  const rootfs = join(scratch, 'rootfs');
  for (const dir of ['bin', 'dev', 'proc', 'sys', 'tmp', 'etc'])
    mkdirSync(join(rootfs, dir), { recursive: true });
  copyFileSync('/bin/busybox', join(rootfs, 'bin/busybox'));
  for (const applet of ['sh', 'sleep', 'true', 'seq']) symlinkSync('busybox', join(rootfs, 'bin', applet));
  return rootfs;
}

/** The same tar becomes Docker's image by `import` and ours as an archive with one layer. */
function makeArchive(rootfs) {
  const layer = join(scratch, 'layer.tar');
  run('tar', ['-C', rootfs, '-cf', layer, '.']);
  const diff = run('sha256sum', [layer]).split(' ')[0];
  const config = {
    architecture: process.arch === 'x64' ? 'amd64' : process.arch,
    os: 'linux',
    config: { Cmd: ['sh'], Env: ['PATH=/bin'] },
    rootfs: { type: 'layers', diff_ids: [`sha256:${diff}`] },
  };
  writeFileSync(join(scratch, 'config.json'), JSON.stringify(config));
  writeFileSync(
    join(scratch, 'manifest.json'),
    JSON.stringify([{ Config: 'config.json', RepoTags: [IMAGE], Layers: ['layer.tar'] }]),
  );
  const archive = join(scratch, 'image.tar');
  run('tar', ['-C', scratch, '-cf', archive, 'manifest.json', 'config.json', 'layer.tar']);
  return archive;
}

/** What dies with the boot is in memory where either is installed, in /run: here their directories are not there. */
const inMemory = [join(stateDir, 'run'), join(option['peers-dir'], 'exec')];

function mountInMemory() {
  for (const directory of inMemory) {
    mkdirSync(directory, { recursive: true });
    run('mount', ['-t', 'tmpfs', '-o', 'mode=0755', 'tmpfs', directory]);
  }
}

function dockerEnvironment() {
  const dir = option['peers-dir'];
  return {
    ...process.env,
    DOCKER_HOST: `unix://${dir}/docker.sock`,
    DOCKER_CONFIG: `${dir}/config`,
    PATH: `${dir}/bin:${process.env.PATH}`,
  };
}

function startPeers(archive) {
  if (!existsSync(option.peers)) return undefined;
  run('bash', [option.peers, option['peers-dir'], 'start'], { stdio: 'inherit' });
  const env = dockerEnvironment();
  run('docker', ['load', '-q', '-i', archive], { env });
  return env;
}

function measureFloor(kind, rootfs, count) {
  const binary = join(scratch, 'floor');
  run('cc', ['-D_GNU_SOURCE', '-std=c11', '-O2', '-o', binary, 'bench/floor.c']);
  const samples = Array.from({ length: 5 }, () => {
    const work = mkdtempSync(join(scratch, 'floor-'));
    const [, up, down] = /up ([\d.]+) down ([\d.]+)/.exec(
      run(binary, [kind, String(count), rootfs, work, '/bin/busybox', 'sleep', '3600']),
    );
    rmSync(work, { recursive: true });
    return { up: Number(up), down: Number(down) };
  });
  const median = (key) => samples.map((sample) => sample[key]).sort((a, b) => a - b)[2];
  return { up: median('up'), down: median('down') };
}

function sideBySide(docker) {
  const args = [
    option['side-by-side'],
    '--runs',
    option.runs,
    '--replicas',
    option.replicas,
    '--image',
    IMAGE,
  ];
  if (option.only) args.push('--only', option.only);
  if (docker) args.push('--engine', 'docker=docker compose');
  args.push('--engine', `tscompose=${process.execPath} ${cli}`);
  console.log('measuring');
  const text = run(process.execPath, args, {
    env: { ...(docker ?? process.env), TSCOMPOSE_STATE_DIR: stateDir },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return {
    text,
    command: `node side-by-side.mjs ${args.slice(1).join(' ').replaceAll(root, '.').replaceAll(process.execPath, 'node')}`,
  };
}

function startOfNode() {
  const times = Array.from({ length: 15 }, () => {
    const begin = process.hrtime.bigint();
    spawnSync(process.execPath, ['-e', '0']);
    return Number(process.hrtime.bigint() - begin) / 1e6;
  });
  return times.sort((a, b) => a - b)[7];
}

function machine() {
  const { model } = cpus()[0];
  const mode = existsSync('/sys/fs/cgroup/cgroup.controllers') ? 'v2' : 'v1';
  return `${cpus().length} × ${model}, ${Math.round(totalmem() / 2 ** 30)} GiB, Linux ${release()}, cgroup ${mode}, Node ${process.version}`;
}

function table(text) {
  const rows = text
    .trim()
    .split('\n')
    .map((line) => line.split('|').map((cell) => cell.trim()));
  const engines = rows[0].slice(1).filter((cell) => !cell.includes('/'));
  const names = engines.map((cell) => cell.split(' ')[0]);
  const header = [
    'what (ms, or MiB for memory)',
    ...names.map((name) => `${name}: median (range)`),
    ...(names.length > 1 ? ['ratio'] : []),
  ];
  const body = rows.map((row) => row.map((cell, at) => (at === 0 ? cell : cell.replace(/^\S+ /, ''))));
  return [header, header.map(() => '---'), ...body].map((row) => `| ${row.join(' | ')} |`).join('\n');
}

function write(measured, floors) {
  const text = `On ${machine()}, ${new Date().toISOString().slice(0, 10)}. \`node -e 0\` takes ${startOfNode().toFixed(0)} ms there, which
every command of tscompose includes. What dies with the boot is in memory for both, as it is in an installation.

\`npm run bench\`, which runs

    ${measured.command}

${table(measured.text)}

The floor is what the kernel alone takes (\`bench/floor.c\`), one container after the other, the median of five runs:
\`bare\` is clone with all namespaces, overlay mount, /proc, /dev, veth pair, pivot_root and exec, \`whole\` all that the
same containers have here and with Docker: control groups, the other file systems and mounts, addresses, seccomp.

| floor | containers | up (ms) | down (ms) |
| --- | --- | --- | --- |
${floors.map(({ kind, count, up, down }) => `| ${kind} | ${count} | ${up.toFixed(1)} | ${down.toFixed(1)} |`).join('\n')}
`;
  replaceSection('Commands', text);
  console.log(text);
}

try {
  run(process.execPath, ['scripts/build.mjs', '--no-types'], { stdio: 'inherit' });
  mountInMemory();
  const rootfs = makeRootfs();
  const archive = makeArchive(rootfs);
  run(process.execPath, [cli, '--state-dir', stateDir, 'image', 'load', '-i', archive]);
  const docker = startPeers(archive);
  const counts = [3, Number(option.replicas)];
  const floors = ['bare', 'whole'].flatMap((kind) =>
    counts.map((count) => ({ kind, count, ...measureFloor(kind, rootfs, count) })),
  );
  write(sideBySide(docker), floors);
} finally {
  if (existsSync(join(option['peers-dir'], 'docker.pid')))
    run('bash', [option.peers, option['peers-dir'], 'stop']);
  for (const directory of inMemory) spawnSync('umount', ['-l', directory]);
  rmSync(scratch, { recursive: true, force: true });
}
