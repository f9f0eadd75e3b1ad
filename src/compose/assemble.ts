// Makes trees of what a YAML parser finds: keys, duplicates, anchors, merge keys, tags, and limits on hostile input.
import { nearest } from './hints.ts';
import type { Report } from './report.ts';
import { resolvePlain, resolveTagged } from './scalar.ts';
import {
  inPlaceOf,
  joinPath,
  list,
  type MapNode,
  map,
  type Node,
  type Source,
  type Span,
  scalar,
} from './tree.ts';

/** Most values in a file, those that aliases repeat included; most entries in one mapping or list. */
const maxValues = 350_000;
const maxEntries = 100_000;
/** Longest key, in UTF-16 units: as long as YAML allows on one line. */
const maxKey = 1024;
/** Deepest nesting. */
export const maxDepth = 200;

/** The state of one document. */
export interface Assembly {
  readonly source: Source;
  readonly report: Report;
  readonly anchors: Map<string, Node | 'open'>;
  /** Where the parser is, for messages. */
  readonly path: (string | number)[];
  /** How many values there are, in the documents before this one too. */
  values: number;
}

export interface ScalarToken {
  readonly text: string;
  /** Neither quoted nor a block: may be a number, a boolean or null. */
  readonly isPlain: boolean;
  readonly tag: string | undefined;
  readonly span: Span;
}

/** A key and its value, as far as the document says them. */
export interface Pair {
  readonly key: Node;
  readonly isMergeKey: boolean;
  readonly value: Node;
}

/** The state in front of a document; `before` is that of the one before it in the same file. */
export function beginDocument(source: Source, report: Report, before?: Assembly): Assembly {
  return { source, report, anchors: new Map(), path: [], values: before?.values ?? 0 };
}

function count(span: Span, assembly: Assembly): void {
  assembly.values += 1;
  if (assembly.values > maxValues) {
    giveUp('input-limit', `there are more than ${maxValues} values in one file`, span, assembly);
  }
}

function limitEntries(size: number, span: Span, assembly: Assembly): void {
  count(span, assembly);
  if (size <= maxEntries) return;
  giveUp('input-limit', `more than ${maxEntries} entries are in one mapping or list`, span, assembly);
}

const nothing = scalar(null, 'null');

/** A null that nothing was written for. */
export function emptyAt(span: Span): Node {
  return { ...nothing, at: span };
}

/** A scalar with the type that its text or its tag gives it. */
export function assembleScalar(token: ScalarToken, assembly: Assembly): Node {
  const { text, tag, span } = token;
  count(span, assembly);
  if (tag !== undefined && tag !== '!' && !isMark(tag)) return taggedScalar(token, tag, assembly);
  const resolved = token.isPlain && tag !== '!' ? resolvePlain(text) : undefined;
  return {
    kind: 'scalar',
    type: resolved === undefined ? 'string' : resolved.type,
    value: resolved === undefined ? text : resolved.value,
    at: span,
    key: undefined,
    mark: undefined,
    was: undefined,
    note: undefined,
  };
}

function taggedScalar(token: ScalarToken, tag: string, assembly: Assembly): Node {
  const at = emptyAt(token.span);
  const resolved = resolveTagged(tag, token.text);
  if (resolved !== undefined) return scalar(resolved.value, resolved.type, at);
  assembly.report.error('yaml-syntax', `"${token.text}" does not fit the tag ${tag}`, { node: at });
  return at;
}

const isMark = (tag: string): boolean => tag === '!reset' || tag === '!override';

/** Remembers what a node is tagged and anchored with. */
export function finishNode(
  node: Node,
  tag: string | undefined,
  anchor: string | undefined,
  assembly: Assembly,
): Node {
  if (tag === '!reset') node.mark = 'reset';
  if (tag === '!override') node.mark = 'override';
  if (anchor !== undefined) assembly.anchors.set(anchor, node);
  return node;
}

export function assembleList(items: Node[], span: Span, assembly: Assembly): Node {
  limitEntries(items.length, span, assembly);
  return { ...list(items), at: span };
}

/** A mapping of its pairs, merge keys last; reports keys that repeat or are no strings. */
export function assembleMap(pairs: readonly Pair[], span: Span, assembly: Assembly): Node {
  limitEntries(pairs.length, span, assembly);
  const entries = new Map<string, Node>();
  const target: MapNode = { ...map(entries), at: span };
  const merged: Node[] = [];
  for (const { key, isMergeKey, value } of pairs) {
    const name = keyText(key, assembly);
    if (name === undefined) continue;
    if (isMergeKey) {
      if (merged.length > 0) duplicate(name, key, merged[0], assembly);
      merged.push(value);
      continue;
    }
    const before = entries.get(name);
    if (before !== undefined) duplicate(name, key, before, assembly);
    value.key = key.at;
    entries.set(name, value);
  }
  for (const value of merged) mergeInto(target, value, assembly);
  return target;
}

