// A project on the real engine, in a state directory of its own; nothing of it is left at the end.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openCore } from '../../core/index.ts';
import type { Project, Service } from '../../src/compose/project.ts';
import { readStatus } from '../../src/containers/container.ts';
import { execCaptured } from '../../src/containers/exec.ts';
import { listContainers } from '../../src/containers/listing.ts';
import { inspectMachine } from '../../src/containers/machine.ts';
import type { ContainerRecord } from '../../src/containers/record.ts';
import { dockerState, type Status } from '../../src/containers/status.ts';
import { type ApplyOptions, type Engine, openEngine, type Result } from '../../src/engine/engine.ts';
import type { EngineEvent } from '../../src/events.ts';
import type { Goal } from '../../src/plan/goal.ts';
import type { Context } from '../../src/state/context.ts';

export type Services = Readonly<Record<string, Partial<Service>>>;

/** Names of projects differ between tests that run at the same time. */
let count = 0;

export class Machine {
  readonly name = `tscengine${process.pid}n${count++}`;
  readonly dir = mkdtempSync(join(tmpdir(), 'tscompose-engine-'));
  readonly ctx: Context;
  readonly engine: Engine;
  readonly events: EngineEvent[] = [];

  constructor() {
    const stateDir = join(this.dir, 'state');
    this.ctx = { layout: { stateDir, runDir: join(stateDir, 'run') }, core: openCore() };
    this.engine = openEngine(this.ctx);
  }

  /** A project of services of the image `host` that sleep until they are stopped. */
  project(services: Services, rest: Partial<Project> = {}): Project {
    return {
      name: this.name,
      workingDir: this.dir,
      files: [],
      envFiles: [],
      environment: {},
      services: Object.fromEntries(Object.entries(services).map(([name, service]) => [name, idle(service)])),
      disabledServices: {},
      networks: { default: { name: `${this.name}_default` } },
      volumes: {},
      secrets: {},
      configs: {},
      models: {},
      jobs: {},
      extensions: {},
      profiles: [],
      positionOf: (path) => ({ file: 'compose.yaml', line: path.length, column: 1 }),
      ...rest,
    };
  }

  apply(project: Project, goal: Goal, options: ApplyOptions = {}): Promise<Result> {
    const onEvent = (event: EngineEvent) => this.events.push(event);
    return this.engine.apply(project, goal, { onEvent, ...options });
  }

  /** Reaches a goal; the error of what failed otherwise. */
  async reach(project: Project, goal: Goal): Promise<Result> {
    const result = await this.apply(project, goal);
    if (result.error !== undefined) throw result.error;
    return result;
  }

  containers(service?: string): readonly ContainerRecord[] {
    const all = listContainers(this.ctx);
    return all.filter((record) => service === undefined || record.service === service);
  }

  only(service: string): ContainerRecord {
    const [first, ...others] = this.containers(service);
    if (first === undefined || others.length > 0) throw new Error(`not one container of ${service}`);
    return first;
  }

  status(service: string): Status {
    return readStatus(this.ctx, this.only(service).id);
  }

  /** `demo-web-1 running` of every container, without the project's name. */
  states(): string[] {
    return this.containers()
      .map(
        (record) =>
          `${record.name.slice(this.name.length + 1)} ${dockerState(readStatus(this.ctx, record.id))}`,
      )
      .sort();
  }

  /** What a shell command in a container prints. */
  async shell(service: string, script: string): Promise<string> {
    const record = this.containers(service)[0];
    if (record === undefined) throw new Error(`no container of ${service}`);
    const ctx = { ...this.ctx, machine: inspectMachine() };
    const { stdout } = await execCaptured(ctx, record, { command: ['/bin/sh', '-c', script] });
    return stdout.toString('utf8').trim();
  }

  log(service: string): string {
    const { id } = this.only(service);
    return readFileSync(join(this.ctx.layout.stateDir, 'containers', id, 'log'), 'utf8');
  }

  /** Takes everything down and checks that nothing is left of it. */
  async close(): Promise<void> {
    const all = await this.engine.recall(this.name);
    await this.engine.apply(all, { kind: 'down', volumes: true, removeOrphans: true, graceMs: 500 });
    const left = this.leftovers();
    rmSync(this.dir, { recursive: true, force: true });
    if (left.length > 0) throw new Error(`left on the machine: ${left.join(', ')}`);
  }

  leftovers(): string[] {
    const list = (path: string) =>
      existsSync(path) ? readdirSync(path).map((name) => `${path}/${name}`) : [];
    const { stateDir } = this.ctx.layout;
    const mounts = readFileSync('/proc/self/mountinfo', 'utf8')
      .split('\n')
      .filter((line) => line.includes(this.dir));
    const shims = execFileSync('ps', ['-eo', 'args'], { encoding: 'utf8' })
      .split('\n')
      .filter((line) => line.startsWith('tscompose-shim') && line.includes(this.dir));
    return [
      ...list(join(stateDir, 'containers')),
      ...list(join(stateDir, 'networks')),
      ...list(join(stateDir, 'volumes')),
      ...mounts,
      ...shims,
    ];
  }
}

function idle(service: Partial<Service>): Service {
  return {
    command: ['sleep', '1000'],
    entrypoint: null,
    image: 'host',
    init: true,
    stop_grace_period: '1s',
    ...(service.network_mode === undefined ? { networks: { default: null } } : {}),
    ...service,
  };
}
