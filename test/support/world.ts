// Small worlds for plans: a project in a few lines, and what is already there of it.
import type { Dependency, Project, Service } from '../../src/compose/project.ts';
import type { Goal } from '../../src/plan/goal.ts';
import { networkHash, serviceHash, volumeHash } from '../../src/plan/hash.ts';
import type {
  NameOwner,
  Observed,
  ObservedContainer,
  ObservedImage,
  ObservedNetwork,
  ObservedVolume,
} from '../../src/plan/observed.ts';
import { renderPlan } from '../../src/plan/plan.ts';
import { formatDependsOn } from '../../src/plan/recall.ts';
import { reconcile } from '../../src/plan/reconcile.ts';
import type { PlanOptions } from '../../src/plan/situation.ts';

type Conditions = Readonly<
  Record<string, 'started' | 'healthy' | 'completed' | (Partial<Dependency> & { condition?: string })>
>;

export type ServiceSketch = Omit<Partial<Service>, 'depends_on'> & { readonly needs?: Conditions };
export interface ProjectSketch extends Omit<Partial<Project>, 'services' | 'disabledServices'> {
  readonly services: Readonly<Record<string, ServiceSketch>>;
  readonly disabledServices?: Readonly<Record<string, ServiceSketch>>;
}

const CONDITION = {
  started: 'service_started',
  healthy: 'service_healthy',
  completed: 'service_completed_successfully',
} as const;

/** A project called `demo`; services have image `box` and the default network unless they say otherwise. */
export function project({ services, disabledServices, ...rest }: ProjectSketch): Project {
  return {
    name: 'demo',
    workingDir: '/demo',
    files: ['/demo/compose.yaml'],
    envFiles: [],
    environment: {},
    services: sketched(services),
    disabledServices: sketched(disabledServices ?? {}),
    networks: { default: { name: 'demo_default' } },
    volumes: {},
    secrets: {},
    configs: {},
    models: {},
    jobs: {},
    extensions: {},
    profiles: [],
    positionOf: (path) => ({ file: '/demo/compose.yaml', line: path.length, column: 1 }),
    ...rest,
  };
}

function sketched(services: ProjectSketch['services']): Record<string, Service> {
  return Object.fromEntries(Object.entries(services).map(([name, sketch]) => [name, service(sketch)]));
}

function service({ needs, ...sketch }: ServiceSketch): Service {
  const networks = sketch.network_mode === undefined ? { networks: { default: null } } : {};
  const image = sketch.build === undefined ? { image: 'box' } : {};
  const dependencies = Object.entries(needs ?? {}).map(([name, need]): [string, Dependency] => {
    if (typeof need === 'string') return [name, { condition: CONDITION[need], required: true }];
    return [name, { condition: 'service_started', required: true, ...need } as Dependency];
  });
  return {
    command: null,
    entrypoint: null,
    ...image,
    ...networks,
    ...(dependencies.length === 0 ? {} : { depends_on: Object.fromEntries(dependencies) }),
    ...sketch,
  };
}

export type ContainerSketch = Partial<ObservedContainer>;

/** What is there; each method adds to it. */
export class World {
  readonly project: Project;
  readonly containers: ObservedContainer[] = [];
  readonly networks: ObservedNetwork[] = [];
  readonly volumes: ObservedVolume[] = [];
  readonly images = new Map<string, ObservedImage>([['box', { id: 'sha256:box' }]]);
  readonly time = Date.parse('2026-01-02T00:00:00Z');
  readonly foreignNames = new Map<string, NameOwner>();

  constructor(of: Project) {
    this.project = of;
  }

  /** A running container as an `up` of the project would have made it. */
  running(service: string, sketch: ContainerSketch = {}): this {
    const definition = this.project.services[service];
    const number = sketch.number ?? 1;
    this.containers.push({
      id: String(this.containers.length + 1)
        .repeat(64)
        .slice(0, 64),
      name: definition?.container_name ?? `demo-${service}-${number}`,
      service,
      number,
      oneoff: false,
      state: 'running',
      exitCode: 0,
      health: undefined,
      created: '2026-01-01T00:00:00Z',
      configHash: definition === undefined ? '' : serviceHash(definition),
      image: { name: 'box', id: 'sha256:box' },
      dependsOn: formatDependsOn(definition?.depends_on),
      networks: Object.keys(definition?.networks ?? {}).map((key) => this.project.networks[key]?.name ?? key),
      joins: [],
      since: 0,
      volumes: [],
      ...sketch,
    });
    return this;
  }

  exited(service: string, exitCode = 0, sketch: ContainerSketch = {}): this {
    return this.running(service, { state: 'exited', exitCode, ...sketch });
  }

  network(key = 'default', sketch: Partial<ObservedNetwork> = {}): this {
    const config = this.project.networks[key] ?? { name: key };
    const users = this.containers.filter((c) => c.networks.includes(config.name)).map(({ id }) => id);
    const configHash = networkHash(config);
    const { name } = config;
    this.networks.push({ id: `net-${key}`, name, project: 'demo', key, configHash, users, ...sketch });
    return this;
  }

  volume(key: string, sketch: Partial<ObservedVolume> = {}): this {
    const config = this.project.volumes[key] ?? { name: key };
    const users = this.containers.filter((c) => c.volumes.includes(config.name)).map(({ id }) => id);
    const configHash = volumeHash(config);
    this.volumes.push({ name: config.name, project: 'demo', key, configHash, users, ...sketch });
    return this;
  }

  image(name: string, id: string, pulled?: string): this {
    this.images.set(name, { id, ...(pulled === undefined ? {} : { pulled }) });
    return this;
  }

  withoutImages(): this {
    this.images.clear();
    return this;
  }

  foreign(name: string, owner: NameOwner): this {
    this.foreignNames.set(name, owner);
    return this;
  }

  get observed(): Observed {
    return this;
  }

  /** The plan for a goal, as lines of text. */
  plan(goal: Goal, options?: PlanOptions): string[] {
    return renderPlan(reconcile(this.project, this.observed, goal, options)).split('\n');
  }
}

/** The world of a project: empty but for its image. */
export function world(sketch: ProjectSketch): World {
  return new World(project(sketch));
}
