// The tree every stage works on: values that know where they were written and what they replaced.
import type { Position } from '../errors.ts';

/** A text that values come from: a compose file, an env file, or the process environment (no text). */
export interface Source {
  readonly name: string;
  readonly text: string;
  /** Turns offsets into the text into a place; undefined when the source has no text. */
  readonly position: (start: number, end: number) => Position | undefined;
}

export interface Span {
  readonly source: Source;
  readonly start: number;
  readonly end: number;
}

export type ScalarValue = string | number | bigint | boolean | null;
/** `bare` is the null of a list entry without a value; `timestamp` a date YAML 1.1 would make of it. */
export type ScalarType = 'string' | 'int' | 'float' | 'boolean' | 'null' | 'bare' | 'timestamp';

/** Why a value won over another one. */
export type Reason = 'file' | 'extends' | 'merge-key' | 'env-file' | 'label-file' | 'repeat';

/** A value that another one took the place of. */
export interface Replaced {
  readonly node: Node;
  readonly why: Reason;
}

export interface Written {
  readonly at: Span | undefined;
  /** Where the key of this value was written, when it has one. */
  key: Span | undefined;
  /** What a `!reset` or `!override` tag asks for. */
  mark: 'reset' | 'override' | undefined;
  /** The value that this one replaced. */
  was: Replaced | undefined;
  /** How a value came about that no file contains as such, in a few words. */
  note: string | undefined;
}

export interface ScalarNode extends Written {
  readonly kind: 'scalar';
  readonly type: ScalarType;
  readonly value: ScalarValue;
}

export interface ListNode extends Written {
  readonly kind: 'list';
  items: Node[];
}

export interface MapNode extends Written {
  readonly kind: 'map';
  readonly entries: Map<string, Node>;
}

export type Node = ScalarNode | ListNode | MapNode;

/** Makes a source whose line table is only computed when a position is asked for. */
export function makeSource(name: string, text: string): Source {
  let starts: number[] | undefined;
  const position = (start: number, end: number): Position => {
    starts ??= lineStarts(text);
    const line = lineOf(starts, start);
    const lineStart = starts[line] ?? 0;
    const lineEnd = Math.min(starts[line + 1] ?? text.length + 1, text.length + 1) - 1;
    const endColumn = Math.max(Math.min(end, lineEnd), start + 1) - lineStart + 1;
    return { file: name, line: line + 1, column: start - lineStart + 1, endColumn };
  };
  return { name, text, position };
}

function lineStarts(text: string): number[] {
  const starts = [0];
  for (let i = text.indexOf('\n'); i >= 0; i = text.indexOf('\n', i + 1)) starts.push(i + 1);
  return starts;
}

function lineOf(starts: readonly number[], offset: number): number {
  let low = 0;
  let high = starts.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if ((starts[middle] ?? 0) <= offset) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** The place of a value, undefined when no file contains it. */
export function positionOf(node: Node | undefined): Position | undefined {
  return spanPosition(node?.at);
}

/** The place of the key of a value, or of the value itself. */
export function keyPositionOf(node: Node | undefined): Position | undefined {
  return spanPosition(node?.key) ?? positionOf(node);
}

function spanPosition(span: Span | undefined): Position | undefined {
  return span?.source.position(span.start, span.end);
}

/** A scalar; `like` gives the place and history that it inherits. */
export function scalar(value: ScalarValue, type: ScalarType, like?: Node): ScalarNode {
  return {
    kind: 'scalar',
    type,
    value,
    at: like?.at,
    key: like?.key,
    mark: like?.mark,
    was: like?.was,
    note: like?.note,
  };
}

export const text = (value: string, like?: Node): ScalarNode => scalar(value, 'string', like);
export const flag = (value: boolean, like?: Node): ScalarNode => scalar(value, 'boolean', like);

/** A list; `like` gives the place and history that it inherits. */
export function list(items: Node[], like?: Node): ListNode {
  return {
    kind: 'list',
    items,
    at: like?.at,
    key: like?.key,
    mark: like?.mark,
    was: like?.was,
    note: like?.note,
  };
}

/** A mapping; `like` gives the place and history that it inherits. */
export function map(entries: Map<string, Node>, like?: Node): MapNode {
  return {
    kind: 'map',
    entries,
    at: like?.at,
    key: like?.key,
    mark: like?.mark,
    was: like?.was,
    note: like?.note,
  };
}

/** A mapping from an object of nodes; undefined entries are left out. */
export function mapOf(entries: Readonly<Record<string, Node | undefined>>, like?: Node): MapNode {
  const result = new Map<string, Node>();
  for (const key in entries) {
    const node = entries[key];
    if (node !== undefined) result.set(key, node);
  }
  return map(result, like);
}

/** A value in the place of another one; what it replaced before is nearer to it than this. */
export function inPlaceOf<T extends Node>(value: T, before: Node, why: Reason): T {
  return { ...value, was: after(value.was, { node: before, why }) };
}

function after(was: Replaced | undefined, older: Replaced): Replaced {
  if (was === undefined) return older;
  return { why: was.why, node: { ...was.node, was: after(was.node.was, older) } };
}

/** The entry of a mapping; undefined when the node is no mapping or has no such entry. */
export function get(node: Node | undefined, key: string): Node | undefined {
  return node?.kind === 'map' ? node.entries.get(key) : undefined;
}

/** The node when it is a mapping. */
export function asMap(node: Node | undefined): MapNode | undefined {
  return node?.kind === 'map' ? node : undefined;
}

/** The node when it is a list. */
export function asList(node: Node | undefined): ListNode | undefined {
  return node?.kind === 'list' ? node : undefined;
}

/** The text of a string scalar. */
export function textOf(node: Node | undefined): string | undefined {
  return node?.kind === 'scalar' && typeof node.value === 'string' ? node.value : undefined;
}

export function isNull(node: Node): boolean {
  return node.kind === 'scalar' && node.value === null;
}

/** A copy whose containers can be changed without changing the original. */
export function clone(node: Node): Node {
  if (node.kind === 'scalar') return { ...node };
  if (node.kind === 'list') return list(node.items.map(clone), node);
  const entries = new Map<string, Node>();
  for (const [key, value] of node.entries) entries.set(key, clone(value));
  return map(entries, node);
}

/** How many values a tree has. */
export function sizeOf(node: Node): number {
  let size = 1;
  if (node.kind === 'list') for (const item of node.items) size += sizeOf(item);
  else if (node.kind === 'map') for (const value of node.entries.values()) size += sizeOf(value);
  return size;
}

/** The value as plain data, for the validator and the printers; in extensions dates are text, elsewhere Dates. */
export function plain(node: Node, inExtension = false): unknown {
  if (node.kind === 'scalar') return plainScalar(node, inExtension);
  if (node.kind === 'list') return node.items.map((item) => plain(item, inExtension));
  const result: Record<string, unknown> = {};
  for (const [key, value] of node.entries)
    setKey(result, key, plain(value, inExtension || key.startsWith('x-')));
  return result;
}

function plainScalar({ type, value }: ScalarNode, inExtension: boolean): unknown {
  if (typeof value === 'bigint') return Number(value);
  if (type !== 'timestamp') return value;
  // What Go reads as a date and JavaScript does not is the epoch: only its being a date matters.
  const iso = String(value)
    .replace(/^(\d+-\d+-\d+) /, '$1T')
    .replace(/(:\d\d(?:\.\d+)?)$/, '$1Z');
  const date = Number.isNaN(Date.parse(iso)) ? new Date(0) : new Date(iso);
  return inExtension ? date.toISOString().replace('.000Z', 'Z') : date;
}

/** Sets a key that comes from a file, `__proto__` included. */
export function setKey(target: Record<string, unknown>, key: string, value: unknown): void {
  if (key !== '__proto__') target[key] = value;
  else Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true });
}

