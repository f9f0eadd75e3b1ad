// Small projects for tests of the loader: files by name, loaded in a directory of their own.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { expect, onTestFinished } from 'vitest';
import { type Loaded, type LoadOptions, loadProject } from '../../src/compose/load.ts';
import { printProject, projectDocument } from '../../src/compose/print.ts';
import type { Service } from '../../src/compose/project.ts';
import { ComposeError } from '../../src/errors.ts';

export type Files = string | Readonly<Record<string, string>>;
export type Options = Partial<LoadOptions>;
/** Some forms that the reference prints it cannot read itself. */
export type WebOptions = Options & { readonly isReadable?: boolean };

/** A directory called `proj` with these files; a text alone is its compose.yaml. */
export function directory(files: Files): string {
  const root = mkdtempSync(join(tmpdir(), 'tscompose-load-'));
  onTestFinished(() => rmSync(root, { recursive: true, force: true }));
  const cwd = join(root, 'proj');
  mkdirSync(cwd);
  for (const [name, content] of Object.entries(
    typeof files === 'string' ? { 'compose.yaml': files } : files,
  )) {
    mkdirSync(dirname(join(cwd, name)), { recursive: true });
    writeFileSync(join(cwd, name), content);
  }
  return cwd;
}

/** Loads files with an empty environment. */
export function load(files: Files, options: Options = {}): Loaded & { readonly cwd: string } {
  const cwd = options.cwd ?? directory(files);
  return { ...loadProject({ env: {}, allResources: true, ...options, cwd }), cwd };
}

/** What `config --format json` shows. */
export function config(files: Files, options: Options = {}): Record<string, unknown> {
  return projectDocument(load(files, options).project, 'json');
}

/** A service called `web` with an image and these lines, without what every service has. */
export function web(body: string, options: WebOptions = {}): Record<string, unknown> {
  return webOf({ 'compose.yaml': serviceFile(body) }, options);
}

/** The service `web` of these files, without what every service has. */
export function webOf(files: Files, options: WebOptions = {}): Record<string, unknown> {
  const { isReadable = true, ...rest } = options;
  const { project } = load(files, rest);
  if (isReadable) roundTrip(project);
  const { services } = projectDocument(project, 'json') as { services: Record<string, Service> };
  const { command, entrypoint, networks, image, ...others } = services.web as Service;
  return {
    ...others,
    ...(command === null ? {} : { command }),
    ...(entrypoint === null ? {} : { entrypoint }),
    ...(networks === undefined || JSON.stringify(networks) === '{"default":null}' ? {} : { networks }),
    ...(image === 'app' ? {} : { image }),
  };
}

/** What is printed has to load again as the same project. */
function roundTrip(project: Loaded['project']): void {
  const again = load(printProject(project, 'yaml'));
  expect(projectDocument(again.project, 'yaml')).toEqual(projectDocument(project, 'yaml'));
}

export function serviceFile(body: string): string {
  return `services:\n  web:\n    image: app\n${body.trim().replace(/^/gm, '    ')}\n`;
}

/** The error of loading files: its codes with places `file:line:column`, and itself. */
export function failure(
  files: Files,
  options: Options = {},
): { codes: string[]; places: string[]; error: ComposeError } {
  try {
    load(files, options);
  } catch (error) {
    if (!(error instanceof ComposeError)) throw error;
    const found = error.diagnostics.length > 0 ? error.diagnostics : [error];
    const places = found.map(({ at }) =>
      at === undefined ? '-' : `${at.file.split('/').at(-1)}:${at.line}:${at.column}`,
    );
    return { codes: found.map(({ code }) => code), places, error };
  }
  throw new Error('the files were accepted');
}

/** Texts of the warnings of a load. */
export function warnings(files: Files, options: Options = {}): string[] {
  return load(files, options).warnings.map(({ message }) => message);
}
