// The checked model → the frozen Project: active services, decoded values, only the resources that are used.
import { fileObject, job, model as modelCodec, network, service, topVolume } from './attributes.ts';
import type { Codec } from './decode.ts';
import { extensionsOf } from './decode.ts';
import { resolveEnvFiles, resolveLabelFiles } from './envfiles.ts';
import type { Setting } from './files.ts';
import type { LoadOptions } from './load.ts';
import type { Declared, Dict, Project, Service } from './project.ts';
import { provenance } from './provenance.ts';
import type { Report } from './report.ts';
import { usedResources } from './select.ts';
import { plainYaml } from './source.ts';
import {
  asList,
  asMap,
  get,
  isNull,
  type MapNode,
  map,
  nodeAt,
  parsePath,
  positionOf,
  setKey,
  textOf,
} from './tree.ts';

/** Decodes a model for the profiles of its setting. */
export function buildProject(
  model: MapNode,
  setting: Setting,
  options: LoadOptions,
  report: Report,
): Project {
  const resources: Declared = {
    networks: decodeSection(model, 'networks', network, report),
    volumes: decodeSection(model, 'volumes', topVolume, report),
    secrets: decodeSection(model, 'secrets', fileObject, report),
    configs: decodeSection(model, 'configs', fileObject, report),
    models: decodeSection(model, 'models', modelCodec, report),
  } as Declared;
  const jobs = decodeSection(model, 'jobs', job, report) as Project['jobs'];
  const withProfiles = (profiles: readonly string[]): Project => {
    const { active, disabled } = decodeServices(model, profiles, { setting, options, report });
    report.finish();
    const users = [...Object.values(active), ...Object.values(jobs)];
    const used = options.allResources === true ? resources : usedResources(users, resources);
    return Object.freeze({
      name: setting.name,
      workingDir: setting.directory,
      files: Object.freeze(setting.files.map((file) => file.path)),
      envFiles: setting.envFiles,
      environment: plainEnvironment(setting),
      services: active,
      disabledServices: disabled,
      ...used,
      jobs,
      extensions: extensionsOf(model) ?? {},
      profiles,
      positionOf: (path: string) => {
        const steps = parsePath(model, path);
        return steps === undefined ? undefined : positionOf(nodeAt(model, steps));
      },
      loaded: {
        declared: resources,
        allResources: options.allResources === true,
        provenanceOf: (path: string) => provenance(model, path),
        variable: (name: string) => setting.environment.get(name),
        readYaml: plainYaml,
        withProfiles,
      },
    });
  };
  return withProfiles(setting.profiles);
}

interface Decoding {
  readonly setting: Setting;
  readonly options: LoadOptions;
  readonly report: Report;
}

function decodeServices(
  model: MapNode,
  profiles: readonly string[],
  { setting, options, report }: Decoding,
): { active: Dict<Service>; disabled: Dict<Service> } {
  const active: Record<string, unknown> = {};
  const disabled: Record<string, unknown> = {};
  const { environment } = setting;
  const needed = neededServices(model, options.services ?? []);
  for (const [name, node] of entriesOf(model, 'services')) {
    const isActive = hasProfile(node, profiles);
    if (isActive && node.kind === 'map') {
      const isNeeded = needed?.has(name) ?? true;
      if (options.resolveEnv !== false) resolveEnvFiles(node, { environment, report, isNeeded });
      resolveLabelFiles(node, { environment, report });
    }
    setKey(isActive ? active : disabled, name, service(node, { report, path: ['services', name] }));
  }
  return {
    active: Object.freeze(active) as Dict<Service>,
    disabled: Object.freeze(disabled) as Dict<Service>,
  };
}

/** The named services and all that they depend on; undefined when none is named, because all are needed then. */
function neededServices(model: MapNode, names: readonly string[]): ReadonlySet<string> | undefined {
  if (names.length === 0) return undefined;
  const needed = new Set(names);
  // What is added on the way is visited too.
  for (const name of needed) {
    const dependencies = get(nodeAt(model, ['services', name]), 'depends_on');
    for (const other of asMap(dependencies)?.entries.keys() ?? []) needed.add(other);
  }
  return needed;
}

/** Whether a service is active: it names no profile, or one of those that are on. */
function hasProfile(service: MapNode, profiles: readonly string[]): boolean {
  const own = asList(get(service, 'profiles'))?.items ?? [];
  if (own.length === 0 || profiles.includes('*')) return true;
  return own.some((profile) => profiles.includes(textOf(profile) ?? ''));
}

/** The mappings of a section, sorted by name; nothing stands for an empty one. */
function entriesOf(model: MapNode, section: string): (readonly [string, MapNode])[] {
  const node = model.entries.get(section);
  if (node?.kind !== 'map') return [];
  const entries = [...node.entries].flatMap(([name, value]) =>
    value.kind === 'map'
      ? [[name, value] as const]
      : isNull(value)
        ? [[name, map(new Map(), value)] as const]
        : [],
  );
  return entries.sort(([a], [b]) => (a < b ? -1 : 1));
}

function decodeSection(model: MapNode, section: string, codec: Codec, report: Report): Dict<unknown> {
  const result: Record<string, unknown> = {};
  for (const [name, node] of entriesOf(model, section)) {
    setKey(result, name, codec(node, { report, path: [section, name] }));
  }
  return Object.freeze(result);
}

function plainEnvironment(setting: Setting): Dict<string> {
  const result: Record<string, string> = {};
  for (const [name, variable] of setting.environment) setKey(result, name, variable.value);
  return Object.freeze(result);
}
