// Which files make the project, where it lives, what it is called, and the variables it sees.
import { existsSync, realpathSync, statSync } from 'node:fs';
import { basename, dirname, isAbsolute, join, resolve } from 'node:path';
import { ComposeError } from '../errors.ts';
import { type InputFile, parseInput, refuseRemote } from './documents.ts';
import { type Environment, shellEnvironment, withEnvFiles } from './environment.ts';
import type { LoadOptions } from './load.ts';
import { limitText, readText } from './read.ts';
import type { Report } from './report.ts';
import { substitute, TemplateError } from './template.ts';
import { get, type Node, textOf } from './tree.ts';
import { unsetHints } from './unset.ts';

const fileNames = ['compose.yaml', 'compose.yml', 'docker-compose.yml', 'docker-compose.yaml'];
const overrideNames = [
  'compose.override.yml',
  'compose.override.yaml',
  'docker-compose.override.yml',
  'docker-compose.override.yaml',
];
/** Names from before there was Compose: only taken when no other file is found anywhere. */
const oldNames = ['fig.yml', 'fig.yaml'];

/** Everything that is decided before the first file is parsed. */
export interface Setting {
  /** Absolute project directory. */
  readonly directory: string;
  readonly files: readonly InputFile[];
  readonly envFiles: readonly string[];
  readonly environment: Environment;
  readonly profiles: readonly string[];
  readonly name: string;
}

/** Finds the files of a project; throws `file-not-found`, `env-file` and `project-name`. */
export function findSetting(options: LoadOptions, report: Report): Setting {
  const shell = shellEnvironment(options.env);
  if (!shell.has('PWD')) shell.set('PWD', { value: options.cwd, at: undefined });
  const flagged = options.files ?? [];
  const here = workingDirectory(options, flagged);
  const firstEnvFiles = envFilesOf(options, here);
  let environment = withEnvFiles(shell, firstEnvFiles, report);
  const paths =
    flagged.length > 0 ? flagged : (filesFromVariable(environment, options) ?? discover(here, report));
  if (paths.length === 0) throw noFile(here);
  const directory = workingDirectory(options, paths);
  const envFiles = envFilesOf(options, directory);
  environment = withEnvFiles(environment, envFiles, report);
  const files = paths.map((path) => readInput(path, options));
  const name = projectName({ options, environment, files, directory }, report);
  const named = new Map(environment).set('COMPOSE_PROJECT_NAME', { value: name, at: undefined });
  return {
    directory,
    files,
    envFiles: [...new Set([...firstEnvFiles, ...envFiles])],
    environment: named,
    profiles: profilesOf(options, environment),
    name,
  };
}

function noFile(directory: string): ComposeError {
  return new ComposeError(
    'file-not-found',
    `no configuration file found: there is no ${fileNames[0]} in ${directory} or any directory above it`,
    { hint: 'write one, change the directory, or name a file with -f' },
  );
}

function workingDirectory(options: LoadOptions, files: readonly string[]): string {
  if (options.projectDirectory !== undefined && options.projectDirectory !== '') {
    return resolve(options.cwd, options.projectDirectory);
  }
  const first = files.find((file) => file !== '-');
  return first === undefined ? options.cwd : dirname(resolve(options.cwd, first));
}

function envFilesOf(options: LoadOptions, directory: string): string[] {
  const flagged = options.envFiles ?? [];
  const named =
    flagged.length > 0 ? flagged : (options.env.COMPOSE_ENV_FILES ?? '').split(',').filter(Boolean);
  if (named.length > 0) return named.map((file) => resolve(options.cwd, file));
  const disabled = options.env.COMPOSE_DISABLE_ENV_FILE;
  if (disabled !== undefined && parseBoolean(disabled, 'COMPOSE_DISABLE_ENV_FILE')) return [];
  const file = join(directory, '.env');
  return statSync(file, { throwIfNoEntry: false })?.isDirectory() === false ? [file] : [];
}

function parseBoolean(value: string, variable: string): boolean {
  if (['1', 't', 'T', 'true', 'TRUE', 'True'].includes(value)) return true;
  if (['0', 'f', 'F', 'false', 'FALSE', 'False'].includes(value)) return false;
  throw new ComposeError('invalid-value', `${variable} must be true or false, not "${value}"`);
}

function filesFromVariable(environment: Environment, options: LoadOptions): string[] | undefined {
  const value = environment.get('COMPOSE_FILE')?.value;
  if (value === undefined) return undefined;
  const separator = environment.get('COMPOSE_PATH_SEPARATOR')?.value || ':';
  return value.split(separator).map((file) => (file === '-' ? file : resolve(options.cwd, file)));
}

