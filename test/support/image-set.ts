// Real images (busybox, debian, redis, nginx, postgres, node), made once from Debian packages by the script that lies
// beside this checkout, and Debian's registry that serves them on loopback.
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from './eventually.ts';
import { freePort, isRoot } from './machine.ts';
import { PREFIX, ROOT } from './stack.ts';

const SCRIPT = join(ROOT, '../shared/images/make-images.sh');

/** Repository and tag of each image. */
export const IMAGES = [
  'busybox:latest',
  'alpine:latest',
  'debian:bookworm-slim',
  'redis:7',
  'nginx:latest',
  'postgres:15',
  'node:20',
] as const;

export function hasProgram(name: string): boolean {
  return spawnSync('which', [name]).status === 0;
}

/** What the image set needs, for the reason why tests are skipped. */
export const imageSetNeeds: Readonly<Record<string, boolean>> = {
  root: isRoot,
  Debian: existsSync('/etc/debian_version'),
  'docker-registry': hasProgram('docker-registry'),
  skopeo: hasProgram('skopeo'),
  umoci: hasProgram('umoci'),
  debootstrap: hasProgram('debootstrap'),
  'shared/images beside the checkout': existsSync(SCRIPT),
};

export interface ImageSet {
  /** `host:port` of the registry. */
  readonly host: string;
  /** The OCI image layout of a repository. */
  layout(repository: string): string;
  stop(): void;
}

/** Debian's registry on a port of its own, with its data in `dir`. */
export async function startRegistry(dir: string): Promise<{ readonly host: string; stop(): void }> {
  const port = await freePort();
  const root = mkdtempSync(join(tmpdir(), PREFIX));
  const config = join(root, 'registry.yml');
  writeFileSync(
    config,
    `version: 0.1\nlog: {level: error}\nstorage:\n  filesystem: {rootdirectory: ${dir}}\nhttp: {addr: 127.0.0.1:${port}}\n`,
  );
  const child = spawn('docker-registry', ['serve', config], { stdio: 'ignore' });
  await eventually(() => reached(port));
  return { host: `127.0.0.1:${port}`, stop: () => end(child, root) };
}

function end(child: ChildProcess, root: string): void {
  child.kill();
  rmSync(root, { recursive: true, force: true });
}

function reached(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = createConnection(port, '127.0.0.1', () => {
      socket.destroy();
      resolve();
    });
    socket.on('error', reject);
  });
}

/**
 * The images, made when they are not there yet, which takes a minute or a few. They are kept in the user's cache, and
 * made by one test file while the others wait.
 */
export async function openImageSet(): Promise<ImageSet> {
  const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'tscompose-test-images');
  mkdirSync(cache, { recursive: true });
  const registry = await startRegistry(join(cache, 'registry'));
  const layouts = join(cache, 'layouts');
  try {
    await run('flock', [join(cache, 'lock'), 'bash', SCRIPT, layouts, '--registry', registry.host]);
  } catch (error) {
    registry.stop();
    throw error;
  }
  return { ...registry, layout: (repository) => join(layouts, repository) };
}

function run(command: string, args: readonly string[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
    child.on('error', reject);
    child.on('close', (code) => (code === 0 ? resolve() : reject(new Error(`${command}: ${said}`))));
  });
}
