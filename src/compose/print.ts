// A Project as `config` prints it: JSON and YAML with the keys and the doubled dollar signs of the reference.

import { printJson } from './json.ts';
import { inOrder, sorted } from './order.ts';
import type { Dict, Project, Service } from './project.ts';
import { setKey } from './tree.ts';
import { printYaml } from './yaml.ts';

export type Format = 'json' | 'yaml';

type Values = Record<string, unknown>;

/** The project as text, variables of a shell escaped. */
export function printProject(project: Project, format: Format): string {
  const document = inOrder(projectDocument(project, format), format);
  return (format === 'json' ? printJson(document) : printYaml(document)).replaceAll('$', '$$$$');
}

/** Plain data as text, with sorted keys. */
export function printDocument(document: unknown, format: Format): string {
  const ordered = sorted(document, format);
  return format === 'json' ? printJson(ordered) : printYaml(ordered);
}

/** The project as plain data; the reference leaves models and nested extensions out of JSON. */
export function projectDocument(project: Project, format: Format): Values {
  const isYaml = format === 'yaml';
  const document: Values = {
    name: project.name,
    services: mapValues(project.services, servicePrinter(isYaml)),
  };
  const add = (section: string, values: Values): void => {
    if (Object.keys(values).length > 0) document[section] = values;
  };
  add(
    'networks',
    mapValues(project.networks, (network) => printNetwork(network as unknown as Values, isYaml)),
  );
  add(
    'volumes',
    mapValues(project.volumes, (volume) => printPlain(volume, isYaml)),
  );
  add(
    'secrets',
    mapValues(project.secrets, (secret) => printPlain(withoutContent(secret, true), isYaml)),
  );
  add(
    'configs',
    mapValues(project.configs, (config) => printPlain(withoutContent(config, false), isYaml)),
  );
  if (isYaml)
    add(
      'models',
      mapValues(project.models, (model) => printPlain(model, isYaml)),
    );
  if (Object.keys(project.jobs).length > 0) add('jobs', mapValues(project.jobs, servicePrinter(isYaml)));
  for (const [key, value] of Object.entries(project.extensions)) setKey(document, key, value);
  return document;
}

function mapValues<T>(values: Dict<T>, print: (value: T) => unknown): Values {
  const result: Values = {};
  for (const key of Object.keys(values).sort()) setKey(result, key, print(values[key] as T));
  return result;
}

function servicePrinter(isYaml: boolean): (service: Partial<Service>) => unknown {
  return (service) => {
    const {
      pull_refresh_after: _dropped,
      env_file,
      ...rest
    } = service as Partial<Service> & {
      readonly env_file?: readonly { path: string; required: boolean }[];
    };
    const printed = printPlain(copyExtensions(service, rest), isYaml) as Values;
    if (env_file !== undefined) printed.env_file = env_file.map((file) => (file.required ? file.path : file));
    return isYaml ? yamlService(printed) : printed;
  };
}

/** What the reference prints in another way in YAML: only what has something in it, and keys in small letters. */
function yamlService(service: Values): Values {
  omitEmpty(valuesOf(service.deploy), ['resources', 'placement']);
  omitNull(service, ['command', 'entrypoint']);
  for (const hooks of [service.pre_start, service.post_start, service.pre_stop]) {
    for (const hook of listOf(hooks)) omitNull(hook, ['command']);
  }
  for (const rule of listOf(valuesOf(service.develop)?.watch)) {
    omitNull(valuesOf(rule.exec), ['command']);
    omitEmpty(rule, ['exec']);
  }
  const limits = valuesOf(service.blkio_config);
  if (limits === undefined) return service;
  const entries = Object.entries(limits).map(([key, value]) => [
    key,
    Array.isArray(value) ? value.map(inSmallLetters) : value,
  ]);
  return { ...service, blkio_config: Object.fromEntries(entries) };
}

const inSmallLetters = (values: Values): Values =>
  Object.fromEntries(Object.entries(values).map(([key, value]) => [key.toLowerCase(), value]));

function valuesOf(value: unknown): Values | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Values) : undefined;
}

const listOf = (value: unknown): Values[] =>
  Array.isArray(value) ? value.map(valuesOf).filter((item) => item !== undefined) : [];

function omitNull(values: Values | undefined, keys: readonly string[]): void {
  for (const key of keys) if (values?.[key] === null) delete values[key];
}

function copyExtensions(from: object, to: object): object {
  const extensions: unknown = Reflect.get(from, 'extensions');
  return extensions === undefined
    ? to
    : Object.defineProperty({ ...to }, 'extensions', { value: extensions });
}

function printNetwork(network: Values, isYaml: boolean): unknown {
  const { options: _dropped, ...ipam } = (network.ipam ?? {}) as Values;
  const printed = printPlain(
    copyExtensions(network, { ...network, ipam: copyExtensions((network.ipam ?? {}) as object, ipam) }),
    isYaml,
  ) as Values;
  if (isYaml) omitEmpty(printed, ['ipam']);
  return printed;
}

/** The reference prints parts that are always there in JSON, in YAML only with something in them. */
function omitEmpty(values: Values | undefined, keys: readonly string[]): void {
  for (const key of keys) {
    const value = valuesOf(values?.[key]);
    if (values !== undefined && value !== undefined && Object.keys(value).length === 0) delete values[key];
  }
}

/** Content that came from a variable is not shown, and that of secrets never. */
function withoutContent<T extends { readonly environment?: string; readonly content?: string }>(
  object: T,
  isSecret: boolean,
): object {
  if (!isSecret && object.environment === undefined) return object;
  const { content: _hidden, ...rest } = object;
  return copyExtensions(object, rest);
}

/** A deep copy; in YAML with the extensions that objects keep aside. */
function printPlain(value: unknown, isYaml: boolean): unknown {
  if (Array.isArray(value)) return value.map((item) => printPlain(item, isYaml));
  if (typeof value !== 'object' || value === null) return value;
  const result: Values = {};
  for (const key of Object.keys(value)) setKey(result, key, printPlain(Reflect.get(value, key), isYaml));
  const extensions: unknown = isYaml ? Object.getOwnPropertyDescriptor(value, 'extensions') : undefined;
  if (extensions !== undefined && !Object.keys(value).includes('extensions')) {
    for (const [key, extension] of Object.entries((extensions as PropertyDescriptor).value as Values)) {
      setKey(result, key, extension);
    }
  }
  return result;
}
