// The part of Go's templates that --format is used with: fields, pipelines, functions, if, range, with.
import { ComposeError } from '../errors.ts';

/** Renders one value; compile once, render for every row. */
export type Template = (value: unknown) => string;

/** Compiles a template; throws `usage` that says what is wrong with it. */
export function compileTemplate(text: string): Template {
  const tokens = tokenize(text);
  const { nodes, next } = parseNodes(tokens, 0, []);
  if (next < tokens.length) throw bad(`unexpected {{${tokens[next]?.text}}}`);
  return (value) => renderNodes(nodes, { dot: value, root: value });
}

/** Names of the fields that a template shows, for the header of a table. */
export function templateFields(text: string): string[] {
  return [...text.matchAll(/\{\{[^}]*?\.([A-Za-z]\w*)(?:\s+"([^"]*)")?[^}]*\}\}/g)].map(
    ([, name, argument]) => (argument === undefined ? (name ?? '') : argument),
  );
}

interface Token {
  readonly kind: 'text' | 'action';
  readonly text: string;
}

type Node =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'value'; readonly pipeline: Pipeline }
  | {
      readonly kind: 'if' | 'range' | 'with';
      readonly pipeline: Pipeline;
      readonly body: readonly Node[];
      readonly otherwise: readonly Node[];
    };

type Term =
  | { readonly kind: 'path'; readonly from: 'dot' | 'root'; readonly names: readonly string[] }
  | { readonly kind: 'literal'; readonly value: unknown }
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'group'; readonly pipeline: Pipeline };

/** Calls, each of which gets the result of the one before as its last argument. */
type Pipeline = readonly (readonly Term[])[];

interface Scope {
  readonly dot: unknown;
  readonly root: unknown;
}

function bad(message: string): ComposeError {
  return new ComposeError('usage', `--format: ${message}`);
}

