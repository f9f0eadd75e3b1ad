// Container Device Interface: vendors' specifications in /etc/cdi and /var/run/cdi, and what a device changes in a container.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Service } from '../compose/project.ts';
import { ComposeError } from '../errors.ts';
import { asArray, asNumber, asObject, asString, type JsonObject, optional } from '../state/decode.ts';
import { readTextIfPresent } from '../state/record.ts';
import type { BindMount } from './mounts.ts';
import { OCI_HOOKS, type OciHook, type OciHookName, type OciHooks } from './oci.ts';
import type { Warning } from './warning.ts';

/** What is done to a container: the fields of the specification that Linux containers have. */
export interface ContainerEdits {
  readonly env: readonly string[];
  readonly deviceNodes: readonly CdiNode[];
  readonly mounts: readonly CdiMount[];
  readonly hooks: OciHooks;
  readonly groups: readonly string[];
  /** Fields that are not done here. */
  readonly ignored: readonly string[];
}

export interface CdiNode {
  readonly path: string;
  readonly hostPath?: string;
  readonly permissions?: string;
  readonly fileMode?: number;
  readonly uid?: number;
  readonly gid?: number;
}

export interface CdiMount {
  readonly hostPath: string;
  readonly containerPath: string;
  readonly options: readonly string[];
}

/** One file of a vendor. */
interface CdiSpec {
  readonly kind: string;
  readonly edits: ContainerEdits;
  readonly devices: readonly { readonly name: string; readonly edits: ContainerEdits }[];
}

/** Later directories win. */
const DIRECTORIES = ['/etc/cdi', '/var/run/cdi'];

const NO_EDITS: ContainerEdits = { env: [], deviceNodes: [], mounts: [], hooks: {}, groups: [], ignored: [] };
const DONE = ['env', 'deviceNodes', 'mounts', 'hooks', 'additionalGids'];

/** Whether a device is named as `VENDOR/CLASS=NAME`. */
export function isCdiName(source: string): boolean {
  return /^[a-zA-Z][\w.-]*\/[\w.-]+=[\w.:-]+$/.test(source);
}

/** Reads the specifications once; YAML is parsed by `parseYaml`, which costs to load. */
export function readCdi(
  parseYaml: (text: string) => unknown,
  directories: readonly string[] = DIRECTORIES,
): readonly CdiSpec[] {
  return directories.flatMap((directory) =>
    filesOf(directory).map((path) => {
      const text = readTextIfPresent(path) ?? '';
      return decodeSpec(path.endsWith('.json') ? parseJson(text, path) : parseYaml(text), path);
    }),
  );
}

function filesOf(directory: string): string[] {
  try {
    const names = readdirSync(directory).filter((name) => /\.(json|ya?ml)$/.test(name));
    return names.sort().map((name) => join(directory, name));
  } catch {
    return [];
  }
}

function parseJson(text: string, path: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new ComposeError('invalid-value', `${path} is no JSON`, { cause });
  }
}

function decodeSpec(value: unknown, path: string): CdiSpec {
  try {
    const o = asObject(value, 'specification');
    return {
      kind: asString(o.kind, 'kind'),
      edits: editsOf(o),
      devices: asArray(o.devices, 'devices', (one, what) => {
        const device = asObject(one, what);
        return { name: asString(device.name, `${what}.name`), edits: editsOf(device) };
      }),
    };
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ComposeError('invalid-value', `${path} is no CDI specification: ${reason}`, { cause });
  }
}

function editsOf({ containerEdits }: JsonObject): ContainerEdits {
  if (containerEdits === undefined) return NO_EDITS;
  const o = asObject(containerEdits, 'containerEdits');
  return {
    env: asArray(o.env ?? [], 'env', asString),
    deviceNodes: asArray(o.deviceNodes ?? [], 'deviceNodes', nodeOf),
    mounts: asArray(o.mounts ?? [], 'mounts', mountOf),
    hooks: hooksOf(asArray(o.hooks ?? [], 'hooks', hookOf)),
    groups: asArray(o.additionalGids ?? [], 'additionalGids', asNumber).map(String),
    ignored: Object.keys(o).filter((key) => !DONE.includes(key)),
  };
}

