// YAML text → trees with positions: anchors, merge keys, tags, duplicate keys and the limits on hostile input.
import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  type Pair,
  type ParsedNode,
  parseAllDocuments,
  type Scalar,
} from 'yaml';
import type { Report } from './report.ts';
import { resolvePlain, resolveTagged } from './scalar.ts';
import {
  joinPath,
  list,
  type MapNode,
  makeSource,
  map,
  type Node,
  type Source,
  type Span,
  scalar,
} from './tree.ts';

/** Most values that aliases of one file may expand to, and the deepest nesting. */
const maxAliased = 500_000;
const maxDepth = 1_000;

interface Build {
  readonly source: Source;
  readonly report: Report;
  readonly anchors: Map<string, Node | 'open'>;
  readonly path: (string | number)[];
  aliased: number;
}

/** Reads every document of a YAML text; what is wrong with it goes to the report. */
export function parseSource(name: string, content: string, report: Report): Node[] {
  const text = content.charCodeAt(0) === 0xfeff ? content.slice(1) : content;
  const source = makeSource(name, text);
  const documents = readDocuments(text, source, report);
  return documents.map((document) => {
    const build: Build = { source, report, anchors: new Map(), path: [], aliased: 0 };
    return document.contents === null ? scalar(null, 'null') : compose(document.contents, build, 0);
  });
}

function readDocuments(text: string, source: Source, report: Report): Document.Parsed[] {
  const documents = parseAllDocuments(text, {
    schema: 'failsafe',
    merge: false,
    uniqueKeys: false,
    prettyErrors: false,
    keepSourceTokens: false,
    logLevel: 'silent',
  });
  if ('empty' in documents) return [];
  const first = documents.flatMap((document) => document.errors)[0];
  if (first !== undefined) {
    const at = source.position(first.pos[0], first.pos[1]);
    report.error('yaml-syntax', lowerFirst(first.message.replace(/\s+$/, '')), { at });
    report.finish();
  }
  return documents;
}

function lowerFirst(message: string): string {
  return message.charAt(0).toLowerCase() + message.slice(1);
}

function compose(node: ParsedNode, build: Build, depth: number): Node {
  if (depth > maxDepth) tooDeep(node, build);
  if (isAlias(node)) return aliasOf(node.source, spanOf(node, build), build);
  const anchor = node.anchor;
  if (anchor !== undefined) build.anchors.set(anchor, 'open');
  const result = isScalar(node) ? scalarOf(node, build) : containerOf(node, build, depth);
  if (node.tag === '!reset') result.mark = 'reset';
  if (node.tag === '!override') result.mark = 'override';
  if (anchor !== undefined) build.anchors.set(anchor, result);
  return result;
}

function containerOf(node: ParsedNode, build: Build, depth: number): Node {
  const like = { ...scalar(null, 'null'), at: spanOf(node, build) };
  if (isSeq(node)) {
    return list(
      node.items.map((item, index) =>
        inside(build, index, () => compose(item as ParsedNode, build, depth + 1)),
      ),
      like,
    );
  }
  const result = map(new Map(), like);
  if (isMap(node)) fillMap(result, node.items as Pair<ParsedNode, ParsedNode | null>[], build, depth);
  return result;
}

function fillMap(
  target: MapNode,
  pairs: readonly Pair<ParsedNode, ParsedNode | null>[],
  build: Build,
  depth: number,
): void {
  const merged: Node[] = [];
  const seen = new Set<string>();
  for (const pair of pairs) {
    const span = spanOf(pair.key, build);
    const key = keyOf(pair.key, span, build);
    if (key === undefined) continue;
    if (seen.has(key)) duplicate(key, span, target, build);
    seen.add(key);
    const child = pair.value;
    const value = child === null ? nullAt(span) : inside(build, key, () => compose(child, build, depth + 1));
    if (key === '<<' && isScalar(pair.key) && pair.key.type === 'PLAIN') merged.push(value);
    else target.entries.set(key, { ...value, key: span });
  }
  for (const value of merged) mergeInto(target, value, build);
}

function inside<T>(build: Build, step: string | number, run: () => T): T {
  build.path.push(step);
  const result = run();
  build.path.pop();
  return result;
}

function nullAt(span: Span | undefined): Node {
  return { ...scalar(null, 'null'), at: span };
}

