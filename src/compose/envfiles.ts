// `env_file` and `label_file` of a service: read, and put below what the service itself says.
import { statSync } from 'node:fs';
import { ComposeError, type Position } from '../errors.ts';
import { type EnvEntry, parseEnvFile, parseRawEnvFile } from './dotenv.ts';
import { type Environment, named } from './environment.ts';
import { readEnvText } from './read.ts';
import type { Report } from './report.ts';
import {
  asList,
  asMap,
  get,
  inPlaceOf,
  isNull,
  type MapNode,
  map,
  type Node,
  positionOf,
  type Reason,
  type Span,
  text,
  textOf,
} from './tree.ts';
import { unsetHints } from './unset.ts';

export interface EnvFileOptions {
  readonly environment: Environment;
  readonly report: Report;
  /** Whether a file that has to be there has to: nobody asked for the services that only stand in the same files. */
  readonly isNeeded: boolean;
}

const optionalHint = 'create it, or say that it may be missing: `{ path: …, required: false }`';

interface Reading extends EnvFileOptions {
  readonly lookup: (name: string) => string | undefined;
}

/** Adds the variables of the env files of a service, and forgets the files. */
export function resolveEnvFiles(service: MapNode, options: EnvFileOptions): void {
  const files = asList(service.entries.get('env_file'))?.items ?? [];
  service.entries.delete('env_file');
  if (files.length === 0) return;
  const own = asMap(service.entries.get('environment')) ?? map(new Map());
  const found = new Map<string, EnvEntry>();
  const lookup = (name: string): string | undefined =>
    options.environment.get(name)?.value ?? textValue(own.entries.get(name));
  for (const [name, node] of own.entries) {
    if (!isNull(node)) found.set(name, { value: textValue(node) ?? '', at: nowhere });
  }
  for (const file of files) readFile(file, found, { ...options, lookup });
  putBelow(own, found, 'env-file');
  service.entries.set('environment', own);
}

const nowhere: Position = { file: '', line: 0, column: 0 };

function textValue(node: Node | undefined): string | undefined {
  return node?.kind === 'scalar' && node.value !== null ? String(node.value) : undefined;
}

function readFile(node: Node, into: Map<string, EnvEntry>, reading: Reading): void {
  const { lookup, report } = reading;
  const pathNode = get(node, 'path') ?? node;
  const path = textOf(pathNode) ?? '';
  const required = get(node, 'required');
  const isOptional = required?.kind === 'scalar' && (required.value === false || required.value === 'false');
  const mayMiss = isOptional || !reading.isNeeded;
  if (mayMiss && statSync(path, { throwIfNoEntry: false }) === undefined) return;
  const content = readEnvText(path, 'env file', positionOf(pathNode), optionalHint);
  const format = textOf(get(node, 'format')) ?? '';
  if (format !== '' && format !== '.env' && format !== 'raw') {
    report.error('invalid-value', `unsupported env_file format "${format}"`, {
      node: get(node, 'format'),
      hint: 'only "raw" is a format; leave it out for the usual one',
    });
    return;
  }
  try {
    if (format === 'raw') parseRawEnvFile(path, content, into, lookup);
    else parseEnvFile(path, content, into, { lookup, onUnset: warnUnset(reading) });
  } catch (error) {
    if (error instanceof ComposeError) throw named(error, path);
    throw error;
  }
}

function warnUnset({
  environment,
  report,
}: Pick<EnvFileOptions, 'environment' | 'report'>): (name: string, at: Position) => void {
  return (name, at) => {
    const message = `the "${name}" variable is not set, defaulting to a blank string`;
    report.warn('unset-variable', message, { at, hint: () => unsetHints(environment)(name) });
  };
}

/** What a mapping already says wins over entries of files, but knows that it did. */
function putBelow(own: MapNode, found: ReadonlyMap<string, EnvEntry>, why: Reason): void {
  for (const [name, entry] of found) {
    if (entry.at === nowhere) continue;
    const node: Node = { ...text(entry.value), at: spanAt(entry.at) };
    const present = own.entries.get(name);
    if (present === undefined) own.entries.set(name, node);
    else own.entries.set(name, inPlaceOf(present, node, why));
  }
}

function spanAt(at: Position): Span {
  return { source: { name: at.file, text: '', position: () => at }, start: 0, end: 0 };
}

/** Adds the labels of the label files of a service, and forgets the files. */
export function resolveLabelFiles(
  service: MapNode,
  options: Pick<EnvFileOptions, 'environment' | 'report'>,
): void {
  const files = asList(service.entries.get('label_file'))?.items ?? [];
  service.entries.delete('label_file');
  if (files.length === 0) return;
  const found = new Map<string, EnvEntry>();
  for (const file of files) {
    const path = textOf(file) ?? '';
    const content = readEnvText(path, 'label file', positionOf(file));
    const lookup = (name: string): string | undefined => found.get(name)?.value;
    try {
      parseEnvFile(path, content, found, { lookup, onUnset: warnUnset(options) });
    } catch (error) {
      throw named(error, path);
    }
  }
  const labels = asMap(service.entries.get('labels')) ?? map(new Map());
  putBelow(labels, found, 'label-file');
  service.entries.set('labels', labels);
}
