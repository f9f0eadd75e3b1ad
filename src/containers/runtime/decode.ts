// config.json of a bundle → a checked OciSpec; properties that nobody knows are ignored, as the specification wants it.
import { isAbsolute, join } from 'node:path';
import { ComposeError } from '../../errors.ts';
import { asArray, asBoolean, asDict, asObject, asString, type JsonObject } from '../../state/decode.ts';
import {
  OCI_HOOKS,
  type OciCapabilities,
  type OciDevice,
  type OciHook,
  type OciHooks,
  type OciIdMapping,
  type OciLinux,
  type OciMount,
  type OciNamespace,
  type OciNamespaceType,
  type OciProcess,
  type OciRlimit,
  type OciScheduler,
  type OciSeccomp,
  type OciSpec,
  type OciSyscallArgument,
  type OciSyscallRule,
  type OciTimeOffset,
} from '../oci.ts';
import { decodeResources } from './decode-resources.ts';
import { asExactInteger, asInteger, maybe, parseJson } from './json.ts';

/** Throws ComposeError `invalid-value` that names the property which is wrong. */
export function decodeBundle(text: string, bundle: string): OciSpec {
  return guarded(`${bundle}/config.json`, () => decodeSpec(asObject(parseJson(text), 'config'), bundle));
}

/** The process of `exec --process`. */
export function decodeProcessFile(text: string, path: string): OciProcess {
  return guarded(path, () => decodeProcess(parseJson(text), 'process'));
}

function guarded<T>(path: string, decode: () => T): T {
  try {
    return decode();
  } catch (cause) {
    if (cause instanceof ComposeError) throw cause;
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ComposeError('invalid-value', `${path}: ${reason}`, { cause });
  }
}

const strings = (value: unknown, what: string) => asArray(value, what, asString);

function decodeSpec(o: JsonObject, bundle: string): OciSpec {
  const version = asString(o.ociVersion, 'ociVersion');
  if (!/^1\.\d+\.\d+(?:[-+].*)?$/.test(version)) throw new TypeError(`ociVersion ${version} is not 1.x`);
  return {
    ociVersion: version,
    root: decodeRoot(asObject(o.root, 'root'), bundle),
    ...maybe(o, 'hostname', asString),
    ...maybe(o, 'domainname', asString),
    process: decodeProcess(o.process, 'process'),
    mounts: o.mounts ? asArray(o.mounts, 'mounts', decodeMount) : [],
    ...maybe(o, 'annotations', (value, what) => asDict(value, what, asString)),
    ...maybe(o, 'hooks', decodeHooks),
    linux: decodeLinux(asObject(o.linux ?? {}, 'linux')),
  };
}

function decodeRoot(o: JsonObject, bundle: string): OciSpec['root'] {
  const path = asString(o.path, 'root.path');
  return { path: isAbsolute(path) ? path : join(bundle, path), ...maybe(o, 'readonly', asBoolean) };
}

function decodeProcess(value: unknown, what: string): OciProcess {
  const o = asObject(value, what);
  const cwd = asString(o.cwd, `${what}.cwd`);
  if (!isAbsolute(cwd)) throw new TypeError(`${what}.cwd ${JSON.stringify(cwd)} is not absolute`);
  const args = strings(o.args, `${what}.args`);
  if (args.length === 0) throw new TypeError(`${what}.args is empty`);
  return {
    ...maybe(o, 'terminal', asBoolean),
    ...maybe(o, 'consoleSize', decodeSize),
    cwd,
    args,
    env: o.env ? strings(o.env, `${what}.env`) : [],
    user: decodeUser(asObject(o.user ?? {}, `${what}.user`)),
    capabilities: decodeCapabilities(asObject(o.capabilities ?? {}, `${what}.capabilities`)),
    ...maybe(o, 'rlimits', (list, name) => asArray(list, name, decodeRlimit)),
    ...maybe(o, 'noNewPrivileges', asBoolean),
    ...maybe(o, 'apparmorProfile', asString),
    ...maybe(o, 'selinuxLabel', asString),
    ...maybe(o, 'oomScoreAdj', asInteger),
    ...maybe(o, 'scheduler', decodeScheduler),
    ...maybe(o, 'ioPriority', decodeIoPriority),
  };
}