function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  const plain = withEscapes(text);
  let at = 0;
  for (const match of plain.matchAll(/\{\{(-\s)?((?:"(?:\\.|[^"\\])*"|`[^`]*`|[^"`])*?)(\s-)?\}\}/g)) {
    const before = plain.slice(at, match.index);
    tokens.push({ kind: 'text', text: match[1] ? before.trimEnd() : before });
    tokens.push({ kind: 'action', text: (match[2] ?? '').trim() });
    at = match.index + match[0].length;
    if (match[3]) at += plain.slice(at).length - plain.slice(at).trimStart().length;
  }
  const rest = plain.slice(at);
  if (rest.includes('{{')) throw bad('an action is not closed by }}');
  return [...tokens, { kind: 'text', text: rest }];
}

/** Shells leave \t and \n as two characters. */
function withEscapes(text: string): string {
  return text.replaceAll('\\t', '\t').replaceAll('\\n', '\n');
}

function parseNodes(tokens: readonly Token[], from: number, until: readonly string[]) {
  const nodes: Node[] = [];
  let at = from;
  while (at < tokens.length) {
    const token = tokens[at];
    if (token === undefined) break;
    const [word = '', ...rest] = token.text.split(/\s+/);
    if (token.kind === 'text') {
      if (token.text) nodes.push({ kind: 'text', text: token.text });
      at++;
    } else if (until.includes(word)) {
      return { nodes, next: at, stop: word };
    } else if (word === 'if' || word === 'range' || word === 'with') {
      const block = parseBlock(tokens, at, word, rest.join(' '));
      nodes.push(block.node);
      at = block.next;
    } else if (word === 'end' || word === 'else') {
      throw bad(`{{${word}}} without a beginning`);
    } else {
      if (!token.text.startsWith('/*')) nodes.push({ kind: 'value', pipeline: parsePipeline(token.text) });
      at++;
    }
  }
  if (until.length > 0) throw bad('a block is not closed by {{end}}');
  return { nodes, next: at, stop: '' };
}

function parseBlock(tokens: readonly Token[], at: number, kind: 'if' | 'range' | 'with', condition: string) {
  const body = parseNodes(tokens, at + 1, ['end', 'else']);
  const pipeline = parsePipeline(condition);
  const make = (otherwise: readonly Node[]): Node => ({ kind, pipeline, body: body.nodes, otherwise });
  if (body.stop === 'end') return { node: make([]), next: body.next + 1 };
  const chained = tokens[body.next]?.text.match(/^else\s+if\s+(.*)$/s);
  if (chained) {
    const inner: { node: Node; next: number } = parseBlock(tokens, body.next, 'if', chained[1] ?? '');
    return { node: make([inner.node]), next: inner.next };
  }
  const otherwise = parseNodes(tokens, body.next + 1, ['end']);
  return { node: make(otherwise.nodes), next: otherwise.next + 1 };
}

const TERM =
  /\s*(?:("(?:\\.|[^"\\])*")|`([^`]*)`|(-?\d+(?:\.\d+)?)|(\$?(?:\.[A-Za-z_]\w*)+|\$|\.)|([A-Za-z_]\w*)|(\()|(\))|(\|))/y;

function parsePipeline(text: string): Pipeline {
  const { pipeline, end } = parseCalls(text, 0, false);
  if (text.slice(end).trim()) throw bad(`cannot read ${JSON.stringify(text)}`);
  return pipeline;
}

function parseCalls(text: string, from: number, grouped: boolean): { pipeline: Pipeline; end: number } {
  const calls: Term[][] = [[]];
  let at = from;
  for (;;) {
    TERM.lastIndex = at;
    const match = TERM.exec(text);
    if (!match) break;
    at = TERM.lastIndex;
    if (match[7]) {
      if (!grouped) throw bad(`a ) too many in ${JSON.stringify(text)}`);
      break;
    }
    if (match[8]) calls.push([]);
    else if (match[6]) {
      const group = parseCalls(text, at, true);
      calls.at(-1)?.push({ kind: 'group', pipeline: group.pipeline });
      at = group.end;
    } else calls.at(-1)?.push(termOf(match));
  }
  if (calls.some((call) => call.length === 0)) throw bad(`nothing to show in ${JSON.stringify(text)}`);
  return { pipeline: calls, end: at };
}

function termOf(match: RegExpExecArray): Term {
  const [, quoted, raw, number, path, name] = match;
  if (quoted !== undefined) return { kind: 'literal', value: JSON.parse(quoted) };
  if (raw !== undefined) return { kind: 'literal', value: raw };
  if (number !== undefined) return { kind: 'literal', value: Number(number) };
  if (path !== undefined) {
    const names = path.replace(/^\$/, '').split('.').filter(Boolean);
    return { kind: 'path', from: path.startsWith('$') ? 'root' : 'dot', names };
  }
  if (name === 'true' || name === 'false') return { kind: 'literal', value: name === 'true' };
  return { kind: 'name', name: name ?? '' };
}

function renderNodes(nodes: readonly Node[], scope: Scope): string {
  return nodes.map((node) => renderNode(node, scope)).join('');
}

function renderNode(node: Node, scope: Scope): string {
  if (node.kind === 'text') return node.text;
  const value = evaluate(node.pipeline, scope);
  switch (node.kind) {
    case 'value':
      return show(value);
    case 'if':
      return renderNodes(isTruthy(value) ? node.body : node.otherwise, scope);
    case 'with':
      if (!isTruthy(value)) return renderNodes(node.otherwise, scope);
      return renderNodes(node.body, { ...scope, dot: value });
    case 'range':
      if (!isTruthy(value)) return renderNodes(node.otherwise, scope);
      return elements(value)
        .map((dot) => renderNodes(node.body, { ...scope, dot }))
        .join('');
  }
}

function evaluate(pipeline: Pipeline, scope: Scope): unknown {
  let result: unknown;
  pipeline.forEach((call, index) => {
    const piped = index === 0 ? [] : [result];
    result = evaluateCall(call, piped, scope);
  });
  return result;
}

function evaluateCall(call: readonly Term[], piped: readonly unknown[], scope: Scope): unknown {
  const [head, ...rest] = call;
  if (head === undefined) return undefined;
  const args = [...rest.map((term) => evaluateTerm(term, scope)), ...piped];
  if (head.kind === 'name') return callFunction(head.name, args);
  const value = evaluateTerm(head, scope);
  if (typeof value === 'function') return value(...args);
  if (args.length > 0) throw bad('only functions take arguments');
  return value;
}

function evaluateTerm(term: Term, scope: Scope): unknown {
  switch (term.kind) {
    case 'literal':
      return term.value;
    case 'group':
      return evaluate(term.pipeline, scope);
    case 'name':
      return callFunction(term.name, []);
    case 'path':
      return term.names.reduce(field, term.from === 'root' ? scope.root : scope.dot);
  }
}

function field(value: unknown, name: string): unknown {
  if (typeof value === 'object' && value !== null) {
    const found = Object.entries(value).find(([key]) => key === name);
    if (found) return found[1];
    if (!Array.isArray(value)) throw bad(`there is no field .${name}`);
  }
  throw bad(`.${name} of ${show(value)} cannot be shown`);
}

type Callable = (...args: readonly unknown[]) => unknown;

const FUNCTIONS: ReadonlyMap<string, Callable> = new Map<string, Callable>([
  ['json', (value) => JSON.stringify(value)],
  ['upper', (value) => show(value).toUpperCase()],
  ['lower', (value) => show(value).toLowerCase()],
  ['title', (value) => show(value).replace(/\b\w/g, (letter) => letter.toUpperCase())],
  ['join', (value, separator) => elements(value).map(show).join(show(separator))],
  ['split', (value, separator) => show(value).split(show(separator))],
  ['truncate', (value, length) => show(value).slice(0, Number(length))],
  ['pad', (value, before, after) => ' '.repeat(Number(before)) + show(value) + ' '.repeat(Number(after))],
  ['println', (...values) => `${values.map(show).join(' ')}\n`],
  ['print', (...values) => values.map(show).join('')],
  ['len', (value) => (typeof value === 'string' ? value.length : elements(value).length)],
  ['index', (value, ...keys) => keys.reduce(item, value)],
  ['not', (value) => !isTruthy(value)],
  ['and', (...values) => values.find((value) => !isTruthy(value)) ?? values.at(-1)],
  ['or', (...values) => values.find(isTruthy) ?? values.at(-1)],
  ['eq', (first, ...others) => others.some((other) => show(first) === show(other))],
  ['ne', (first, second) => show(first) !== show(second)],
]);

function callFunction(name: string, args: readonly unknown[]): unknown {
  const callable = FUNCTIONS.get(name);
  if (!callable) throw bad(`there is no function ${name}; there are ${[...FUNCTIONS.keys()].join(', ')}`);
  return callable(...args);
}

function item(value: unknown, key: unknown): unknown {
  if (Array.isArray(value)) return value[Number(key)];
  if (typeof value !== 'object' || value === null) return undefined;
  return Object.entries(value).find(([name]) => name === key)?.[1];
}

function elements(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value;
  return typeof value === 'object' && value !== null ? Object.values(value) : [];
}

function isTruthy(value: unknown): boolean {
  if (Array.isArray(value)) return value.length > 0;
  if (typeof value === 'object' && value !== null) return Object.keys(value).length > 0;
  return Boolean(value);
}

function show(value: unknown): string {
  if (value === undefined || value === null) return '';
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}
