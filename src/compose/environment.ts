// The variables that a project is interpolated with: the shell's, then env files; each knows where it was set.
import { ComposeError, type Position } from '../errors.ts';
import { type EnvEntry, parseEnvFile } from './dotenv.ts';
import { readEnvText } from './read.ts';
import type { Report } from './report.ts';
import { unsetHints } from './unset.ts';

export interface Variable {
  readonly value: string;
  /** Undefined for variables of the shell. */
  readonly at: Position | undefined;
}

export type Environment = ReadonlyMap<string, Variable>;

/** The process environment. */
export function shellEnvironment(env: Readonly<Record<string, string | undefined>>): Map<string, Variable> {
  const result = new Map<string, Variable>();
  for (const [name, value] of Object.entries(env)) {
    if (value !== undefined) result.set(name, { value, at: undefined });
  }
  return result;
}

/** An environment with the variables of env files added that it does not have; later files win over earlier ones. */
export function withEnvFiles(
  environment: Environment,
  files: readonly string[],
  report: Report,
): Environment {
  if (files.length === 0) return environment;
  const added = new Map<string, EnvEntry>();
  for (const file of files) readEnvFile(file, added, environment, report);
  const result = new Map(environment);
  for (const [name, entry] of added) if (!result.has(name)) result.set(name, entry);
  return result;
}

function readEnvFile(
  file: string,
  into: Map<string, EnvEntry>,
  environment: Environment,
  report: Report,
): void {
  const content = readEnvText(file, 'env file');
  const lookup = (name: string): string | undefined => environment.get(name)?.value ?? into.get(name)?.value;
  const onUnset = (name: string, at: Position): void => {
    const message = `the "${name}" variable is not set, defaulting to a blank string`;
    report.warn('unset-variable', message, { at, hint: () => unsetHints(environment)(name) });
  };
  try {
    parseEnvFile(file, content, into, { lookup, onUnset });
  } catch (error) {
    throw named(error, file);
  }
}

/** The error of an env file, with the name of the file in its message. */
export function named(error: unknown, file: string): unknown {
  if (!(error instanceof ComposeError) || error.code !== 'env-file') return error;
  return new ComposeError('env-file', `cannot read ${file}: ${error.message}`, {
    ...(error.at === undefined ? {} : { at: error.at }),
    cause: error,
  });
}
