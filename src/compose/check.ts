// Checks that need the whole project: references, cycles, and attributes that contradict each other.
import type { ErrorCode } from '../errors.ts';
import { checkCycles } from './cycles.ts';
import { nearest } from './hints.ts';
import type { Declared, Dict, Project, Service } from './project.ts';
import type { Path, Report } from './report.ts';
import { type Node, placeOf } from './tree.ts';

interface Checking {
  readonly section: 'services' | 'jobs';
  readonly project: Project;
  readonly name: string;
  readonly service: Partial<Service>;
  /** Reports a problem at an attribute of the service. */
  readonly fail: (code: ErrorCode, message: string, path?: Path, hint?: string) => void;
}

/** Checks a project against itself; findings go to the report. */
export function checkProject(project: Project, model: Node, report: Report): void {
  for (const section of ['services', 'jobs'] as const) {
    for (const [name, service] of Object.entries<Partial<Service>>(project[section])) {
      const fail = (code: ErrorCode, message: string, path: Path = [], hint?: string): void => {
        const full = [section, name, ...path];
        report.error(code, message, { at: placeOf(model, full), path: full, hint });
      };
      const checking = { section, project, name, service, fail };
      for (const check of serviceChecks) check(checking);
    }
  }
  for (const [name, secret] of Object.entries((project.loaded?.declared ?? project).secrets)) {
    if (secret.external === true || secret.file !== undefined || secret.environment !== undefined) continue;
    const path = ['secrets', name];
    const message = `secret "${name}" must declare either \`file\` or \`environment\``;
    const hint = `for example \`${name}: { file: ./${name}.txt }\``;
    report.error('missing-key', message, { at: placeOf(model, path), path, hint });
  }
  checkContainerNames(project, model, report);
  checkCycles(project, model, report);
}

const serviceChecks: readonly ((checking: Checking) => void)[] = [
  checkImage,
  checkBuild,
  checkNetworks,
  checkHealth,
  checkJobName,
  checkDependencies,
  checkResources,
  checkLimits,
  checkScale,
  checkWatch,
  checkMounts,
];

function checkImage({ name, service, fail }: Checking): void {
  if (service.build !== undefined || service.image !== undefined || service.provider !== undefined) return;
  const message = `service "${name}" has neither an image nor a build context specified`;
  fail('missing-key', message, [], 'add `image:` or `build:`');
}

function checkBuild({ project, name, service, fail }: Checking): void {
  const { build } = service;
  if (build === undefined) return;
  if (build.dockerfile_inline !== undefined && build.dockerfile !== undefined) {
    const message = `service "${name}" declares mutually exclusive dockerfile and dockerfile_inline`;
    fail('conflicting-keys', message, ['build', 'dockerfile']);
  }
  for (const [context, value] of Object.entries(build.additional_contexts ?? {})) {
    if (!value.startsWith('service:')) continue;
    const target = project.services[value.slice('service:'.length)];
    if (target?.build !== undefined) continue;
    const kind = target === undefined ? 'unknown' : 'non-buildable';
    const message = `service "${name}" declares ${kind} service "${value.slice(8)}" as additional context ${context}`;
    fail('undefined-reference', message, ['build', 'additional_contexts', context]);
  }
  const { platforms } = build;
  if (platforms === undefined || service.platform === undefined || platforms.includes(service.platform))
    return;
  const message = `service "${name}": build.platforms must include the platform "${service.platform}"`;
  fail('conflicting-keys', message, ['build', 'platforms']);
}

function checkNetworks({ project, name, service, fail }: Checking): void {
  const networks = Object.keys(service.networks ?? {});
  if (service.network_mode !== undefined && networks.length > 0) {
    const message = `service "${name}" declares mutually exclusive \`network_mode\` and \`networks\``;
    fail('conflicting-keys', message, ['network_mode'], 'remove one of them');
    return;
  }
  const declared = (project.loaded?.declared ?? project).networks;
  for (const network of networks) {
    if (Object.hasOwn(declared, network)) continue;
    const message = `service "${name}" refers to undefined network ${network}`;
    const hint = declareHint(network, 'networks', declared);
    fail('undefined-reference', message, ['networks', network], hint);
  }
}