function discover(from: string, report: Report): string[] {
  for (let directory = from; ; directory = dirname(directory)) {
    const [file, ...others] = existing(directory, fileNames);
    if (file !== undefined) {
      warnSeveral('config', file, others, report);
      const [override, ...more] = existing(directory, overrideNames);
      if (override === undefined) return [file];
      warnSeveral('override', override, more, report);
      return [file, override];
    }
    if (dirname(directory) === directory) return existing(from, oldNames).slice(0, 1);
  }
}

function existing(directory: string, names: readonly string[]): string[] {
  return names.map((name) => join(directory, name)).filter((path) => existsSync(path));
}

function warnSeveral(kind: string, used: string, others: readonly string[], report: Report): void {
  if (others.length === 0) return;
  const found = [used, ...others].join(', ');
  report.warn(
    'suspicious-value',
    `found multiple ${kind} files with supported names: ${found}; using ${used}`,
  );
}

function readInput(path: string, options: LoadOptions): InputFile {
  if (path === '-') return { path, text: limitText(options.readStdin?.() ?? '', 'standard input') };
  refuseRemote(path);
  const full = isAbsolute(path) ? path : resolve(options.cwd, path);
  return { path: full, text: readText(full, 'file') };
}

/** Profiles of the command line, or else of the environment; without any, the one with the empty name is on. */
function profilesOf(options: LoadOptions, environment: Environment): string[] {
  const flagged = options.profiles ?? [];
  if (flagged.length > 0) return [...flagged];
  const value = environment.get('COMPOSE_PROFILES')?.value ?? '';
  return value.split(',').map((profile) => profile.trim());
}

interface Naming {
  readonly options: LoadOptions;
  readonly environment: Environment;
  readonly files: readonly InputFile[];
  readonly directory: string;
}

function projectName(naming: Naming, report: Report): string {
  const { options, environment } = naming;
  const given = options.projectName || environment.get('COMPOSE_PROJECT_NAME')?.value;
  if (given !== undefined && given !== '') {
    if (cleanName(given) === given) return given;
    const rule = 'must consist only of lowercase alphanumeric characters, hyphens, and underscores';
    throw new ComposeError(
      'project-name',
      `invalid project name "${given}": ${rule}, and start with a letter or digit`,
      {
        hint: cleanName(given) === '' ? 'choose another name' : `use ${cleanName(given)}`,
      },
    );
  }
  const written = nameInFiles(naming, report);
  const name = written ?? cleanName(directoryName(naming.directory, report));
  if (name !== '') return name;
  throw new ComposeError('project-name', 'the project name must not be empty', {
    hint: 'set `name:` in the compose file, or use --project-name',
  });
}

function directoryName(directory: string, report: Report): string {
  const name = basename(directory);
  if (existsSync(directory) && basename(realpathSync(directory)) !== name) {
    const message = `the project is loaded without an explicit name from a symlink, using the name "${name}"`;
    report.warn('suspicious-value', message);
  }
  return name;
}

/** A name in lower case, without the characters that a project name cannot have. */
export function cleanName(name: string): string {
  return (name.toLowerCase().match(/[a-z0-9_-]/g) ?? []).join('').replace(/^[_-]+/, '');
}

/** Quick look for a name before the file is parsed for its own sake. */
function documentsOf(file: InputFile, report: Report): readonly Node[] {
  return file.text !== undefined && /^[ \t]*["'{]?name\b/m.test(file.text) ? parseInput(file, report) : [];
}

/** The last `name` of the files, interpolated and cleaned; undefined when there is none. */
function nameInFiles(naming: Naming, report: Report): string | undefined {
  let found: Node | undefined;
  for (const file of naming.files) {
    for (const document of documentsOf(file, report)) {
      const name = get(document, 'name');
      if (name !== undefined && textOf(name) !== '' && textOf(name) !== undefined) found = name;
    }
  }
  const template = textOf(found);
  if (template === undefined) return undefined;
  const name = naming.options.interpolate === false ? template : expandName(template, found, naming, report);
  return naming.options.normalize === false ? name : cleanName(name);
}

function expandName(template: string, node: Node | undefined, naming: Naming, report: Report): string {
  const onUnset = (variable: string): void =>
    report.warn('unset-variable', `the "${variable}" variable is not set, defaulting to a blank string`, {
      node,
      hint: () => unsetHints(naming.environment)(variable),
    });
  try {
    return substitute(template, (variable) => naming.environment.get(variable)?.value, onUnset);
  } catch (error) {
    if (!(error instanceof TemplateError)) throw error;
    report.error('interpolation', `name: ${error.message}`, { node, path: ['name'] });
    report.finish();
    return '';
  }
}
