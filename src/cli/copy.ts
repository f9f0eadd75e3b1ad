// Copies between a container and this machine, as a stream of tar from one side to the other.
import { basename, dirname, resolve } from 'node:path';
import { PACK_FLAGS } from '../../core/index.ts';
import type { Project } from '../compose/project.ts';
import { ComposeError } from '../errors.ts';
import { packTree, statInside, type TreeRoot, unpackTree } from '../images/trees.ts';
import type { Context } from '../state/context.ts';
import { writeArchive } from './archive-output.ts';
import { chooseContainer } from './choose.ts';
import type { CliContext } from './command.ts';
import { locate } from './container-files.ts';
import { existingProject } from './existing.ts';
import { projectContainers, type Sighting } from './rows.ts';

export interface CopyOptions {
  readonly source: string;
  readonly destination: string;
  readonly all: boolean;
  readonly keepOwners: boolean;
  readonly followLink: boolean;
  readonly index: number | undefined;
}

/** `SERVICE:PATH`; a path that begins with . or / is one of this machine. */
interface Place {
  readonly service: string | undefined;
  readonly path: string;
}

function placeOf(text: string): Place {
  const colon = text.indexOf(':');
  if (colon <= 0 || /^[./]/.test(text)) return { service: undefined, path: text };
  return { service: text.slice(0, colon), path: text.slice(colon + 1) };
}

/** Copies; ComposeError `usage`, `container-not-found`, `copy`. */
export async function copyFiles(context: CliContext, options: CopyOptions): Promise<void> {
  const from = placeOf(options.source);
  const to = placeOf(options.destination);
  if ((from.service === undefined) === (to.service === undefined))
    throw new ComposeError('usage', 'one of source and destination is in a container, written SERVICE:PATH');
  const service = from.service ?? to.service ?? '';
  const project = await existingProject(context, [service]);
  if (from.service !== undefined) {
    const found = await chooseContainer(context, project, { service, index: options.index, running: false });
    return copyOut(context, found, { from: from.path, to: to.path, options });
  }
  for (const found of await targets(context, project, { service, options }))
    await copyIn(context, found, { from: from.path, to: to.path, options });
}

interface Targets {
  readonly service: string;
  readonly options: CopyOptions;
}

/** A copy goes into every replica unless one is named. */
async function targets(
  context: CliContext,
  project: Project,
  { service, options }: Targets,
): Promise<readonly Sighting[]> {
  if (options.index !== undefined)
    return [await chooseContainer(context, project, { service, index: options.index, running: false })];
  const all = (await projectContainers(context, project.name)).filter(
    ({ record }) => record.service === service,
  );
  const wanted = all.filter(({ record }) => options.all || !record.oneoff);
  if (wanted.length > 0) return wanted;
  throw new ComposeError('container-not-found', `service "${service}" has no container`, {
    hint: '`tscompose ps -a` lists what there is',
  });
}

interface Copy {
  readonly from: string;
  readonly to: string;
  readonly options: CopyOptions;
}

async function copyOut(context: CliContext, found: Sighting, { from, to, options }: Copy): Promise<void> {
  const state = await context.state();
  const { root, path } = await locate(state, found, { path: absolute(from), writable: false });
  try {
    const source = describe(root, path, from);
    const flags = options.followLink || source.contentOnly ? PACK_FLAGS.follow : 0;
    if (to === '-') {
      const archive = packTree(state, { root: root.path, path, name: basename(path) || '.', flags });
      return await writeArchive(context, archive, undefined);
    }
    const target = aim({ path: '/', close: () => undefined }, resolve(to), { source, text: to });
    const archive = packTree(state, {
      root: root.path,
      path,
      name: target.name,
      flags: flags + contentFlags(source),
    });
    await unpackTree(state, archive, {
      root: '/',
      directory: target.directory,
      keepOwners: options.keepOwners,
    });
  } finally {
    root.close();
  }
}

async function copyIn(context: CliContext, found: Sighting, { from, to, options }: Copy): Promise<void> {
  const state = await context.state();
  const { root, path } = await locate(state, found, { path: absolute(to), writable: true });
  try {
    if (from === '-') return await copyStream(state, root, { path, to, options });
    const source = describe({ path: '', close: () => undefined }, resolve(from), from);
    const target = aim(root, path, { source, text: to });
    const flags = (options.followLink || source.contentOnly ? PACK_FLAGS.follow : 0) + contentFlags(source);
    const archive = packTree(state, { root: '/', path: resolve(from), name: target.name, flags });
    await unpackTree(state, archive, {
      root: root.path,
      directory: target.directory,
      keepOwners: options.keepOwners,
    });
  } finally {
    root.close();
  }
}

interface StreamCopy {
  readonly path: string;
  readonly to: string;
  readonly options: CopyOptions;
}

async function copyStream(state: Context, root: TreeRoot, { path, to, options }: StreamCopy): Promise<void> {
  const there = statInside(root.path, path);
  if (!there?.stat.isDirectory()) throw new ComposeError('copy', `${to} is no directory of the container`);
  const { decompress } = await import('../images/unpack.ts');
  await decompress(process.stdin, undefined, (archive) =>
    unpackTree(state, archive, { root: root.path, directory: there.path, keepOwners: options.keepOwners }),
  );
}

interface Source {
  readonly isDirectory: boolean;
  /** `DIR/.` means what is in it. */
  readonly contentOnly: boolean;
  readonly name: string;
}

function describe(root: TreeRoot, path: string, text: string): Source {
  const found = statInside(root.path, path);
  if (found === undefined) throw new ComposeError('copy', `there is no ${text}`);
  const isDirectory = found.stat.isDirectory();
  return { isDirectory, contentOnly: isDirectory && /(^|\/)\.$/.test(text), name: basename(path) };
}

function contentFlags({ contentOnly }: Source): number {
  return contentOnly ? PACK_FLAGS.noRoot : 0;
}

interface Aim {
  readonly source: Source;
  /** The destination as it was written. */
  readonly text: string;
}

/** Into which directory the archive goes, and what its first entry is called there. */
function aim(
  root: TreeRoot,
  path: string,
  { source, text }: Aim,
): { readonly directory: string; readonly name: string } {
  const base = root.path === '/' ? '' : root.path;
  const there = statInside(base, path);
  if (there?.stat.isDirectory())
    return { directory: there.path, name: source.contentOnly ? '' : source.name };
  if (there !== undefined && source.isDirectory)
    throw new ComposeError('copy', `cannot copy a directory to the file ${text}`);
  if (there === undefined && text.endsWith('/') && !source.isDirectory)
    throw new ComposeError('copy', `there is no directory ${text}`);
  const parent = statInside(base, dirname(there?.path ?? path));
  if (!parent?.stat.isDirectory()) throw new ComposeError('copy', `there is no directory ${dirname(path)}`);
  const name = basename(there?.path ?? path);
  return source.contentOnly
    ? { directory: `${parent.path}/${name}`, name: '' }
    : { directory: parent.path, name };
}

function absolute(path: string): string {
  return (
    `/${path}`
      .replace(/\/+/g, '/')
      .replace(/(.)\/$/, '$1')
      .replace(/\/\.$/, '') || '/'
  );
}
