// Devices of a container: the default nodes, links and access rules, and what a service adds.
import type { DeviceMapping, Service } from '../compose/project.ts';
import { ComposeError } from '../errors.ts';
import type { Machine } from './machine.ts';
import type { OciDevice, OciDeviceRule } from './oci.ts';

export interface Devices {
  readonly nodes: readonly OciDevice[];
  readonly rules: readonly OciDeviceRule[];
}

const DEFAULT_NODES: readonly (readonly [name: string, major: number, minor: number])[] = [
  ['null', 1, 3],
  ['zero', 1, 5],
  ['full', 1, 7],
  ['random', 1, 8],
  ['urandom', 1, 9],
  ['tty', 5, 0],
];

/** Made in every container. */
export const DEFAULT_DEVICES: readonly OciDevice[] = DEFAULT_NODES.map(([name, major, minor]) => ({
  type: 'c',
  path: `/dev/${name}`,
  major,
  minor,
  fileMode: 0o666,
  uid: 0,
  gid: 0,
}));

/** Link and what it holds. `console` is made by the terminal. */
export const DEVICE_LINKS: readonly (readonly [path: string, content: string])[] = [
  ['/dev/ptmx', 'pts/ptmx'],
  ['/dev/fd', '/proc/self/fd'],
  ['/dev/stdin', '/proc/self/fd/0'],
  ['/dev/stdout', '/proc/self/fd/1'],
  ['/dev/stderr', '/proc/self/fd/2'],
  ['/dev/core', '/proc/kcore'],
];

const DENY_ALL: OciDeviceRule = { allow: false, access: 'rwm' };
const ALLOW_ALL: OciDeviceRule = { allow: true, access: 'rwm' };

/** Any node may be made, these may be used: the defaults, pseudo-terminals and the console. */
export const DEFAULT_RULES: readonly OciDeviceRule[] = [
  DENY_ALL,
  { allow: true, type: 'c', access: 'm' },
  { allow: true, type: 'b', access: 'm' },
  ...DEFAULT_NODES.map(([, major, minor]) => allowNode('c', major, minor)),
  allowNode('c', 5, 1),
  allowNode('c', 5, 2),
  { allow: true, type: 'c', major: 136, access: 'rwm' },
];

function allowNode(type: 'b' | 'c', major: number, minor: number, access = 'rwm'): OciDeviceRule {
  return { allow: true, type, major, minor, access };
}

/** Throws ComposeError `invalid-value` for a device that the machine does not have. */
export function devicesOf(service: Service, machine: Pick<Machine, 'device' | 'listDirectory'>): Devices {
  const added = (service.devices ?? []).flatMap((mapping, index) => mappedNodes(mapping, index, machine));
  const rules = service.privileged
    ? [ALLOW_ALL]
    : [
        ...DEFAULT_RULES,
        ...added.map(({ node, access }) =>
          allowNode(node.type === 'b' ? 'b' : 'c', node.major, node.minor, access),
        ),
        ...(service.device_cgroup_rules ?? []).map(parseRule),
      ];
  const everything = service.privileged ? hostNodes('/dev', '/dev', machine) : [];
  return {
    nodes: unique([...DEFAULT_DEVICES, ...everything, ...added.map(({ node }) => node)]),
    rules,
  };
}

// Later entries win; the first one's place is kept.
function unique(nodes: readonly OciDevice[]): OciDevice[] {
  return [...new Map(nodes.map((node) => [node.path, node])).values()];
}

interface MappedNode {
  readonly node: OciDevice;
  readonly access: string;
}

function mappedNodes(
  mapping: DeviceMapping,
  index: number,
  machine: Pick<Machine, 'device' | 'listDirectory'>,
): MappedNode[] {
  const { source, target = source, permissions = 'rwm' } = mapping;
  const nodes = hostNodes(source, target, machine);
  if (nodes.length === 0) {
    throw new ComposeError('invalid-value', `${source} is no device of this machine`, {
      path: `devices[${index}]`,
    });
  }
  return nodes.map((node) => ({ node, access: permissions }));
}

// These of the host's /dev are made anew in every container, or belong to the kernel's own mounts there.
const OWN_IN_CONTAINER = new Set([
  'pts',
  'shm',
  'mqueue',
  'fd',
  'console',
  'ptmx',
  'stdin',
  'stdout',
  'stderr',
  'core',
]);

function hostNodes(
  source: string,
  target: string,
  machine: Pick<Machine, 'device' | 'listDirectory'>,
): OciDevice[] {
  const names = machine.listDirectory(source);
  if (names !== undefined) {
    const wanted = source === '/dev' ? names.filter((name) => !OWN_IN_CONTAINER.has(name)) : names;
    return wanted.flatMap((name) => hostNodes(`${source}/${name}`, `${target}/${name}`, machine));
  }
  const found = machine.device(source);
  if (found === undefined) return [];
  const { mode, ...rest } = found;
  return [{ ...rest, path: target, fileMode: mode }];
}

/** `c 1:3 rwm`, `a *:* rwm`. */
function parseRule(text: string, index: number): OciDeviceRule {
  const match = /^([abc])\s+(\d+|\*):(\d+|\*)\s+([rwm]{1,3})$/.exec(text.trim());
  if (match === null) {
    throw new ComposeError('invalid-value', `device_cgroup_rules: ${JSON.stringify(text)} is no rule`, {
      hint: 'write `c 1:3 rwm`: type, numbers or `*`, and what may be done',
      path: `device_cgroup_rules[${index}]`,
    });
  }
  const [, type = 'a', major = '*', minor = '*', access = 'rwm'] = match;
  return {
    allow: true,
    ...(type === 'b' || type === 'c' ? { type } : {}),
    ...(major === '*' ? {} : { major: Number(major) }),
    ...(minor === '*' ? {} : { minor: Number(minor) }),
    access,
  };
}
