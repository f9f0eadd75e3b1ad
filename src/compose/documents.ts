// Files → one model: parse, interpolate, long forms, extends, include, merge and schema, document by document.

import { ComposeError } from '../errors.ts';
import { listNote, toCanonical } from './canonical.ts';
import type { Environment } from './environment.ts';
import { applyExtends, type Place } from './extends.ts';
import { applyInclude } from './include.ts';
import { interpolate } from './interpolate.ts';
import { convertFirstFormat } from './legacy.ts';
import { dropMarks, mergeDocuments, removeRepeats } from './merge.ts';
import { checkModel, fillConditions, fillDefaults } from './model.ts';
import { resolvePaths } from './paths.ts';
import { readText } from './read.ts';
import { makeReport, type Report } from './report.ts';
import { validateDocument } from './schema.ts';
import { parseSource } from './source.ts';
import {
  get,
  joinPath,
  keyPositionOf,
  type MapNode,
  map,
  type Node,
  nodeAt,
  plain,
  positionOf,
  scalar,
  textOf,
} from './tree.ts';
import { unsetHints } from './unset.ts';

/** A file to load; `text` when it was read already. */
export interface InputFile {
  readonly path: string;
  readonly text?: string;
  /** The value that names the file, when a file does. */
  readonly node?: Node;
  /** What the text holds, once it was parsed. */
  documents?: readonly Node[];
}

/** The documents of a file, parsed once; throws what is wrong with its syntax. */
export function parseInput(file: InputFile, report: Report): readonly Node[] {
  if (file.documents === undefined) {
    const content = file.text ?? readText(file.path, 'file', positionOf(file.node));
    file.documents = parseSource(file.path, content, report);
    report.finish();
  }
  return file.documents;
}

/** What loading a set of files depends on, the same for all of one include. */
export interface Scope {
  readonly report: Report;
  /** Mistakes in short forms; they are told together with those that the schema finds. */
  readonly shapes: Report;
  /** Absolute project directory of these files. */
  readonly directory: string;
  /** What their relative paths are joined to. */
  readonly base: string;
  readonly environment: Environment;
  readonly home: string | undefined;
  readonly interpolate: boolean;
  readonly resolvePaths: boolean;
  /** Whether files are of the first format; those that such a file extends are too. */
  legacy: boolean;
  /** What the whole load may still take. */
  readonly budget: Budget;
  /** Services of files named by `extends`, by absolute path. */
  readonly extendedFiles: Map<string, Place>;
  readonly refuseRemote: (path: string, node: Node | undefined) => void;
  readonly readForExtends: (path: string, node: Node | undefined) => MapNode;
  readonly loadIncluded: (files: readonly InputFile[], part: IncludedPart) => MapNode;
}

/** Limits that hold for all files of a project together, because files can ask for each other many times over. */
export interface Budget {
  files: number;
  /** Values that `extends` copies. */
  copies: number;
}

/** The budget of one load. */
export function makeBudget(): Budget {
  return { files: maxFiles, copies: maxCopies };
}

export interface IncludedPart {
  readonly directory: string;
  readonly base: string;
  readonly environment: Environment;
  readonly included: readonly string[];
}

export type ScopeOptions = Pick<
  Scope,
  | 'report'
  | 'directory'
  | 'base'
  | 'environment'
  | 'home'
  | 'interpolate'
  | 'resolvePaths'
  | 'legacy'
  | 'budget'
>;

const maxIncludes = 100;
const maxFiles = 1000;
const maxCopies = 500_000;

/** A scope for a set of files. */
export function makeScope(options: ScopeOptions): Scope {
  const scope: Scope = {
    ...options,
    shapes: makeReport(),
    extendedFiles: new Map(),
    refuseRemote: (path, node) => refuseRemote(path, node),
    readForExtends: (path, node) => readForExtends(path, node, scope),
    loadIncluded: (files, part) => {
      const { included, ...rest } = part;
      const inner = makeScope({ ...options, ...rest, resolvePaths: true });
      return loadFiles(files, inner, included);
    },
  };
  return scope;
}

/** Throws for addresses of files that are not on this machine. */
export function refuseRemote(path: string, node?: Node): void {
  if (!/^(?:oci:\/\/|https?:\/\/|git:\/\/|ssh:\/\/|git@|github\.com\/)/.test(path)) return;
  const at = positionOf(node);
  throw new ComposeError('unsupported', `cannot load ${path}: remote compose files are not supported`, {
    ...(at === undefined ? {} : { at }),
    hint: 'only files on this machine can be loaded: clone or download the project and name the local file',
  });
}

