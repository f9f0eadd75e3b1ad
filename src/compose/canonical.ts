// Short forms → long forms, one rule per attribute; shapes that fit no rule are left for the schema to refuse.
import { ComposeError } from '../errors.ts';
import type { Report } from './report.ts';
import { alsoJobs, compile, type Rules, under } from './rules.ts';
import { type Parsed, parseDevice, parsePort, parseVolume } from './short.ts';
import {
  asList,
  flag,
  isNull,
  type ListNode,
  list,
  map,
  mapOf,
  type Node,
  positionOf,
  scalar,
  text,
  textOf,
} from './tree.ts';
import { printFloat } from './units.ts';

/** Note of mappings that were written as lists. */
export const listNote = 'written as a list';

interface Context {
  /** Where the rule is applied; changes while the tree is walked. */
  readonly path: (string | number)[];
  readonly report: Report;
  /** Short forms that cannot be read are kept, because variables in them were not expanded. */
  readonly lenient: boolean;
  /** Entries that short forms may still become. */
  room: number;
}

/** Most entries that the short forms of a document become; ranges of ports can make many of one. */
const maxEntries = 100_000;

type Rule = (node: Node, context: Context) => Node;

/** Text of a scalar as Go prints it. */
export function printScalar(node: Node): string | undefined {
  if (node.kind !== 'scalar' || node.value === null) return undefined;
  return node.type === 'float' ? printFloat(Number(node.value)) : String(node.value);
}

/** `KEY=value` entries → a mapping; an entry without a sign gets a null that knows it. */
const keyValues: Rule = (node) => {
  const entries = stringsOf(node);
  if (entries === undefined) return node;
  const result = new Map<string, Node>();
  for (const entry of entries) {
    const sign = entry.value.indexOf('=');
    const key = sign < 0 ? entry.value : entry.value.slice(0, sign);
    result.set(
      key,
      sign < 0 ? scalar(null, 'bare', entry.node) : text(entry.value.slice(sign + 1), entry.node),
    );
  }
  return { ...map(result, node), note: listNote };
};

/** Nothing but a mapping, however it was written. */
const asMapping = (node: Node): Node => ({ ...node, note: undefined });

const environment: Rule = (node, context) => {
  for (const entry of stringsOf(node) ?? []) {
    const key = entry.value.split('=', 1)[0] ?? '';
    if (!/\s$/.test(key)) continue;
    const message = `${context.path.join('.')}: environment variable "${key}" is declared with a trailing space`;
    context.report.error('invalid-value', message, { node: entry.node, path: [...context.path] });
  }
  return keyValues(node, context);
};

const requiredKeyValues: Rule = (node, context) => {
  for (const entry of stringsOf(node) ?? []) {
    if (entry.value.includes('=')) continue;
    if (context.lenient) return node;
    const message = `${context.path.join('.')}: invalid value "${entry.value}", expected key=value`;
    context.report.error('invalid-value', message, { node: entry.node, path: [...context.path] });
  }
  return asMapping(keyValues(node, context));
};

function stringsOf(node: Node): { value: string; node: Node }[] | undefined {
  const result: { value: string; node: Node }[] = [];
  for (const item of asList(node)?.items ?? []) {
    const value = textOf(item);
    if (value === undefined) return undefined;
    result.push({ value, node: item });
  }
  return node.kind === 'list' ? result : undefined;
}

const wrapText = (node: Node): Node => (textOf(node) === undefined ? node : list([inner(node)], node));

/** The value without what belongs to the container that is put around it. */
function inner(node: Node): Node {
  return { ...node, key: undefined, mark: undefined, was: undefined };
}

const namesToMap =
  (value: (name: Node) => Node): Rule =>
  (node) => {
    const names = stringsOf(node);
    if (names === undefined) return node;
    return map(new Map(names.map((name) => [name.value, value(name.node)])), node);
  };

const dependency = (name: Node): Node =>
  mapOf({ condition: text('service_started', name), required: flag(true, name) }, name);

const envFiles: Rule = (node) => {
  const items = wrapText(node);
  if (items.kind !== 'list') return node;
  items.items = items.items.map((item) => {
    if (textOf(item) !== undefined) return mapOf({ path: item, required: flag(true, item) }, item);
    if (item.kind === 'map' && !item.entries.has('required')) item.entries.set('required', flag(true, item));
    return item;
  });
  return items;
};