/** What to do about a name that nothing is declared under. */
function declareHint(name: string, section: string, declared: Dict<unknown>): string {
  if (name === '')
    return `the entry has no name: write one of those that \`${section}:\` at the top level declares`;
  if (section === 'volumes' && name.includes('/'))
    return `a directory of this machine starts with a dot or a slash: write ./${name}`;
  const similar = nearest(name, Object.keys(declared), (other) => `did you mean ${other}?`);
  return similar ?? `declare it at the top level: \`${section}: { ${name}: ${examples[section] ?? '{}'} }\``;
}

const examples: Readonly<Record<string, string>> = {
  secrets: '{ file: ./secret.txt }',
  configs: '{ file: ./config.txt }',
  models: '{ model: ai/smollm2 }',
};

function checkHealth({ name, service, fail }: Checking): void {
  const first = service.healthcheck?.test?.[0];
  if (first === undefined || ['CMD', 'CMD-SHELL', 'NONE'].includes(first)) return;
  const message = `service "${name}": healthcheck.test must start with "CMD", "CMD-SHELL" or "NONE"`;
  fail('invalid-value', message, ['healthcheck', 'test'], `write \`[CMD, ${first}, …]\``);
}

function checkJobName({ section, project, name, fail }: Checking): void {
  const isTaken = [project.services, project.disabledServices].some((services) =>
    Object.hasOwn(services, name),
  );
  if (section !== 'jobs' || !isTaken) return;
  fail(
    'name-conflict',
    `job "${name}" has the name of a service`,
    [],
    'both can be named to `run`: rename one',
  );
}

function checkDependencies({ section, project, name, service, fail }: Checking): void {
  for (const [other, dependency] of Object.entries(service.depends_on ?? {})) {
    if (Object.hasOwn(project.services, other)) continue;
    const isJob = Object.hasOwn(project.jobs, other);
    if (isJob && section === 'jobs') continue;
    const isDisabled = Object.hasOwn(project.disabledServices, other);
    if (isDisabled && !dependency.required) continue;
    const reason = isDisabled ? ', which is disabled by its profiles' : isJob ? ', which is a job' : '';
    const message = `${section === 'jobs' ? 'job' : 'service'} "${name}" depends on undefined service "${other}"${reason}`;
    fail('undefined-reference', message, ['depends_on', other], serviceHint(other, project));
  }
}

function serviceHint(name: string, { services, disabledServices }: Project): string | undefined {
  const [profile] = disabledServices[name]?.profiles ?? [];
  if (profile !== undefined) return `add \`--profile ${profile}\`, or \`required: false\` to the dependency`;
  const known = [...Object.keys(services), ...Object.keys(disabledServices)];
  return nearest(name, known, (other) => `did you mean ${other}?`);
}

function checkResources({ project, name, service, fail }: Checking): void {
  const declared = project.loaded?.declared ?? project;
  const check = (section: keyof Declared, key: string, path: Path, what = section.slice(0, -1)): void => {
    const known = declared[section];
    if (Object.hasOwn(known, key)) return;
    const message = `service "${name}" refers to undefined ${what} ${key}`;
    fail('undefined-reference', message, path, declareHint(key, section, known));
  };
  service.volumes?.forEach((mount, index) => {
    if (mount.type !== 'volume' || mount.source === undefined) return;
    check('volumes', mount.source, ['volumes', index]);
  });
  service.build?.secrets?.forEach((secret, index) => {
    check('secrets', secret.source, ['build', 'secrets', index], 'build secret');
  });
  service.configs?.forEach((config, index) => {
    check('configs', config.source, ['configs', index]);
  });
  for (const model of Object.keys(service.models ?? {})) check('models', model, ['models', model]);
  service.secrets?.forEach((secret, index) => {
    check('secrets', secret.source, ['secrets', index]);
  });
}

