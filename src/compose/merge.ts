// Merges documents that are in long forms: a later value wins, attribute by attribute; lists know their repeats.
import { listNote } from './canonical.ts';
import type { Path, Report } from './report.ts';
import { alsoJobs, compile, type Rules, under } from './rules.ts';
import {
  equal,
  get,
  inPlaceOf,
  isNull,
  joinNode,
  type ListNode,
  list,
  type MapNode,
  type Node,
  type Reason,
  textOf,
} from './tree.ts';

type Merger = (base: Node, over: Node, context: Context) => Node;

interface Context {
  readonly report: Report;
  /** Why the later value wins. */
  readonly why: Reason;
  /** Where the merge is; changes on the way. */
  readonly path: (string | number)[];
  level: Rules<Merger> | undefined;
}

const replace: Merger = (base, over, { why }) => inPlaceOf(over, base, why);

/** Options of another driver make no sense: they go when both name a driver and the two differ. */
const logging: Merger = (base, over, context) => {
  const [before, after] = [get(base, 'driver'), get(over, 'driver')];
  if (before !== undefined && after !== undefined && !equal(before, after))
    return replace(base, over, context);
  return byKind(base, over, context);
};

/**
 * Mappings of text count as lists of `KEY=value` once they are merged: that is how they are printed when
 * variables are kept, and extensions in them are members like others.
 */
const keyValues: Merger = (base, over, context) => {
  if (base.kind !== 'map' || over.kind !== 'map') return byKind(base, over, context);
  return { ...mergeEntries(asEntries(base), asEntries(over), context), note: listNote };
};

function asEntries(node: MapNode): MapNode {
  if (node.note === listNote) return node;
  const entries = [...node.entries].sort(([a], [b]) => (`${a}=` < `${b}=` ? -1 : 1));
  return { ...node, entries: new Map(entries) };
}

const appendNew: Merger = (base, over, context) => {
  if (base.kind !== 'list' || over.kind !== 'list') return byKind(base, over, context);
  const known = new Set(base.items.map(textOf));
  return list([...base.items, ...over.items.filter((item) => !known.has(textOf(item)))], base);
};

/** Address pools merge by subnet, with the order and the losses of the reference. */
const pools: Merger = (base, over, context) => {
  if (base.kind !== 'list' || over.kind !== 'list') return byKind(base, over, context);
  const result: Node[] = [];
  const indexOf = (pool: Node): number => result.findIndex((known) => sameSubnet(known, pool));
  for (const before of base.items) {
    for (const after of over.items) {
      if (!sameSubnet(before, after) && indexOf(after) < 0) {
        result.push(after);
        continue;
      }
      const merged = byKind(before, after, context);
      const index = indexOf(merged);
      if (index >= 0) result[index] = merged;
      else result.push(merged);
    }
  }
  return list(result, base);
};

function sameSubnet(a: Node, b: Node): boolean {
  return textOf(get(a, 'subnet')) === textOf(get(b, 'subnet'));
}

const mergers = compile<Merger>(
  alsoJobs<Merger>({
    'networks.*.ipam.config': pools,
    'networks.*.labels': keyValues,
    'networks.*.labels.*': replace,
    'volumes.*.labels': keyValues,
    'volumes.*.labels.*': replace,
    'services.*.annotations': keyValues,
    'services.*.annotations.*': replace,
    'services.*.build.args': keyValues,
    'services.*.build.args.*': replace,
    'services.*.build.extra_hosts': appendNew,
    'services.*.build.labels': keyValues,
    'services.*.build.labels.*': replace,
    'services.*.command': replace,
    'services.*.deploy.labels': keyValues,
    'services.*.deploy.labels.*': replace,
    'services.*.entrypoint': replace,
    'services.*.environment': keyValues,
    'services.*.environment.*': replace,
    'services.*.extra_hosts': appendNew,
    'services.*.healthcheck.test': replace,
    'services.*.labels': keyValues,
    'services.*.labels.*': replace,
    'services.*.logging': logging,
    'services.*.sysctls': keyValues,
    'services.*.sysctls.*': replace,
    'services.*.ulimits.*': replace,
  }),
);

/** Puts a document over another one. `base` may be changed; the result is to be used instead of both. */
export function mergeDocuments(base: MapNode, over: MapNode, report: Report): MapNode {
  return mergeEntries(base, over, { report, why: 'file', path: [], level: mergers });
}

/** Puts a service over the one that it extends. */
export function mergeService(base: MapNode, over: MapNode, name: string, report: Report): MapNode {
  const level = under(under(mergers, 'services'), name);
  return mergeEntries(base, over, { report, why: 'extends', path: ['services', name], level });
}

function mergeEntries(base: MapNode, over: MapNode, context: Context): MapNode {
  for (const [key, value] of over.entries) {
    const before = base.entries.get(key);
    if (before === undefined || value.mark !== undefined) {
      base.entries.set(key, before === undefined ? value : inPlaceOf(value, before, context.why));
      continue;
    }
    const { level } = context;
    context.level = under(level, key);
    context.path.push(key);
    const merged = (context.level?.rule ?? byKind)(before, value, context);
    context.path.pop();
    context.level = level;
    if (merged !== before) base.entries.set(key, merged);
  }
  return base;
}