interface NamedHook {
  readonly name: OciHookName;
  readonly hook: OciHook;
}

function hookOf(value: unknown, what: string): NamedHook {
  const o = asObject(value, what);
  const name = OCI_HOOKS.find((known) => known === o.hookName);
  if (name === undefined) throw new TypeError(`${what}.hookName is no hook`);
  const path = asString(o.path, `${what}.path`);
  const list = (key: 'args' | 'env') => asArray(o[key] ?? [], `${what}.${key}`, asString);
  return {
    name,
    hook: { path, args: list('args'), env: list('env'), ...optional(o, 'timeout', asNumber) },
  };
}

function hooksOf(all: readonly NamedHook[]): OciHooks {
  const names = OCI_HOOKS.filter((known) => all.some(({ name }) => name === known));
  return Object.fromEntries(
    names.map((known) => [known, all.flatMap(({ name, hook }) => (name === known ? [hook] : []))]),
  );
}

function nodeOf(value: unknown, what: string): CdiNode {
  const o = asObject(value, what);
  return {
    path: asString(o.path, `${what}.path`),
    ...optional(o, 'hostPath', asString),
    ...optional(o, 'permissions', asString),
    ...optional(o, 'fileMode', asNumber),
    ...optional(o, 'uid', asNumber),
    ...optional(o, 'gid', asNumber),
  };
}

function mountOf(value: unknown, what: string): CdiMount {
  const o = asObject(value, what);
  return {
    hostPath: asString(o.hostPath, `${what}.hostPath`),
    containerPath: asString(o.containerPath, `${what}.containerPath`),
    options: asArray(o.options ?? [], `${what}.options`, asString),
  };
}

/** All that the named devices change; ComposeError `invalid-value` for one that no vendor has. */
export function editsFor(names: readonly string[], specs: readonly CdiSpec[]): ContainerEdits {
  const found = names.flatMap((name) => {
    const at = name.indexOf('=');
    const of = specs.filter(({ kind }) => kind === name.slice(0, at));
    const spec = of.findLast(({ devices }) => devices.some((one) => one.name === name.slice(at + 1)));
    const device = spec?.devices.find((one) => one.name === name.slice(at + 1));
    if (spec === undefined || device === undefined) {
      const known = specs.flatMap(({ kind, devices }) => devices.map((one) => `${kind}=${one.name}`));
      throw new ComposeError('invalid-value', `no CDI specification has the device ${name}`, {
        hint:
          known.length === 0
            ? `there is none in ${DIRECTORIES.join(' or ')}`
            : `known are ${known.join(', ')}`,
        path: 'devices',
      });
    }
    return [spec.edits, device.edits];
  });
  const all = [...new Set(found)];
  return {
    env: all.flatMap(({ env }) => env),
    deviceNodes: all.flatMap(({ deviceNodes }) => deviceNodes),
    mounts: all.flatMap(({ mounts }) => mounts),
    hooks: hooksOf(
      all.flatMap(({ hooks }) =>
        OCI_HOOKS.flatMap((name) => (hooks[name] ?? []).map((hook) => ({ name, hook }))),
      ),
    ),
    groups: all.flatMap(({ groups }) => groups),
    ignored: [...new Set(all.flatMap(({ ignored }) => ignored))],
  };
}

/** What `gpus` and reserved devices ask for, as names of devices; undefined when no vendor has such. */
export function requestedNames(
  request: {
    readonly driver?: string;
    readonly count?: number;
    readonly device_ids?: readonly string[];
    readonly capabilities?: readonly string[];
  },
  specs: readonly CdiSpec[],
): readonly string[] | undefined {
  if (request.driver === 'cdi') return request.device_ids ?? [];
  const wanted = request.capabilities?.includes('gpu') ? 'gpu' : undefined;
  const spec = specs.find(({ kind }) => {
    const [vendor = '', cls = ''] = kind.split('/');
    return cls === wanted && (!request.driver || vendor.startsWith(request.driver));
  });
  if (spec === undefined) return undefined;
  const names = spec.devices.map(({ name }) => name);
  const single = names.filter((name) => name !== 'all');
  const chosen =
    request.device_ids ?? (request.count === -1 || !request.count ? single : single.slice(0, request.count));
  if (request.device_ids === undefined && chosen.length < (request.count ?? 0)) return undefined;
  return chosen.map((name) => `${spec.kind}=${name}`);
}