function decodeSize(value: unknown, what: string) {
  const o = asObject(value, what);
  return { height: asInteger(o.height, `${what}.height`), width: asInteger(o.width, `${what}.width`) };
}

function decodeUser(o: JsonObject): OciProcess['user'] {
  return {
    uid: asInteger(o.uid ?? 0, 'user.uid'),
    gid: asInteger(o.gid ?? 0, 'user.gid'),
    ...maybe(o, 'umask', asInteger),
    ...maybe(o, 'additionalGids', (value, what) => asArray(value, what, asInteger)),
  };
}

function decodeCapabilities(o: JsonObject): OciCapabilities {
  const set = (name: string) => (o[name] ? strings(o[name], `capabilities.${name}`) : []);
  return {
    bounding: set('bounding'),
    effective: set('effective'),
    permitted: set('permitted'),
    inheritable: set('inheritable'),
    ambient: set('ambient'),
  };
}

function decodeRlimit(value: unknown, what: string): OciRlimit {
  const o = asObject(value, what);
  return {
    type: asString(o.type, `${what}.type`),
    soft: asInteger(o.soft ?? 0, `${what}.soft`),
    hard: asInteger(o.hard ?? 0, `${what}.hard`),
  };
}

function decodeScheduler(value: unknown, what: string): OciScheduler {
  const o = asObject(value, what);
  return {
    policy: asString(o.policy, `${what}.policy`),
    ...maybe(o, 'nice', asInteger),
    ...maybe(o, 'priority', asInteger),
    ...maybe(o, 'flags', strings),
    ...maybe(o, 'runtime', asInteger),
    ...maybe(o, 'deadline', asInteger),
    ...maybe(o, 'period', asInteger),
  };
}

function decodeIoPriority(value: unknown, what: string) {
  const o = asObject(value, what);
  return {
    class: asString(o.class, `${what}.class`),
    priority: asInteger(o.priority ?? 0, `${what}.priority`),
  };
}

function decodeMount(value: unknown, what: string): OciMount {
  const o = asObject(value, what);
  const destination = asString(o.destination, `${what}.destination`);
  return {
    destination: join('/', destination),
    ...maybe(o, 'type', asString),
    ...maybe(o, 'source', asString),
    ...maybe(o, 'options', strings),
    ...maybe(o, 'uidMappings', decodeMappings),
    ...maybe(o, 'gidMappings', decodeMappings),
  };
}

function decodeHooks(value: unknown, what: string): OciHooks {
  const o = asObject(value, what);
  return Object.assign(
    {},
    ...OCI_HOOKS.map((name) => maybe(o, name, (list, at) => asArray(list, at, decodeHook))),
  );
}

function decodeHook(value: unknown, what: string): OciHook {
  const o = asObject(value, what);
  const path = asString(o.path, `${what}.path`);
  if (!isAbsolute(path)) throw new TypeError(`${what}.path ${JSON.stringify(path)} is not absolute`);
  return {
    path,
    ...maybe(o, 'args', strings),
    ...maybe(o, 'env', strings),
    ...maybe(o, 'timeout', asInteger),
  };
}

const PROPAGATIONS = ['shared', 'slave', 'private', 'unbindable'] as const;

function decodeLinux(o: JsonObject): OciLinux {
  return {
    namespaces: o.namespaces ? asArray(o.namespaces, 'namespaces', decodeNamespace) : [],
    ...maybe(o, 'uidMappings', decodeMappings),
    ...maybe(o, 'gidMappings', decodeMappings),
    ...maybe(o, 'devices', (value, what) => asArray(value, what, decodeDevice)),
    ...maybe(o, 'cgroupsPath', asString),
    ...maybe(o, 'resources', decodeResources),
    ...(o.rootfsPropagation ? { rootfsPropagation: decodePropagation(o.rootfsPropagation) } : {}),
    ...maybe(o, 'seccomp', decodeSeccomp),
    ...maybe(o, 'sysctl', (value, what) => asDict(value, what, asString)),
    ...maybe(o, 'maskedPaths', strings),
    ...maybe(o, 'readonlyPaths', strings),
    ...maybe(o, 'mountLabel', asString),
    ...maybe(o, 'personality', (value, what) => ({
      domain: asString(asObject(value, what).domain, `${what}.domain`),
    })),
    ...maybe(o, 'timeOffsets', (value, what) => asDict(value, what, decodeTimeOffset)),
  };
}