function mergeInto(target: MapNode, value: Node, build: Build): void {
  const sources = value.kind === 'list' ? value.items : [value];
  for (const source of sources) {
    if (source.kind !== 'map') {
      build.report.error('yaml-syntax', 'a merge key `<<` needs a mapping or a list of mappings', {
        node: source,
      });
      continue;
    }
    for (const [key, entry] of source.entries) {
      const own = target.entries.get(key);
      if (own === undefined) target.entries.set(key, entry);
      // A reset takes away what earlier files say, not what is merged in here.
      else if (own.mark === 'reset') target.entries.set(key, { ...entry, mark: 'override' });
    }
  }
}

function keyOf(node: ParsedNode, span: Span | undefined, build: Build): string | undefined {
  const key = isAlias(node)
    ? build.anchors.get(node.source)
    : isScalar(node)
      ? scalarOf(node, build)
      : undefined;
  if (key !== undefined && key !== 'open' && key.kind === 'scalar' && typeof key.value === 'string') {
    return key.value;
  }
  const shown = key !== undefined && key !== 'open' && key.kind === 'scalar' ? ` ${String(key.value)}` : '';
  const at = span?.source.position(span.start, span.end);
  const place = build.path.length === 0 ? 'at the top level' : `in ${joinPath(build.path)}`;
  build.report.error('yaml-syntax', `a key ${place} has to be a string, not${shown || ' a collection'}`, {
    at,
    path: [...build.path],
    hint: shown === '' ? undefined : `put the key in quotes: "${shown.trim()}"`,
  });
  return undefined;
}

function duplicate(key: string, span: Span | undefined, target: MapNode, build: Build): void {
  const before = target.entries.get(key)?.key;
  const line =
    before === undefined ? '' : ` on line ${before.source.position(before.start, before.end)?.line}`;
  const at = span?.source.position(span.start, span.end);
  build.report.error('duplicate-key', `the key "${key}" is already defined${line}`, { at });
}

function scalarOf(node: Scalar, build: Build): Node {
  const text = typeof node.value === 'string' ? node.value : String(node.value ?? '');
  const span = spanOf(node, build);
  const at = { ...scalar(null, 'null'), at: span };
  const tag = node.tag;
  if (tag !== undefined && tag !== '!' && !isMark(tag)) {
    const tagged = resolveTagged(tag, text);
    if (tagged !== undefined) return scalar(tagged.value, tagged.type, at);
    build.report.error('yaml-syntax', `"${text}" does not fit the tag ${tag}`, { node: at });
    return at;
  }
  if (node.type !== 'PLAIN' || tag === '!') return scalar(text, 'string', at);
  const plain = resolvePlain(text);
  return scalar(plain.value, plain.type, at);
}

const isMark = (tag: string): boolean => tag === '!reset' || tag === '!override';

function aliasOf(name: string, span: Span | undefined, build: Build): Node {
  const target = build.anchors.get(name);
  if (target === undefined || target === 'open') {
    const message =
      target === undefined ? `unknown anchor *${name}` : `the value of anchor &${name} contains itself`;
    build.report.error('yaml-syntax', message, { at: span?.source.position(span.start, span.end) });
    build.report.finish();
    return nullAt(span);
  }
  return expand(target, span, build);
}

function expand(node: Node, span: Span | undefined, build: Build): Node {
  build.aliased += 1;
  if (build.aliased > maxAliased) {
    const at = span?.source.position(span.start, span.end);
    build.report.error('input-limit', `aliases expand to more than ${maxAliased} values`, { at });
    build.report.finish();
  }
  if (node.kind === 'scalar') return { ...node };
  if (node.kind === 'list') {
    return list(
      node.items.filter((item) => item.mark !== 'reset').map((item) => expand(item, span, build)),
      node,
    );
  }
  const entries = new Map<string, Node>();
  for (const [key, value] of node.entries) {
    // A reset acts where it is written, or where an alias stands for it alone.
    if (value.mark !== 'reset') entries.set(key, expand(value, span, build));
  }
  return map(entries, node);
}

function spanOf(
  node: { range?: readonly number[] | null | undefined } | null,
  build: Build,
): Span | undefined {
  const range = node?.range;
  if (range === null || range === undefined) return undefined;
  return { source: build.source, start: range[0] ?? 0, end: range[1] ?? 0 };
}

function tooDeep(node: ParsedNode, build: Build): void {
  const span = spanOf(node, build);
  const at = span?.source.position(span.start, span.end);
  build.report.error('input-limit', `values are nested more than ${maxDepth} levels deep`, { at });
  build.report.finish();
}