export interface CdiService {
  readonly service: Service;
  readonly mounts: readonly BindMount[];
  /** What vendors run around the start. */
  readonly hooks: OciHooks;
  /** Owners and modes that nodes have in the container, by path. */
  readonly nodes: readonly CdiNode[];
  readonly warnings: readonly Warning[];
}

/** The service with what vendors' devices bring; nothing is read when it asks for none. */
export function withCdi(service: Service, parseYaml: (text: string) => unknown): CdiService {
  const named = (service.devices ?? []).filter(({ source }) => isCdiName(source)).map(({ source }) => source);
  const requests = requestsOf(service);
  if (named.length === 0 && requests.length === 0)
    return { service, mounts: [], hooks: {}, nodes: [], warnings: [] };
  const specs = readCdi(parseYaml);
  const warnings: Warning[] = [];
  const requested = requests.flatMap(({ attribute, request }) => {
    const names = requestedNames(request, specs);
    if (names === undefined) warnings.push({ attribute, reason: MISSING });
    return names ?? [];
  });
  const edits = editsFor([...named, ...requested], specs);
  const [attribute = 'devices'] = named.length > 0 ? ['devices'] : requests.map((one) => one.attribute);
  const { poststart, poststop, ...hooks } = edits.hooks;
  const late = [...(poststart ?? []), ...(poststop ?? [])].map(({ path }) => `hook ${path} after the start`);
  for (const field of [...edits.ignored, ...late]) {
    warnings.push({
      attribute,
      reason: `the vendor's specification also wants ${field}, which is not done here`,
    });
  }
  return {
    service: edited(service, edits),
    mounts: edits.mounts.map(bindOf),
    hooks,
    nodes: edits.deviceNodes,
    warnings,
  };
}

const MISSING = `no CDI specification in ${DIRECTORIES.join(' or ')} has as many of such devices`;

function requestsOf({ gpus = [], deploy }: Service) {
  const path = 'deploy.resources.reservations.devices';
  const reserved = deploy?.resources?.reservations?.devices ?? [];
  return [
    // As in Docker, the attribute stands for the capability.
    ...gpus.map((request) => ({
      attribute: 'gpus',
      request: { ...request, capabilities: ['gpu', ...(request.capabilities ?? [])] },
    })),
    ...reserved.map((request, index) => ({ attribute: `${path}[${index}]`, request })),
  ];
}

function edited(service: Service, { env, deviceNodes, groups }: ContainerEdits): Service {
  const { extensions, devices = [] } = service;
  const added = Object.fromEntries(env.map((entry) => entry.split(/=(.*)/s).slice(0, 2)));
  return {
    ...service,
    ...(extensions === undefined ? {} : { extensions }),
    environment: { ...added, ...service.environment },
    ...(groups.length > 0 ? { group_add: [...(service.group_add ?? []), ...groups] } : {}),
    devices: [
      ...devices.filter(({ source }) => !isCdiName(source)),
      ...deviceNodes.map(({ path, hostPath = path, permissions = 'rwm' }) => ({
        source: hostPath,
        target: path,
        permissions,
      })),
    ],
  };
}

function bindOf({ hostPath, containerPath, options }: CdiMount): BindMount {
  const readOnly = options.includes('ro');
  const propagation = options.find((option) => /^r?(private|slave|shared|unbindable)$/.test(option));
  return {
    type: 'bind',
    source: hostPath,
    target: containerPath,
    readOnly,
    createSource: false,
    ...(options.includes('bind') && !options.includes('rbind') ? { recursive: 'disabled' as const } : {}),
    ...(propagation === undefined ? {} : { propagation }),
  };
}