function checkLimits({ name, service, fail }: Checking): void {
  const { limits, reservations } = service.deploy?.resources ?? {};
  const pairs: readonly (readonly [string, unknown, object | undefined, string])[] = [
    ['cpus', service.cpus, limits, 'limits.cpus'],
    ['mem_limit', service.mem_limit, limits, 'limits.memory'],
    ['mem_reservation', service.mem_reservation, reservations, 'reservations.memory'],
    ['pids_limit', service.pids_limit, limits, 'limits.pids'],
  ];
  for (const [attribute, value, group, other] of pairs) {
    if (value === undefined || group === undefined) continue;
    const twin: unknown = (group as Dict<unknown>)[other.split('.')[1] ?? ''];
    if (twin === value) continue;
    const message = `services.${name}: can't set distinct values on '${attribute}' and 'deploy.resources.${other}'`;
    fail('conflicting-keys', message, [attribute]);
  }
}

function checkScale({ name, service, fail }: Checking): void {
  const { scale, deploy } = service;
  const replicas = deploy?.replicas;
  if (scale !== undefined && replicas !== undefined && scale !== replicas) {
    fail('conflicting-keys', `services.${name}: can't set distinct values on 'scale' and 'deploy.replicas'`, [
      'scale',
    ]);
  }
  if (scale !== undefined && scale < 0) {
    fail('invalid-value', `services.${name}.scale: must be greater than or equal to 0`, ['scale']);
  }
  if (replicas !== undefined && replicas < 0) {
    const message = `services.${name}.deploy.replicas: must be greater than or equal to 0`;
    fail('invalid-value', message, ['deploy', 'replicas']);
  }
  if ((scale ?? replicas ?? 1) > 1 && service.container_name !== undefined) {
    const attribute = scale === undefined ? 'deploy.replicas' : 'scale';
    const message = `services.${name}: can't set container_name and ${attribute} as container name must be unique`;
    fail(
      'conflicting-keys',
      message,
      ['container_name'],
      'remove `container_name`: the containers are numbered',
    );
  }
}

function checkWatch({ name, service, fail }: Checking): void {
  service.develop?.watch?.forEach((rule, index) => {
    if (rule.target !== undefined || rule.action === 'rebuild' || rule.action === 'restart') return;
    const message = `services.${name}.develop.watch: target is required for the action "${rule.action}"`;
    fail('missing-key', message, ['develop', 'watch', index]);
  });
}

function checkMounts({ name, service, fail }: Checking): void {
  const mounts = new Map<string, string>();
  const add = (target: string, attribute: string, index: number): void => {
    const place = `services.${name}.${attribute}[${index}]`;
    const other = mounts.get(target);
    if (other === undefined) mounts.set(target, place);
    else
      fail('conflicting-keys', `${place}: target ${target} already mounted as ${other}`, [attribute, index]);
  };
  service.tmpfs?.forEach((mount, index) => {
    add(mount.split(':', 1)[0] ?? '', 'tmpfs', index);
  });
  service.volumes?.forEach((mount, index) => {
    add(mount.target, 'volumes', index);
  });
}

function checkContainerNames(project: Project, model: Node, report: Report): void {
  const owners = new Map<string, string>();
  for (const [name, service] of Object.entries(project.services)) {
    const own = service.container_name;
    const owner = own === undefined ? undefined : owners.get(own);
    if (own !== undefined) owners.set(own, owner ?? name);
    if (owner === undefined) continue;
    const path = ['services', name, 'container_name'];
    const message = `services.${name}: container name "${own}" is already in use by service ${owner}`;
    report.error('name-conflict', message, { at: placeOf(model, path), path });
  }
}