function decodePropagation(value: unknown): (typeof PROPAGATIONS)[number] {
  const found = PROPAGATIONS.find((known) => value === known || value === `r${known}`);
  if (found === undefined) throw new TypeError(`rootfsPropagation ${String(value)} is not known`);
  return found;
}

const NAMESPACE_TYPES: readonly OciNamespaceType[] = [
  'pid',
  'network',
  'mount',
  'ipc',
  'uts',
  'user',
  'cgroup',
  'time',
];

function decodeNamespace(value: unknown, what: string): OciNamespace {
  const o = asObject(value, what);
  const type = NAMESPACE_TYPES.find((known) => known === o.type);
  if (type === undefined) throw new TypeError(`${what}.type ${String(o.type)} is not known`);
  return { type, ...(o.path ? { path: asString(o.path, `${what}.path`) } : {}) };
}

function decodeMappings(value: unknown, what: string): readonly OciIdMapping[] {
  return asArray(value, what, (entry, name) => {
    const o = asObject(entry, name);
    return {
      containerID: asInteger(o.containerID ?? 0, `${name}.containerID`),
      hostID: asInteger(o.hostID ?? 0, `${name}.hostID`),
      size: asInteger(o.size, `${name}.size`),
    };
  });
}

const DEVICE_TYPES = { c: 'c', u: 'c', b: 'b', p: 'p' } as const;

function decodeDevice(value: unknown, what: string): OciDevice {
  const o = asObject(value, what);
  const type = asString(o.type, `${what}.type`);
  if (!Object.hasOwn(DEVICE_TYPES, type)) throw new TypeError(`${what}.type ${type} is not known`);
  return {
    type: DEVICE_TYPES[type as keyof typeof DEVICE_TYPES],
    path: join('/', asString(o.path, `${what}.path`)),
    major: asInteger(o.major ?? 0, `${what}.major`),
    minor: asInteger(o.minor ?? 0, `${what}.minor`),
    ...maybe(o, 'fileMode', (mode, name) => asInteger(mode, name) & 0o7777),
    ...maybe(o, 'uid', asInteger),
    ...maybe(o, 'gid', asInteger),
  };
}

function decodeTimeOffset(value: unknown, what: string): OciTimeOffset {
  const o = asObject(value, what);
  return { ...maybe(o, 'secs', asInteger), ...maybe(o, 'nanosecs', asInteger) };
}

function decodeSeccomp(value: unknown, what: string): OciSeccomp {
  const o = asObject(value, what);
  return {
    defaultAction: asString(o.defaultAction, `${what}.defaultAction`),
    ...maybe(o, 'defaultErrnoRet', asInteger),
    ...maybe(o, 'architectures', strings),
    ...maybe(o, 'flags', strings),
    ...maybe(o, 'syscalls', (list, name) => asArray(list, name, decodeSyscall)),
  };
}

function decodeSyscall(value: unknown, what: string): OciSyscallRule {
  const o = asObject(value, what);
  return {
    names: strings(o.names, `${what}.names`),
    action: asString(o.action, `${what}.action`),
    ...maybe(o, 'errnoRet', asInteger),
    ...maybe(o, 'args', (list, name) => asArray(list, name, decodeArgument)),
  };
}

function decodeArgument(value: unknown, what: string): OciSyscallArgument {
  const o = asObject(value, what);
  return {
    index: asInteger(o.index ?? 0, `${what}.index`),
    value: asExactInteger(o.value ?? 0, `${what}.value`),
    ...maybe(o, 'valueTwo', asExactInteger),
    op: asString(o.op, `${what}.op`),
  };
}