const typographic = 'these are typographic quotes, which YAML takes for letters: write " or \'';

/** A rule for a list whose entries may be short. */
const shortEntries =
  (parse: (spec: string, like: Node) => Parsed, hint?: string): Rule =>
  (node, context) => {
    if (node.kind !== 'list') return node;
    node.items = node.items.flatMap((item, index) => {
      const spec = item.kind === 'scalar' && typeof item.value !== 'boolean' ? printScalar(item) : undefined;
      if (spec === undefined) return [item];
      const parsed = parse(spec, item);
      if ('nodes' in parsed) {
        context.room -= parsed.nodes.length;
        if (context.room < 0) throw tooMany(context, index, item);
        return parsed.nodes;
      }
      if (!context.lenient) {
        const path = [...context.path, index];
        const message = `${context.path.join('.')}[${index}]: ${parsed.problem}`;
        const quotes = /[\u2018-\u201f]/.test(spec) ? typographic : undefined;
        context.report.error('invalid-value', message, { node: item, path, hint: quotes ?? hint });
      }
      return [item];
    });
    return node;
  };

function tooMany({ path }: Context, index: number, item: Node): ComposeError {
  const at = positionOf(item);
  const message = `${path.join('.')}[${index}]: more than ${maxEntries} entries, those of ranges counted one by one`;
  return new ComposeError('input-limit', message, {
    ...(at === undefined ? {} : { at }),
    hint: 'a service that needs this many ports is better off with `network_mode: host`',
  });
}

const onlyText =
  (parse: (spec: string, like: Node) => Parsed): ((spec: string, like: Node) => Parsed) =>
  (spec, like) =>
    textOf(like) === undefined ? { nodes: [like] } : parse(spec, like);

const fileMounts = shortEntries(onlyText((_, like) => ({ nodes: [mapOf({ source: like }, like)] })));

const asText: Rule = (node) => {
  const value = printScalar(node);
  return value === undefined || textOf(node) !== undefined ? node : text(value, node);
};

const ssh: Rule = (node, context) => {
  const names = stringsOf(node);
  if (names === undefined) return node;
  for (const name of names) {
    if (name.value.includes('=') || name.value === 'default') continue;
    const message = `${context.path.join('.')}: invalid ssh key "${name.value}", expected id=path`;
    context.report.error('invalid-value', message, { node: name.node, path: [...context.path] });
  }
  return asMapping(keyValues(node, context));
};

const gpus: Rule = (node) =>
  textOf(node) === 'all' ? list([mapOf({ count: text('all', node) }, node)], node) : node;

/** A mapping of hosts → entries `host=address`, sorted. */
const extraHosts: Rule = (node) => {
  if (node.kind !== 'map') return node;
  const entries: Node[] = [];
  for (const [host, value] of node.entries) {
    for (const address of value.kind === 'list' ? value.items : [value]) {
      const ip = textOf(address);
      if (ip === undefined) return node;
      entries.push(text(`${host}=${ip}`, address));
    }
  }
  entries.sort((a, b) => ((textOf(a) ?? '') < (textOf(b) ?? '') ? -1 : 1));
  return list(entries, node);
};

const external: Rule = (node, context) => {
  if (node.kind !== 'map') return node;
  const old = node.entries.get('external');
  if (old?.kind !== 'map') return node;
  node.entries.set('external', flag(true, old));
  const name = old.entries.get('name');
  if (name === undefined) return node;
  const place = context.path.join('.');
  const message = `${place}: external.name is deprecated, please set name and external: true`;
  context.report.warn('deprecated', message, { node: name, path: [...context.path] });
  const own = node.entries.get('name');
  if (own === undefined) node.entries.set('name', name);
  else if (textOf(own) !== textOf(name)) {
    const conflict = `${place}: name and external.name conflict; only use name`;
    context.report.error('conflicting-keys', conflict, { node: name, path: [...context.path] });
  }
  return node;
};

const keyed = (key: string): Rule => {
  return (node) => (textOf(node) === undefined ? node : mapOf({ [key]: inner(node) }, node));
};

const portForm =
  'a port is [[ADDRESS:]PUBLISHED:]TARGET[/PROTOCOL], with numbers up to 65535 or ranges of them; IPv6 addresses in brackets';