/** Loads files over each other into one model, checked and with absolute (or re-based) paths. */
export function loadFiles(files: readonly InputFile[], scope: Scope, included: readonly string[]): MapNode {
  if (included.length > maxIncludes) {
    throw new ComposeError('input-limit', `include goes more than ${maxIncludes} files deep`);
  }
  let model = map(new Map());
  let seen = included;
  for (const file of files) {
    seen = [...seen, file.path];
    for (const document of readDocuments(file, scope)) {
      prepare(document, file.path, scope);
      applyExtends(document, file.path, scope);
      scope.report.finish();
      applyInclude(document, scope, seen);
      model = mergeDocuments(model, document, scope.report);
      removeRepeats(model, scope.report);
      dropMarks(model);
      validate(model, file.path, scope);
      warnVersion(model, scope);
    }
  }
  fillDefaults(model);
  checkModel(model, scope.report);
  scope.report.finish();
  if (scope.resolvePaths) resolvePaths(model, { base: scope.base, home: scope.home });
  if (scope.interpolate) resolveBare(model, scope.environment);
  return model;
}

function readDocuments(file: InputFile, scope: Scope): MapNode[] {
  scope.budget.files -= 1;
  if (scope.budget.files < 0) {
    throw new ComposeError('input-limit', `include and extends name more than ${maxFiles} files`);
  }
  const documents = parseInput(file, scope.report);
  const maps = documents.filter((document) => document.kind === 'map');
  const other = documents.find((document) => document.kind !== 'map');
  if (other !== undefined) {
    scope.report.error('wrong-type', `${file.path}: the top level must be a mapping`, { node: other });
    scope.report.finish();
  }
  return maps.map((document) => convertFirstFormat(document, file.path, scope));
}

/** Variables and long forms, in place. Errors in long forms wait for those of the schema. */
function prepare(document: MapNode, file: string, scope: Scope): void {
  const { environment, report } = scope;
  if (scope.interpolate) {
    const lookup = (name: string): string | undefined => environment.get(name)?.value;
    const unsetHint = unsetHints(environment, { root: document, directory: scope.directory });
    interpolate(document, { lookup, report, unsetHint });
  }
  const isBroken = report.failed;
  report.settle();
  toCanonical(document, scope.shapes, !scope.interpolate);
  if (!isBroken) return;
  // Where variables are wrong no other file can be trusted to be the right one, but this one can be checked.
  dropMarks(document);
  validate(document, file, scope);
}

function readForExtends(path: string, node: Node | undefined, scope: Scope): MapNode {
  let model = map(new Map());
  for (const document of readDocuments(node === undefined ? { path } : { path, node }, scope)) {
    prepare(document, path, scope);
    model = mergeDocuments(model, document, scope.report);
  }
  removeRepeats(model, scope.report);
  scope.report.finish();
  // Such a file is not checked by itself, so that what it leaves out has to be filled in here.
  fillConditions(model);
  return model;
}

function validate(model: MapNode, file: string, scope: Scope): void {
  scope.shapes.moveTo(scope.report);
  for (const issue of validateDocument(plain(model))) {
    const node = nodeAt(model, issue.path);
    // The reference takes `=value` in a list, where it looks at no names.
    const owner = issue.path.at(-1) === '' ? nodeAt(model, issue.path.slice(0, -1)) : undefined;
    if (owner?.note === listNote) continue;
    const at = issue.onKey === true ? keyPositionOf(node) : positionOf(node);
    const path = joinPath(issue.path);
    const message = path === '' || issue.message.includes(path) ? issue.message : `${path}: ${issue.message}`;
    scope.report.error(issue.code, message, {
      at: at ?? { file, line: 1, column: 1 },
      path: issue.path,
      hint: issue.hint,
    });
  }
  scope.report.finish();
}

function warnVersion(model: MapNode, scope: Scope): void {
  const version = model.entries.get('version');
  if (version === undefined) return;
  model.entries.delete('version');
  const message = 'the attribute `version` is obsolete and ignored';
  const hint = 'remove it to avoid confusion';
  scope.report.warn('deprecated', message, { at: keyPositionOf(version), path: ['version'], hint });
}

/** Fills in variables that lists name without a value, from the environment of their files. */
function resolveBare(model: MapNode, environment: Environment): void {
  for (const section of ['services', 'jobs']) {
    const services = model.entries.get(section);
    if (services?.kind !== 'map') continue;
    for (const service of services.entries.values()) {
      const variables = get(service, 'environment');
      if (variables?.kind !== 'map') continue;
      for (const [name, node] of variables.entries) {
        const variable = node.kind === 'scalar' && node.type === 'bare' ? environment.get(name) : undefined;
        if (variable !== undefined) variables.entries.set(name, fromEnvironment(variable.value, name, node));
      }
    }
  }
  for (const section of ['secrets', 'configs']) resolveContent(model.entries.get(section), environment);
}

function fromEnvironment(value: string, name: string, like: Node): Node {
  return { ...scalar(value, 'string', like), note: `from the variable ${name}` };
}

/** Secrets and configs that come from a variable get its value as content. */
function resolveContent(section: Node | undefined, environment: Environment): void {
  if (section?.kind !== 'map') return;
  for (const object of section.entries.values()) {
    const source = get(object, 'environment');
    const name = textOf(source);
    const variable = name === undefined ? undefined : environment.get(name);
    if (object.kind !== 'map' || source === undefined || name === undefined || variable === undefined)
      continue;
    object.entries.set('content', fromEnvironment(variable.value, name, source));
  }
}
