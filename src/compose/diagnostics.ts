// Findings as text: for people with a code frame, for machines as JSON, SARIF or workflow commands.
import type { ComposeError, Diagnostic } from '../errors.ts';
import { frame, oneLine, type Paint } from './frame.ts';
import { shownName, toSarif } from './sarif.ts';

export const DIAGNOSTIC_FORMATS = ['text', 'json', 'sarif', 'github'] as const;
export type DiagnosticFormat = (typeof DIAGNOSTIC_FORMATS)[number];

export interface RenderOptions {
  readonly format: DiagnosticFormat;
  /** Use terminal colours; only text has any. */
  readonly color: boolean;
  /** The text of a file that positions refer to, when it can be had. */
  readonly readSource: (file: string) => string | undefined;
  /** File names are shown relative to this absolute directory when they are below it. */
  readonly directory?: string;
  /** Version of this program, for SARIF. */
  readonly version?: string;
}

/** Findings that are shown to people; machines get all. */
const MAX_SHOWN = 50;

/** One finding, and how many others say the same of the same place. */
export interface Cluster {
  readonly diagnostic: Diagnostic;
  /** Paths of all that were put together, in order. */
  readonly paths: readonly string[];
}

/** The findings that an error stands for: those it carries, or itself. */
export function findingsOf({ code, message, at, hint, diagnostics }: ComposeError): readonly Diagnostic[] {
  if (diagnostics.length > 0) return diagnostics;
  const own: Diagnostic = { severity: 'error', code, message };
  return [{ ...own, ...(at !== undefined && { at }), ...(hint !== undefined && { hint }) }];
}

/** All findings in the wanted format; ends with a newline unless there is nothing to say. */
export function renderDiagnostics(diagnostics: readonly Diagnostic[], options: RenderOptions): string {
  const clusters = cluster(diagnostics);
  switch (options.format) {
    case 'text':
      return renderText(clusters, options);
    case 'json':
      return `${JSON.stringify(clusters.map(toJson), null, 2)}\n`;
    case 'sarif':
      return `${JSON.stringify(toSarif(clusters, options), null, 2)}\n`;
    case 'github':
      return clusters.map(({ diagnostic }) => toCommand(diagnostic, options)).join('');
  }
}

/** Puts together what one text in the file caused in several places, through anchors, extends or replicas. */
function cluster(diagnostics: readonly Diagnostic[]): readonly Cluster[] {
  const byPlace = new Map<string, { diagnostic: Diagnostic; paths: string[] }>();
  for (const diagnostic of diagnostics) {
    const { at, code, severity, message, path } = diagnostic;
    const place = at ? `${at.file}:${at.line}:${at.column}` : message;
    const key = `${severity} ${code} ${place} ${withoutPath(message, path)}`;
    const known = byPlace.get(key);
    if (known === undefined) byPlace.set(key, { diagnostic, paths: path === undefined ? [] : [path] });
    else if (path !== undefined && !known.paths.includes(path)) known.paths.push(path);
  }
  return [...byPlace.values()];
}

function withoutPath(message: string, path: string | undefined): string {
  return path === undefined ? message : message.replaceAll(path, '').replaceAll(parentOf(path), '');
}

function parentOf(path: string): string {
  return path.replace(/(\.[^.]*|\[\d+\])$/, '');
}

// --- text

function renderText(clusters: readonly Cluster[], options: RenderOptions): string {
  const shown = clusters.slice(0, MAX_SHOWN);
  const lines = readLines(shown, options);
  const texts = shown.map((entry) => textOf(entry, lines, options));
  const more = clusters.length - texts.length;
  return [...texts, ...(more > 0 ? [`… and ${more} more\n`] : [])].join('\n');
}

/** Lines by number, of files by name. */
type Lines = ReadonlyMap<string, ReadonlyMap<number, string>>;

