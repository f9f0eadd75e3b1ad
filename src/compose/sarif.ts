// Findings as SARIF 2.1.0, the format in which code scanners report.
import type { ErrorCode, Position } from '../errors.ts';
import type { Cluster } from './diagnostics.ts';
import { visible } from './frame.ts';

/** Where files are, and which program found it. */
export interface SarifOptions {
  readonly directory?: string;
  readonly version?: string;
}

/** One run with a rule for each code that occurs. */
export function toSarif(
  clusters: readonly Cluster[],
  options: SarifOptions,
): Readonly<Record<string, unknown>> {
  const codes = [...new Set(clusters.map(({ diagnostic }) => diagnostic.code))].sort();
  const driver = {
    name: 'tscompose',
    ...(options.version === undefined ? {} : { version: options.version }),
    rules: codes.map((code) => ({
      id: code,
      shortDescription: { text: code.replaceAll('-', ' ') },
      help: { text: `tscompose explain ${code}` },
    })),
  };
  const base = options.directory;
  return {
    $schema: 'https://json.schemastore.org/sarif-2.1.0.json',
    version: '2.1.0',
    runs: [
      {
        tool: { driver },
        columnKind: 'utf16CodeUnits',
        ...(base === undefined
          ? {}
          : { originalUriBaseIds: { ROOT: { uri: `${fileUri(base).replace(/\/$/, '')}/` } } }),
        results: clusters.map((entry) => toResult(entry, codes, options)),
      },
    ],
  };
}

function toResult(
  { diagnostic, paths }: Cluster,
  codes: readonly ErrorCode[],
  options: SarifOptions,
): Readonly<Record<string, unknown>> {
  const { severity, code, message, at, hint } = diagnostic;
  const logical = paths.map((path) => ({ fullyQualifiedName: path }));
  const location = {
    ...(at === undefined ? {} : { physicalLocation: physical(at, options) }),
    ...(logical.length === 0 ? {} : { logicalLocations: logical }),
  };
  return {
    ruleId: code,
    ruleIndex: codes.indexOf(code),
    level: severity,
    message: { text: hint === undefined ? message : `${message}\n${hint}` },
    ...(Object.keys(location).length === 0 ? {} : { locations: [location] }),
  };
}

function physical(at: Position, options: SarifOptions): Readonly<Record<string, unknown>> {
  const name = shownName(at.file, options.directory);
  const relative = name !== at.file && at.file !== '-';
  return {
    artifactLocation: relative
      ? { uri: encodePath(name), uriBaseId: 'ROOT' }
      : { uri: at.file === '-' ? 'stdin:' : fileUri(at.file) },
    region: {
      startLine: at.line,
      startColumn: at.column,
      ...(at.endColumn === undefined ? {} : { endColumn: at.endColumn }),
    },
  };
}

function fileUri(path: string): string {
  return path.startsWith('/') ? `file://${encodePath(path)}` : encodePath(path);
}

function encodePath(path: string): string {
  return path.split('/').map(encodeURIComponent).join('/');
}

/** A file as messages name it: relative to the directory when it is below it. */
export function shownName(file: string, directory: string | undefined): string {
  if (file === '-') return '<stdin>';
  const prefix = directory === undefined ? undefined : `${directory.replace(/\/$/, '')}/`;
  return visible(prefix !== undefined && file.startsWith(prefix) ? file.slice(prefix.length) : file);
}