const volumeForm =
  'a volume is [SOURCE:]TARGET[:OPTIONS]; paths that contain colons need the long form with `source` and `target`';

const longPorts = shortEntries(parsePort, portForm);

/** While variables are kept, ports stay as they are written if one of them cannot be read. */
const ports: Rule = (node, context) => {
  const isReadable = (item: Node): boolean => {
    const spec = textOf(item);
    return spec === undefined || 'nodes' in parsePort(spec, item);
  };
  return context.lenient && asList(node)?.items.every(isReadable) === false ? node : longPorts(node, context);
};

const rows: Readonly<Record<string, Rule>> = {
  'services.*.annotations': keyValues,
  'services.*.build': keyed('context'),
  'services.*.build.additional_contexts': requiredKeyValues,
  'services.*.build.args': environment,
  'services.*.build.extra_hosts': extraHosts,
  'services.*.build.labels': keyValues,
  'services.*.build.provenance': asText,
  'services.*.build.sbom': asText,
  'services.*.build.secrets': fileMounts,
  'services.*.build.ssh': ssh,
  'services.*.configs': fileMounts,
  'services.*.depends_on': namesToMap(dependency),
  'services.*.deploy.labels': keyValues,
  'services.*.deploy.resources.reservations.devices.*.options': keyValues,
  'services.*.develop.watch.*.exec.environment': environment,
  'services.*.develop.watch.*.ignore': wrapText,
  'services.*.develop.watch.*.include': wrapText,
  'services.*.devices': shortEntries(onlyText(parseDevice), 'a device is SOURCE[:TARGET[:PERMISSIONS]]'),
  'services.*.dns': wrapText,
  'services.*.dns_search': wrapText,
  'services.*.env_file': envFiles,
  'services.*.environment': environment,
  'services.*.extends': keyed('service'),
  'services.*.extra_hosts': extraHosts,
  'services.*.gpus': gpus,
  'services.*.gpus.*.options': keyValues,
  'services.*.label_file': wrapText,
  'services.*.labels': keyValues,
  'services.*.models': namesToMap((name) => ({ ...scalar(null, 'null', name) })),
  'services.*.networks': namesToMap((name) => ({ ...scalar(null, 'null', name) })),
  'services.*.ports': ports,
  'services.*.post_start.*.environment': environment,
  'services.*.pre_start.*.environment': environment,
  'services.*.pre_stop.*.environment': environment,
  'services.*.secrets': fileMounts,
  'services.*.sysctls': keyValues,
  'services.*.tmpfs': wrapText,
  'services.*.volumes': shortEntries(onlyText(parseVolume), volumeForm),
  'services.*.volumes.*.volume.labels': keyValues,
  'networks.*': external,
  'networks.*.labels': keyValues,
  'volumes.*': external,
  'volumes.*.labels': keyValues,
  'secrets.*': external,
  'secrets.*.labels': keyValues,
  'configs.*': external,
  'configs.*.labels': keyValues,
};

const rules = compile({ ...alsoJobs(rows), 'jobs.*.triggers.schedule.*': keyed('cron') });

/** Brings a document into long forms; unreadable short forms go to the report unless `lenient`. */
export function toCanonical(document: Node, report: Report, lenient: boolean): Node {
  return walk(document, rules, { path: [], report, lenient, room: maxEntries });
}

function walk(node: Node, level: Rules<Rule> | undefined, context: Context): Node {
  if (level === undefined || isNull(node)) return node;
  const long = level.rule === undefined ? node : level.rule(node, context);
  if (long.kind === 'list') walkList(long, under(level, '*'), context);
  else if (long.kind === 'map') {
    for (const [key, value] of long.entries) {
      const below = under(level, key);
      if (below === undefined) continue;
      context.path.push(key);
      const changed = walk(value, below, context);
      context.path.pop();
      if (changed !== value) long.entries.set(key, changed);
    }
  }
  return long;
}

function walkList(node: ListNode, below: Rules<Rule> | undefined, context: Context): void {
  if (below === undefined) return;
  for (const [index, item] of node.items.entries()) {
    context.path.push(index);
    node.items[index] = walk(item, below, context);
    context.path.pop();
  }
}
