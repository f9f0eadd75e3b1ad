// `include`: other projects' files, loaded with a directory and an environment of their own.
import { statSync } from 'node:fs';
import { dirname, isAbsolute, join, relative } from 'node:path';
import type { Scope } from './documents.ts';
import { withEnvFiles } from './environment.ts';
import { asMap, equal, get, type MapNode, map, type Node, textOf } from './tree.ts';

const sections = ['services', 'jobs', 'volumes', 'networks', 'secrets', 'configs', 'models'];

interface Include {
  readonly node: Node;
  readonly paths: readonly Node[];
  readonly directory: string | undefined;
  readonly envFiles: readonly Node[];
}

/** Loads what a document includes and puts it into the document; redefinitions are conflicts. */
export function applyInclude(document: MapNode, scope: Scope, included: readonly string[]): void {
  const includes = document.entries.get('include');
  if (includes === undefined) return;
  document.entries.delete('include');
  for (const include of readIncludes(includes, scope)) {
    const model = loadInclude(include, scope, included);
    for (const section of sections) importSection(model, document, section, scope);
  }
  scope.report.finish();
}

function readIncludes(node: Node, scope: Scope): Include[] {
  if (node.kind !== 'list') {
    if (node.kind === 'scalar' && node.value === null) return [];
    scope.report.error('wrong-type', '`include` must be a list', { node, path: ['include'] });
    scope.report.finish();
    return [];
  }
  return node.items.map((item, index) => {
    const path = item.kind === 'scalar' ? item : get(item, 'path');
    const paths = textsOf(path);
    if (paths.length === 0) {
      const message = `include[${index}] must be a path or a mapping with a path`;
      scope.report.error('wrong-type', message, { node: item, path: ['include', index] });
      scope.report.finish();
    }
    const directory = textOf(get(item, 'project_directory'));
    return {
      node: item,
      paths,
      directory: directory === '' ? undefined : directory,
      envFiles: textsOf(get(item, 'env_file')),
    };
  });
}

/** A string or a list of strings. */
function textsOf(node: Node | undefined): readonly Node[] {
  if (node === undefined) return [];
  const items = node.kind === 'list' ? node.items : [node];
  return items.every((item) => textOf(item) !== undefined) ? items : [];
}

function loadInclude(include: Include, scope: Scope, included: readonly string[]): MapNode {
  const files = include.paths.map((node) => {
    const path = textOf(node) ?? '';
    scope.refuseRemote(path, node);
    return { path: isAbsolute(path) ? path : join(scope.directory, path), node };
  });
  const main = files[0]?.path ?? '';
  refuseCycle(main, include.node, scope, included);
  const directory = projectDirectory(main, include, scope);
  const envFiles = envFilesOf(include, directory, scope);
  const environment = withEnvFiles(scope.environment, envFiles, scope.report);
  const base = relative(scope.directory, directory) || '.';
  return scope.loadIncluded(files, { directory, base, environment, included });
}

function refuseCycle(main: string, node: Node, scope: Scope, included: readonly string[]): void {
  if (!included.includes(main)) return;
  const [first, ...rest] = [...included, main];
  const ring = [first, ...rest.map((file) => `include ${file}`)].join('\n  ');
  scope.report.error('include', `include cycle detected:\n  ${ring}`, { node });
  scope.report.finish();
}

function projectDirectory(main: string, include: Include, scope: Scope): string {
  if (include.directory === undefined) return dirname(main);
  return isAbsolute(include.directory) ? include.directory : join(scope.directory, include.directory);
}

function envFilesOf(include: Include, directory: string, scope: Scope): string[] {
  if (include.envFiles.length === 0) {
    const file = join(directory, '.env');
    return statSync(file, { throwIfNoEntry: false })?.isDirectory() === false ? [file] : [];
  }
  return include.envFiles.map((node) => {
    const path = textOf(node) ?? '';
    const file = isAbsolute(path) ? path : join(scope.directory, path);
    const found = statSync(file, { throwIfNoEntry: false });
    if (found === undefined || found.isDirectory()) {
      const problem = found === undefined ? 'not found' : 'is a directory';
      scope.report.error('file-not-found', `env file ${file} ${problem}`, { node });
      scope.report.finish();
    }
    return file;
  });
}

function importSection(model: MapNode, document: MapNode, section: string, scope: Scope): void {
  const from = asMap(model.entries.get(section));
  if (from === undefined) return;
  const target = asMap(document.entries.get(section)) ?? map(new Map());
  document.entries.set(section, target);
  for (const [name, node] of from.entries) {
    const own = target.entries.get(name);
    if (own === undefined) target.entries.set(name, node);
    else if (!equal(own, node)) {
      const message = `${section}.${name} conflicts with imported resource`;
      scope.report.error('include', message, {
        node: own,
        path: [section, name],
        hint: 'change what is included in a second file given with -f, or in an override file',
      });
    }
  }
}
