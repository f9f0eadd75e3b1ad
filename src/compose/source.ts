// YAML text → trees with positions. A parser for common YAML does most files; `yaml` does the rest and words errors.
import { createRequire } from 'node:module';
import type { CST, ParsedNode, YAMLParseError, Pair as YamlPair } from 'yaml';
import { ComposeError } from '../errors.ts';
import {
  type Assembly,
  assembleAlias,
  assembleList,
  assembleMap,
  assembleScalar,
  beginDocument,
  emptyAt,
  finishNode,
  inside,
  maxDepth,
  type Pair,
  tooDeep,
} from './assemble.ts';
import { parseCommon } from './parse.ts';
import type { Report } from './report.ts';
import { explainSyntax } from './syntax.ts';
import { makeSource, type Node, type Source, type Span, scalar } from './tree.ts';

// biome-ignore lint/suspicious/noControlCharactersInRegex: YAML allows no others
const controlCharacter = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/;

/** Reads every document of a YAML text; what is wrong with it goes to the report. */
export function parseSource(name: string, content: string, report: Report): readonly Node[] {
  // Places count lines and columns, which do not change with the kind of line break.
  const text = (content.charCodeAt(0) === 0xfeff ? content.slice(1) : content).replaceAll('\r\n', '\n');
  const source = makeSource(name, text);
  const control = text.search(controlCharacter);
  if (control >= 0) {
    const at = source.position(control, control + 1);
    report.error('yaml-syntax', 'control characters are not allowed', { at });
    report.finish();
  }
  const common = parseCommon(source, report);
  if ('documents' in common) return common.documents;
  if (text.length > maxUncommon) throw tooLarge(source, common.unusualAt);
  return parseAny(source, report);
}

/** Longest text that the package gets, in UTF-16 units: it takes its time, and a hundred bytes for each. */
const maxUncommon = 1024 * 1024;

function tooLarge(source: Source, unusualAt: number): ComposeError {
  const at = source.position(unusualAt, unusualAt + 1);
  const message = `${source.name} is larger than 1 MiB, and from here on its YAML is wrong or too unusual for that size`;
  return new ComposeError('input-limit', message, {
    ...(at === undefined ? {} : { at }),
    hint: 'look for a quote or bracket that is not closed, or split the file and `include` its parts',
  });
}

/** The plain data of a text that is no Compose file. */
export function plainYaml(text: string): unknown {
  return loadYaml().parse(text);
}

/** The `yaml` package takes longer to load than most files take to read: it waits until it is needed. */
function loadYaml(): typeof import('yaml') {
  return createRequire(import.meta.url)('yaml') as typeof import('yaml');
}

const options = {
  schema: 'failsafe',
  merge: false,
  uniqueKeys: false,
  prettyErrors: false,
  keepSourceTokens: false,
  logLevel: 'silent',
} as const;

/** Reads any YAML. */
export function parseAny(source: Source, report: Report): readonly Node[] {
  const yaml = loadYaml();
  const tokens = [...new yaml.Parser().parse(source.text)];
  // The package composes by recursion, and V8 ends the process when an expression is compiled at the end of the stack.
  const deep = tooDeepToken(tokens);
  if (deep !== undefined) {
    const span = { source, start: deep, end: deep + 1 };
    return [tooDeep(span, beginDocument(source, report))];
  }
  const documents = [...new yaml.Composer(options).compose(tokens)];
  const [error] = documents.flatMap((document) => document.errors);
  if (error !== undefined) reportSyntax(error, tokens, source, report);
  report.finish();
  let assembly: Assembly | undefined;
  return documents.map(({ contents }) => {
    if (contents === null) return scalar(null, 'null');
    assembly = beginDocument(source, report, assembly);
    return new Walk(yaml, assembly).node(contents, 0);
  });
}

/** Quotes and brackets that are not closed are shown where they open: the package only notices where the text ends. */
function reportSyntax(
  error: YAMLParseError,
  tokens: readonly CST.Token[],
  source: Source,
  report: Report,
): void {
  const open = /must.* end with|missing closing/i.test(error.message)
    ? findOpen(tokens, error.pos[0])
    : undefined;
  if (open !== undefined) {
    const at = source.position(open, open + 1);
    const message = `the ${source.text.charAt(open)} that stands here is not closed`;
    report.error('yaml-syntax', message, {
      at,
      hint: 'close it, or quote the value when the sign is meant as such',
    });
    return;
  }
  const { message, start, end, hint } = explainSyntax(error.message.trim(), source.text, error.pos);
  report.error('yaml-syntax', message, { at: source.position(start, end), hint });
}