/** Whether two trees hold the same data, whatever their places. */
export function equal(a: Node, b: Node): boolean {
  if (a.kind === 'scalar') return b.kind === 'scalar' && a.value === b.value;
  if (a.kind === 'list') {
    return (
      b.kind === 'list' &&
      a.items.length === b.items.length &&
      a.items.every((item, i) => same(item, b.items[i]))
    );
  }
  if (b.kind !== 'map' || a.entries.size !== b.entries.size) return false;
  for (const [key, value] of a.entries) if (!same(value, b.entries.get(key))) return false;
  return true;
}

function same(a: Node, b: Node | undefined): boolean {
  return b !== undefined && equal(a, b);
}

/** The node that a path of keys and indices leads to. */
export function nodeAt(root: Node, path: readonly (string | number)[]): Node | undefined {
  let node: Node | undefined = root;
  for (const step of path) {
    if (node === undefined || node.kind === 'scalar') return undefined;
    node = node.kind === 'list' ? node.items[Number(step)] : node.entries.get(String(step));
  }
  return node;
}

/** The place of the deepest part of a path that is written somewhere. */
export function placeOf(model: Node, path: readonly (string | number)[]): Position | undefined {
  for (let length = path.length; length > 0; length--) {
    const node = nodeAt(model, path.slice(0, length));
    const at = node?.kind === 'map' ? keyPositionOf(node) : positionOf(node);
    if (at !== undefined) return at;
  }
  return undefined;
}

/** The keys and indices of a dotted path such as `services.web.ports[0]`, as far as the tree knows them. */
export function parsePath(root: Node, path: string): (string | number)[] | undefined {
  if (path === '') return [];
  if (root.kind === 'list') {
    const index = /^\[?(\d+)\]?(?:\.|(?=\[)|$)/.exec(path);
    const item = index === null ? undefined : root.items[Number(index[1])];
    if (index === null || item === undefined) return undefined;
    const rest = parsePath(item, path.slice(index[0].length));
    return rest === undefined ? undefined : [Number(index[1]), ...rest];
  }
  if (root.kind !== 'map') return undefined;
  // A key may contain dots: the longest one that fits is meant.
  for (
    let end = path.length;
    end > 0;
    end = Math.max(path.lastIndexOf('.', end - 1), path.lastIndexOf('[', end - 1))
  ) {
    const key = path.slice(0, end);
    const value = root.entries.get(key);
    if (value === undefined) continue;
    const rest = parsePath(value, path.slice(path[end] === '.' ? end + 1 : end));
    if (rest !== undefined) return [key, ...rest];
  }
  return undefined;
}

/** Keys and indices as a dotted path, for messages. */
export function joinPath(path: readonly (string | number)[]): string {
  let result = '';
  for (const step of path) {
    if (typeof step === 'number') result += `[${step}]`;
    else result += result === '' ? step : `.${step}`;
  }
  return result;
}

/** The text of a scalar, for keys that are made of several values. */
export function joinNode(node: Node | undefined): string {
  return node?.kind === 'scalar' ? String(node.value) : '';
}