/** The lines at and around the findings. */
function readLines(clusters: readonly Cluster[], { readSource }: RenderOptions): Lines {
  const wanted = new Map<string, Set<number>>();
  for (const { at } of clusters.map(({ diagnostic }) => diagnostic)) {
    if (at === undefined) continue;
    const numbers = wanted.get(at.file) ?? new Set();
    for (const number of [at.line - 1, at.line, at.line + 1]) numbers.add(number);
    wanted.set(at.file, numbers);
  }
  return new Map([...wanted].map(([file, numbers]) => [file, pickLines(readSource(file), numbers)]));
}

/** Goes through a text once, because it may have millions of lines. */
function pickLines(text: string | undefined, numbers: ReadonlySet<number>): ReadonlyMap<number, string> {
  const result = new Map<number, string>();
  if (text === undefined) return result;
  const last = Math.max(...numbers);
  const lineBreak = /\r\n|\n|\r/g;
  for (let number = 1, start = 0; number <= last && start <= text.length; number++) {
    const found = lineBreak.exec(text);
    if (numbers.has(number)) result.set(number, text.slice(start, found?.index));
    if (found === null) break;
    start = lineBreak.lastIndex;
  }
  return result;
}

function textOf({ diagnostic, paths }: Cluster, sources: Lines, options: RenderOptions): string {
  const paint = painter(options.color);
  const { severity, code, message, at, hint } = diagnostic;
  const colour = severity === 'error' ? 'red' : 'yellow';
  const lines = [`${paint(colour, `${severity}[${code}]`)}${paint('bold', `: ${oneLine(message)}`)}`];
  if (at) {
    const gutter = String(at.line + 1).length;
    lines.push(
      `${' '.repeat(gutter)}${paint('blue', '-->')} ${shownName(at.file, options.directory)}:${at.line}:${at.column}`,
    );
    lines.push(...frame(at, (number) => sources.get(at.file)?.get(number), { gutter, colour, paint }));
  }
  if (paths.length > 1) lines.push(`   also at: ${some(paths.slice(1))}`);
  if (hint !== undefined) lines.push(`   ${paint('cyan', 'hint')}: ${oneLine(hint)}`);
  return `${lines.join('\n')}\n`;
}

function some(paths: readonly string[]): string {
  const shownPaths = paths.slice(0, 3).join(', ');
  return paths.length > 3 ? `${shownPaths} and ${paths.length - 3} more places` : shownPaths;
}

const CODES: Readonly<Record<Parameters<Paint>[0], number>> = {
  red: 31,
  yellow: 33,
  blue: 34,
  cyan: 36,
  bold: 1,
};

function painter(color: boolean): Paint {
  return color ? (colour, text) => `\u001b[${CODES[colour]}m${text}\u001b[0m` : (_colour, text) => text;
}

// --- JSON

function toJson({ diagnostic, paths }: Cluster): Readonly<Record<string, unknown>> {
  const { severity, code, message, at, hint } = diagnostic;
  return {
    severity,
    code,
    message,
    ...(at === undefined ? {} : { file: at.file, line: at.line, column: at.column, endColumn: at.endColumn }),
    ...(paths.length === 0 ? {} : { path: paths[0] }),
    ...(paths.length < 2 ? {} : { alsoAt: paths.slice(1) }),
    ...(hint === undefined ? {} : { hint }),
  };
}

// --- GitHub workflow commands

function toCommand(diagnostic: Diagnostic, options: RenderOptions): string {
  const { severity, code, message, at, hint } = diagnostic;
  const properties = {
    ...(at === undefined
      ? {}
      : { file: shownName(at.file, options.directory), line: at.line, col: at.column }),
    ...(at?.endColumn === undefined ? {} : { endColumn: at.endColumn }),
    title: code,
  };
  const list = Object.entries(properties).map(([name, value]) => `${name}=${escapeProperty(String(value))}`);
  const text = hint === undefined ? message : `${message}\nhint: ${hint}`;
  return `::${severity} ${list.join(',')}::${escapeData(text)}\n`;
}

function escapeData(text: string): string {
  return text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
}

function escapeProperty(text: string): string {
  return escapeData(text).replaceAll(':', '%3A').replaceAll(',', '%2C');
}
