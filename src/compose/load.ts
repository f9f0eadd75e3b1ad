// Compose files → Project: the pipeline on one screen.
import { ComposeError, type Diagnostic } from '../errors.ts';
import { buildProject } from './build.ts';
import { checkProject } from './check.ts';
import { loadFiles, makeBudget, makeScope } from './documents.ts';
import { findSetting, type Setting } from './files.ts';
import { alignScale } from './model.ts';
import { inheritVariables, normalise } from './normalise.ts';
import type { Project } from './project.ts';
import { makeReport, type Report } from './report.ts';
import type { MapNode } from './tree.ts';

export interface LoadOptions {
  /** Absolute directory that relative paths of flags start from. */
  readonly cwd: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Files given with `-f`; `-` is standard input. */
  readonly files?: readonly string[];
  readonly projectName?: string;
  readonly projectDirectory?: string;
  readonly envFiles?: readonly string[];
  readonly profiles?: readonly string[];
  readonly compatibility?: boolean;
  /** Read files of the first format whatever their name. */
  readonly legacy?: boolean;
  /** Keep networks, volumes, secrets and configs that no active service uses. */
  readonly allResources?: boolean;
  readonly interpolate?: boolean;
  readonly normalize?: boolean;
  readonly resolvePaths?: boolean;
  readonly consistency?: boolean;
  /** Read the env files of services. */
  readonly resolveEnv?: boolean;
  /** The services that the load is for, and what they depend on: an env file that only others need may be missing. */
  readonly services?: readonly string[];
  readonly readStdin?: () => string;
}

export interface Loaded {
  readonly project: Project;
  readonly warnings: readonly Diagnostic[];
}

/** A model as it is written: long forms, merged, but with variables and types as in the files. */
export interface LoadedModel {
  readonly name: string;
  readonly model: MapNode;
  readonly warnings: readonly Diagnostic[];
}

/**
 * Loads the project that files, flags and environment describe.
 * Throws a ComposeError whose `diagnostics` are all mistakes of the stage that failed.
 */
export function loadProject(options: LoadOptions): Loaded {
  return guard(() => {
    const report = makeReport();
    const setting = findSetting(options, report);
    const model = loadTree(setting, options, report);
    if (options.consistency !== false) alignScale(model);
    const project = buildProject(model, setting, options, report);
    if (options.consistency !== false) checkProject(project, model, report);
    report.finish();
    return { project, warnings: report.warnings };
  });
}

/** Loads the merged model without making a Project of it, for `config --no-interpolate`. */
export function loadModel(options: LoadOptions): LoadedModel {
  return guard(() => {
    const report = makeReport();
    const setting = findSetting(options, report);
    const model = loadTree(setting, options, report);
    return { name: setting.name, model, warnings: report.warnings };
  });
}

function loadTree(setting: Setting, options: LoadOptions, report: Report): MapNode {
  const scope = makeScope({
    report,
    directory: setting.directory,
    base: setting.directory,
    environment: setting.environment,
    home: options.env.HOME,
    interpolate: options.interpolate !== false,
    resolvePaths: options.resolvePaths !== false,
    legacy: options.legacy === true,
    budget: makeBudget(),
  });
  const model = loadFiles(setting.files, scope, []);
  if (model.entries.size === 0) {
    const file = setting.files[0]?.path ?? '';
    throw new ComposeError('missing-key', 'the compose file is empty', {
      at: { file, line: 1, column: 1 },
      hint: 'a file needs at least `services:`',
    });
  }
  // What is not expanded is not inherited either.
  const environment = options.interpolate === false ? new Map() : setting.environment;
  if (options.normalize === false) inheritVariables(model, environment);
  else normalise(model, setting.name, environment);
  return model;
}

/** Input that is nested too deeply ends the stack: that is a mistake of the input, not of the program. */
function guard<T>(load: () => T): T {
  try {
    return load();
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    throw new ComposeError('input-limit', 'the compose file is nested too deeply', { cause: error });
  }
}
