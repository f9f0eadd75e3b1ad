// Why a variable is not set: a file that only containers get has it, its name is misspelt, or it was never meant as one.
import { readFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import type { Environment } from './environment.ts';
import { type ContainerFile, unsetVariableHint } from './hints.ts';
import { asMap, get, type Node, textOf } from './tree.ts';

/** The likely cure for a variable that is not set. */
export type UnsetHint = (name: string, isRequired?: boolean) => string;

/** Files that are larger are not searched for a name, in bytes. */
const maxSearched = 1024 * 1024;

/** Hints for the variables of a document; nothing is read before the first one is asked for. */
export function unsetHints(
  environment: Environment,
  document?: { readonly root: Node; readonly directory: string },
): UnsetHint {
  let files: readonly ContainerFile[] | undefined;
  return (name, isRequired = false) => {
    files ??= document === undefined ? [] : containerFiles(document.root, document.directory);
    const otherwise = isRequired ? 'set it in .env or in the shell' : undefined;
    return unsetVariableHint(name, [...environment.keys()], files, otherwise);
  };
}

function containerFiles(root: Node, directory: string): readonly ContainerFile[] {
  return ['services', 'jobs'].flatMap((section) =>
    [...(asMap(get(root, section))?.entries ?? [])].flatMap(([service, node]) =>
      envFilePaths(get(node, 'env_file')).flatMap((file) => {
        const names = namesIn(resolve(directory, file));
        return names === undefined ? [] : [{ service, file, names }];
      }),
    ),
  );
}

function envFilePaths(node: Node | undefined): readonly string[] {
  const items = node?.kind === 'list' ? node.items : [node];
  return items.flatMap((item) => textOf(item) ?? textOf(get(item, 'path')) ?? []);
}

/** The variables that a file sets, at a glance; undefined when there is no such file. */
function namesIn(path: string): ReadonlySet<string> | undefined {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (stat?.isFile() !== true || stat.size > maxSearched) return undefined;
  try {
    const settings = readFileSync(path, 'utf8').matchAll(
      /^[ \t]*(?:export[ \t]+)?([A-Za-z_]\w*)[ \t]*[=:]/gm,
    );
    return new Set([...settings].flatMap(([, name]) => name ?? []));
  } catch {
    return undefined;
  }
}