/** Where the innermost quote or bracket opens that is not closed at a place. */
function findOpen(tokens: readonly CST.Token[], at: number): number | undefined {
  const opens: number[] = [];
  for (let level = tokens; level.length > 0; level = level.flatMap(childTokens)) {
    for (const token of level) if (token.offset < at && isOpen(token, at)) opens.push(token.offset);
  }
  return opens.length === 0 ? undefined : Math.max(...opens);
}

function isOpen(token: CST.Token, at: number): boolean {
  if (token.type === 'flow-collection') {
    const end = token.start.source === '[' ? 'flow-seq-end' : 'flow-map-end';
    return !token.end.some(({ type }) => type === end);
  }
  const isQuoted = token.type === 'double-quoted-scalar' || token.type === 'single-quoted-scalar';
  return isQuoted && token.offset + token.source.length === at;
}

/** Where the first token stands that is nested too deeply. */
function tooDeepToken(tokens: readonly CST.Token[]): number | undefined {
  let level: readonly CST.Token[] = tokens;
  for (let depth = 0; level.length > 0; depth++) {
    // A document is a level too.
    if (depth > maxDepth + 1) return level[0]?.offset;
    level = level.flatMap(childTokens);
  }
  return undefined;
}

function childTokens(token: CST.Token): CST.Token[] {
  if (token.type === 'document') return token.value === undefined ? [] : [token.value];
  if (!('items' in token)) return [];
  return token.items.flatMap(({ key, value }) =>
    [key, value].filter((child) => child !== undefined && child !== null),
  );
}

/** Goes through what `yaml` parsed. */
class Walk {
  readonly #yaml: typeof import('yaml');
  readonly #assembly: Assembly;

  constructor(yaml: typeof import('yaml'), assembly: Assembly) {
    this.#yaml = yaml;
    this.#assembly = assembly;
  }

  node(node: ParsedNode, depth: number): Node {
    const span = this.#span(node);
    if (depth > maxDepth) return tooDeep(span, this.#assembly);
    if (this.#yaml.isAlias(node)) return assembleAlias(node.source, span, this.#assembly);
    if (node.anchor !== undefined) this.#assembly.anchors.set(node.anchor, 'open');
    return finishNode(this.#value(node, span, depth), node.tag, node.anchor, this.#assembly);
  }

  #value(node: ParsedNode, span: Span, depth: number): Node {
    const { isMap, isScalar, isSeq } = this.#yaml;
    if (isScalar(node)) {
      const text = typeof node.value === 'string' ? node.value : '';
      return assembleScalar({ text, isPlain: node.type === 'PLAIN', tag: node.tag, span }, this.#assembly);
    }
    if (isSeq(node)) {
      const items = node.items as ParsedNode[];
      const nodes = items.map((item, index) =>
        inside(this.#assembly, index, () => this.node(item, depth + 1)),
      );
      return assembleList(nodes, span, this.#assembly);
    }
    const pairs = isMap(node) ? (node.items as YamlPair<ParsedNode, ParsedNode | null>[]) : [];
    return assembleMap(
      pairs.map((pair) => this.#pair(pair, depth)),
      span,
      this.#assembly,
    );
  }

  #pair(pair: YamlPair<ParsedNode, ParsedNode | null>, depth: number): Pair {
    const { key: written, value } = pair;
    const key = this.node(written, depth + 1);
    const isPlain = this.#yaml.isScalar(written) && written.type === 'PLAIN';
    const step = key.kind === 'scalar' ? String(key.value) : '?';
    const span = this.#span(written);
    const read = (): Node =>
      value === null || this.#isNothing(value) ? emptyAt(span) : this.node(value, depth + 1);
    return { key, isMergeKey: isPlain && step === '<<', value: inside(this.#assembly, step, read) };
  }

  /** A value that takes no text is shown at its key. */
  #isNothing(value: ParsedNode): boolean {
    const isBare = value.anchor === undefined && value.tag === undefined;
    return isBare && this.#yaml.isScalar(value) && value.type === 'PLAIN' && value.source === '';
  }

  #span(node: ParsedNode): Span {
    return { source: this.#assembly.source, start: node.range[0], end: node.range[1] };
  }
}