function byKind(base: Node, over: Node, context: Context): Node {
  if (isNull(over)) return base;
  if (base.kind === 'scalar') return replace(base, over, context);
  if (base.kind === 'map' && over.kind === 'map') return mergeEntries(base, over, context);
  if (base.kind === 'list' && over.kind === 'list') return append(base, over);
  const message = `cannot override ${context.path.join('.')}: ${kindName(base)} cannot be merged with ${kindName(over)}`;
  context.report.error('merge-conflict', message, {
    node: over,
    path: [...context.path],
    hint: 'tag the value with !override to replace what earlier files say',
  });
  return base;
}

function append(base: ListNode, over: ListNode): ListNode {
  for (const item of over.items) base.items.push(item);
  return base;
}

function kindName(node: Node): string {
  return node.kind === 'map' ? 'a mapping' : node.kind === 'list' ? 'a list' : 'a plain value';
}

/** What makes two entries of a list the same thing; undefined when the entry has no identity. */
type Identity = (item: Node, path: Path, report: Report) => string | undefined;

const keyOfText: Identity = (item) => textOf(item)?.split('=', 1)[0];

const target: Identity = (item, path, report) => {
  if (item.kind !== 'map') return undefined;
  const value = textOf(get(item, 'target'));
  if (value === undefined) {
    const message = `${path.join('.')}: a mount or device needs a target`;
    report.error('missing-key', message, { node: item, path: [...path] });
  }
  return value;
};

const mountedAt =
  (directory: string): Identity =>
  (item) =>
    item.kind === 'map'
      ? (textOf(get(item, 'target')) ?? `${directory}/${textOf(get(item, 'source'))}`)
      : undefined;

const port: Identity = (item) => {
  if (item.kind !== 'map') return textOf(item);
  const host = textOf(get(item, 'host_ip')) ?? '0.0.0.0';
  const published = get(item, 'published');
  // The reference never takes a port written as a number for the same port written as text.
  const shown =
    published === undefined ? '' : `${textOf(published) === undefined ? '#' : ''}${joinNode(published)}`;
  const protocol = textOf(get(item, 'protocol')) ?? 'tcp';
  return `${host}:${shown}:${joinNode(get(item, 'target'))}/${protocol}`;
};

const identities = compile<Identity>(
  alsoJobs<Identity>({
    'services.*.build.tags': keyOfText,
    'services.*.cap_add': keyOfText,
    'services.*.cap_drop': keyOfText,
    'services.*.configs': mountedAt(''),
    'services.*.devices': target,
    'services.*.dns': keyOfText,
    'services.*.dns_opt': keyOfText,
    'services.*.dns_search': keyOfText,
    'services.*.env_file': (item) => textOf(get(item, 'path')),
    'services.*.expose': (item) => (item.kind === 'scalar' ? String(item.value) : undefined),
    'services.*.links': keyOfText,
    'services.*.networks.*.aliases': keyOfText,
    'services.*.networks.*.link_local_ips': keyOfText,
    'services.*.ports': port,
    'services.*.profiles': keyOfText,
    'services.*.secrets': mountedAt('/run/secrets'),
    'services.*.tmpfs': keyOfText,
    'services.*.volumes': target,
  }),
);

/** Removes repeats from lists: a later entry takes the place of the earlier one. */
export function removeRepeats(node: Node, report: Report): void {
  dedupe(node, identities, [], report);
}

function dedupe(
  node: Node,
  level: Rules<Identity> | undefined,
  path: (string | number)[],
  report: Report,
): void {
  if (level === undefined || node.kind === 'scalar') return;
  if (node.kind === 'list') {
    if (level.rule !== undefined && node.items.length > 0) dedupeList(node, level.rule, path, report);
    return;
  }
  for (const [key, value] of node.entries) {
    const below = under(level, key);
    if (below === undefined) continue;
    path.push(key);
    dedupe(value, below, path, report);
    path.pop();
  }
}

function dedupeList(node: ListNode, identity: Identity, path: Path, report: Report): void {
  const places = new Map<string, number>();
  const kept: Node[] = [];
  for (const item of node.items) {
    const key = identity(item, path, report);
    const place = key === undefined ? undefined : places.get(key);
    if (place !== undefined) {
      const before = kept[place];
      kept[place] = before === undefined ? item : inPlaceOf(item, before, 'repeat');
      continue;
    }
    if (key !== undefined) places.set(key, kept.length);
    kept.push(item);
  }
  node.items = kept;
}

/** Removes what `!reset` marks, once nothing is left for it to act on. */
export function dropMarks(node: Node): void {
  if (node.kind === 'list') {
    node.items = node.items.filter((item) => item.mark !== 'reset');
    for (const item of node.items) dropMarks(item);
  } else if (node.kind === 'map') {
    for (const [key, value] of node.entries) {
      if (value.mark === 'reset') node.entries.delete(key);
      else dropMarks(value);
    }
  }
  if (node.mark === 'override') node.mark = undefined;
}