function keyText(key: Node, assembly: Assembly): string | undefined {
  if (key.kind === 'scalar' && typeof key.value === 'string') {
    if (key.value.length > maxKey && key.at !== undefined) {
      giveUp('input-limit', `a key is longer than ${maxKey} characters`, key.at, assembly);
    }
    return key.value;
  }
  const shown = key.kind === 'scalar' ? String(key.value) : 'a collection';
  const place = assembly.path.length === 0 ? 'at the top level' : `in ${joinPath(assembly.path)}`;
  assembly.report.error('yaml-syntax', `a key ${place} has to be a string, not ${shown}`, {
    node: key,
    path: [...assembly.path],
    hint:
      key.kind === 'scalar'
        ? `put the key in quotes: "${shown}"`
        : 'braces of a template make a mapping: fill it in first, or quote the value',
  });
  return undefined;
}

function duplicate(name: string, key: Node, before: Node | undefined, assembly: Assembly): void {
  const at = before?.key;
  const line = at === undefined ? '' : ` on line ${at.source.position(at.start, at.end)?.line}`;
  assembly.report.error('duplicate-key', `the key "${name}" is already defined${line}`, {
    node: key,
    path: [...assembly.path, name],
    hint: 'remove one of them, or put both values under one key',
  });
}

function mergeInto(target: MapNode, value: Node, assembly: Assembly): void {
  for (const source of value.kind === 'list' ? value.items : [value]) {
    if (source.kind !== 'map') {
      const message = 'a merge key `<<` needs a mapping or a list of mappings';
      assembly.report.error('yaml-syntax', message, { node: source, path: [...assembly.path] });
      continue;
    }
    for (const [key, entry] of source.entries) {
      const own = target.entries.get(key);
      if (own === undefined) target.entries.set(key, entry);
      // A reset takes away what earlier files say, not what is merged in here.
      else if (own.mark === 'reset') target.entries.set(key, { ...entry, mark: 'override' });
      else target.entries.set(key, inPlaceOf(own, entry, 'merge-key'));
    }
  }
}

/** What an alias stands for, as a copy of its own. */
export function assembleAlias(name: string, span: Span, assembly: Assembly): Node {
  const target = assembly.anchors.get(name);
  if (target !== undefined && target !== 'open') return expand(target, span, assembly);
  const problem = target === undefined ? `unknown anchor *${name}` : `the anchor &${name} contains itself`;
  return giveUp('yaml-syntax', problem, span, { ...assembly, hint: anchorHint(name, target, assembly) });
}

function anchorHint(name: string, target: 'open' | undefined, { anchors }: Assembly): string | undefined {
  if (target !== undefined) return undefined;
  const similar = nearest(name, [...anchors.keys()], (known) => `did you mean *${known}?`);
  if (/[^\w-]/.test(name)) return similar ?? 'quote a value that starts with *';
  return similar ?? `an anchor has to stand above, in the same file: \`x-${name}: &${name}\``;
}

function expand(node: Node, span: Span, assembly: Assembly): Node {
  assembly.values += 1;
  if (assembly.values > maxValues) {
    return giveUp('input-limit', `aliases expand to more than ${maxValues} values`, span, assembly);
  }
  if (node.kind === 'scalar') return { ...node };
  // A reset acts where it is written, or where an alias stands for it alone.
  if (node.kind === 'list') {
    const items = node.items.filter((item) => item.mark !== 'reset');
    return list(
      items.map((item) => expand(item, span, assembly)),
      node,
    );
  }
  const entries = new Map<string, Node>();
  for (const [key, value] of node.entries) {
    if (value.mark !== 'reset') entries.set(key, expand(value, span, assembly));
  }
  return map(entries, node);
}

/** Ends the stage: reading on makes no sense. */
export function giveUp(
  code: 'yaml-syntax' | 'input-limit',
  message: string,
  span: Span,
  { report, path, hint }: Pick<Assembly, 'report' | 'path'> & { readonly hint?: string | undefined },
): Node {
  report.error(code, message, { at: span.source.position(span.start, span.end), path: [...path], hint });
  report.finish();
  return emptyAt(span);
}

export function tooDeep(span: Span, assembly: Assembly): Node {
  return giveUp('input-limit', `values are nested more than ${maxDepth} levels deep`, span, assembly);
}

/** Does something one step further down. */
export function inside<T>(assembly: Assembly, step: string | number, run: () => T): T {
  assembly.path.push(step);
  const result = run();
  assembly.path.pop();
  return result;
}
