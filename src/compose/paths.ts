// Which values are paths on this machine, and how relative ones become absolute.
import { lstatSync, realpathSync } from 'node:fs';
import { isAbsolute, join } from 'node:path';
import { alsoJobs, compile, type Rules, under } from './rules.ts';
import { get, type MapNode, type Node, text, textOf } from './tree.ts';

export interface PathBase {
  /** Directory that relative paths start from; itself relative while a file is included or extended. */
  readonly base: string;
  /** The user's home directory, for `~`. */
  readonly home: string | undefined;
}

type Resolver = (node: Node, base: PathBase) => Node;

/** Joins two paths and cleans the result, trailing slash included. */
export function joinPaths(base: string, path: string): string {
  const joined = join(base, path);
  return joined.length > 1 && joined.endsWith('/') ? joined.slice(0, -1) : joined;
}

function onText(resolve: (path: string, base: PathBase) => string): Resolver {
  return (node, base) => {
    const value = textOf(node);
    const resolved = value === undefined ? undefined : resolve(value, base);
    return resolved === undefined || resolved === value ? node : text(resolved, node);
  };
}

function expandHome(path: string, base: PathBase): string {
  return path.startsWith('~') && base.home !== undefined ? joinPaths(base.home, path.slice(1)) : path;
}

const plainPath = (path: string, base: PathBase): string => {
  const expanded = expandHome(path, base);
  return expanded === '' || isAbsolute(expanded) ? expanded : joinPaths(base.base, expanded);
};

const hostPath = (path: string, base: PathBase): string => {
  const expanded = expandHome(path, base);
  return isAbsolute(expanded) || isWindowsAbsolute(expanded) ? expanded : joinPaths(base.base, expanded);
};

function isWindowsAbsolute(path: string): boolean {
  return /^(?:.:[\\/]|[\\/]{2}[^\\/]+[\\/])/.test(path);
}

const remoteContext = /^(?:https?:\/\/|git:\/\/|ssh:\/\/|github\.com\/|git@)/;

const contextPath = (path: string, base: PathBase): string =>
  path.includes('://') || path.startsWith('service:') || remoteContext.test(path)
    ? path
    : plainPath(path, base);

/** Watched paths have the first symbolic link in them resolved. */
const watchedPath = (path: string, base: PathBase): string => {
  const full = plainPath(path, base);
  if (!isAbsolute(full)) return full;
  let current = '';
  for (const part of full.split('/').filter((name) => name !== '')) {
    current += `/${part}`;
    if (isSymbolicLink(current)) return full.replace(current, realpathSync(current));
  }
  return full;
};

function isSymbolicLink(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true;
}

const ROOTFS = 'rootfs:';

/** An image that is a directory. */
const imagePath = (name: string, base: PathBase): string =>
  name.startsWith(ROOTFS) ? `${ROOTFS}${hostPath(name.slice(ROOTFS.length), base)}` : name;

const mountSource: Resolver = (node, base) => {
  const source = get(node, 'source');
  const resolve = { bind: hostPath, image: imagePath }[textOf(get(node, 'type')) ?? ''];
  if (node.kind !== 'map' || source === undefined || resolve === undefined) return node;
  node.entries.set('source', onText(resolve)(source, base));
  return node;
};

const boundDevice: Resolver = (node, base) => {
  const options = get(node, 'driver_opts');
  const device = get(options, 'device');
  if (textOf(get(node, 'driver')) !== 'local' || textOf(get(options, 'o')) !== 'bind') return node;
  if (options?.kind === 'map' && device !== undefined) {
    options.entries.set('device', onText(hostPath)(device, base));
  }
  return node;
};

const resolvers = compile<Resolver>({
  ...alsoJobs<Resolver>({
    'services.*.build.context': onText(contextPath),
    'services.*.build.additional_contexts.*': onText(contextPath),
    'services.*.build.ssh.*': onText(hostPath),
    'services.*.develop.watch.*.path': onText(watchedPath),
    'services.*.env_file.*.path': onText(plainPath),
    'services.*.extends.file': onText(plainPath),
    'services.*.image': onText(imagePath),
    'services.*.label_file.*': onText(plainPath),
    'services.*.pre_start.*.image': onText(imagePath),
    'services.*.volumes.*': mountSource,
  }),
  'configs.*.file': onText(hostPath),
  'secrets.*.file': onText(hostPath),
  'volumes.*': boundDevice,
});

/** Resolves the relative paths of a model. */
export function resolvePaths(model: MapNode, base: PathBase): void {
  walk(model, resolvers, base);
}

function walk(node: Node, level: Rules<Resolver> | undefined, base: PathBase): Node {
  if (level === undefined) return node;
  if (level.rule !== undefined) return level.rule(node, base);
  if (node.kind === 'list') node.items = node.items.map((item) => walk(item, under(level, '*'), base));
  else if (node.kind === 'map') {
    for (const [key, value] of node.entries) {
      const resolved = walk(value, under(level, key), base);
      if (resolved !== value) node.entries.set(key, resolved);
    }
  }
  return node;
}
