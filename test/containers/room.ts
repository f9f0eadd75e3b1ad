// Real containers for tests: a state directory of its own, an image that is busybox, and one call to run a service.
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openCore } from '../../core/index.ts';
import type { Project, Service } from '../../src/compose/project.ts';
import { type Launch, launchContainer, readStatus, removeContainer } from '../../src/containers/container.ts';
import { type CreateInput, createContainer, newContainerId } from '../../src/containers/create.ts';
import { listContainers } from '../../src/containers/listing.ts';
import { readLogs } from '../../src/containers/logs.ts';
import { inspectMachine, type Machine } from '../../src/containers/machine.ts';
import type { ContainerRecord } from '../../src/containers/record.ts';
import type { Status } from '../../src/containers/status.ts';
import type { Warning } from '../../src/containers/warning.ts';
import type { Context } from '../../src/state/context.ts';
import { service } from './world.ts';

const BUSYBOX = '/usr/bin/busybox';
const SHIM = process.env.TSCOMPOSE_CORE_DIR
  ? `${process.env.TSCOMPOSE_CORE_DIR}/tscompose-shim`
  : new URL('../../core/build/tscompose-shim', import.meta.url).pathname;

/** Why real containers cannot be tested here; undefined when they can. */
export function missing(): string | undefined {
  if (process.geteuid?.() !== 0) return 'needs root';
  if (!existsSync(BUSYBOX)) return 'needs busybox-static';
  return existsSync(SHIM) ? undefined : 'needs the built shim';
}

export interface Ran {
  readonly record: ContainerRecord;
  readonly status: Status;
  readonly stdout: string;
  readonly stderr: string;
  readonly warnings: readonly Warning[];
}

export interface Started {
  readonly record: ContainerRecord;
  readonly launch: Launch;
  readonly warnings: readonly Warning[];
}

export class Room {
  readonly dir = mkdtempSync(join(tmpdir(), 'tscompose-room-'));
  readonly ctx: Context = {
    layout: { stateDir: join(this.dir, 'state'), runDir: join(this.dir, 'state/run') },
    core: openCore(),
  };
  readonly machine: Machine = inspectMachine();
  readonly rootfs = join(this.dir, 'rootfs');

  constructor() {
    for (const name of ['bin', 'etc', 'tmp', 'home/www', 'filled/deep'])
      mkdirSync(join(this.rootfs, name), { recursive: true });
    cpSync(BUSYBOX, join(this.rootfs, 'bin/busybox'));
    for (const applet of execFileSync(BUSYBOX, ['--list'], { encoding: 'utf8' }).trim().split('\n')) {
      if (applet !== 'busybox') symlinkSync('busybox', join(this.rootfs, 'bin', applet));
    }
    writeFileSync(
      join(this.rootfs, 'etc/passwd'),
      'root:x:0:0:root:/root:/bin/sh\nwww:x:33:44:www:/home/www:/bin/sh\n',
    );
    writeFileSync(join(this.rootfs, 'etc/group'), 'root:x:0:\nweb:x:44:\nextra:x:1234:www\n');
    writeFileSync(join(this.rootfs, 'filled/deep/file'), 'of the image\n', { mode: 0o640 });
  }

  /** Makes a container and starts it as far as `created`. */
  create(attributes: Partial<Service> = {}, input: Partial<CreateInput> = {}) {
    const id = newContainerId();
    return createContainer(this.ctx, {
      project: {
        name: 'p',
        workingDir: this.dir,
        configs: {},
        secrets: {},
        environment: {},
        positionOf: () => undefined,
      } satisfies Partial<Project>,
      serviceName: 'web',
      service: service(attributes),
      id,
      name: `p-web-${id.slice(0, 4)}`,
      number: 1,
      configHash: 'hash',
      labels: {},
      image: { name: 'busybox', id: 'rootfs', config: {} },
      snapshot: { lower: [this.rootfs] },
      networkMode: 'none',
      endpoints: [],
      nameTables: [],
      mounts: [],
      machine: this.machine,
      ...input,
    });
  }

  async start(attributes: Partial<Service> = {}, input: Partial<CreateInput> = {}): Promise<Started> {
    const { record, warnings } = this.create(attributes, input);
    const launch = await launchContainer(this.ctx, record);
    launch.proceed();
    await launch.until('created');
    await launch.start();
    return { record, launch, warnings };
  }

  /** Runs `sh -c LINE` in a new container until it ends. */
  async sh(line: string, attributes: Partial<Service> = {}, input: Partial<CreateInput> = {}): Promise<Ran> {
    return this.run({ command: ['/bin/sh', '-c', line], ...attributes }, input);
  }

  async run(attributes: Partial<Service>, input: Partial<CreateInput> = {}): Promise<Ran> {
    const { record, launch, warnings } = await this.start(attributes, input);
    const status = await launch.until('stopped');
    const ran = { record, status, warnings, ...(await this.output(record)) };
    await removeContainer(this.ctx, record);
    return ran;
  }

  async output(record: ContainerRecord): Promise<{ stdout: string; stderr: string }> {
    const text = { stdout: '', stderr: '' };
    for await (const { stream, line, partial } of readLogs(this.ctx, record))
      text[stream] += partial ? line : `${line}\n`;
    return text;
  }

  status(record: ContainerRecord): Status {
    return readStatus(this.ctx, record.id);
  }

  /** Removes everything; the directory is kept for a look when `KEEP` is set. */
  async close(): Promise<void> {
    for (const record of listContainers(this.ctx)) await removeContainer(this.ctx, record);
    if (!process.env.KEEP) rmSync(this.dir, { recursive: true, force: true });
  }
}
