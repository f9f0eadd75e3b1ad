// Words and exit codes for what went wrong.
import { readFileSync } from 'node:fs';
import { ActionError, ComposeError, type Diagnostic, type ErrorCode, InternalError } from '../errors.ts';

/** Codes that mean that the command line or a file is wrong, not the world. */
const INPUT_CODES: ReadonlySet<ErrorCode> = new Set<ErrorCode>([
  'usage',
  'file-not-found',
  'file-unreadable',
  'yaml-syntax',
  'duplicate-key',
  'unknown-key',
  'wrong-type',
  'invalid-value',
  'missing-key',
  'conflicting-keys',
  'interpolation',
  'required-variable',
  'unset-variable',
  'env-file',
  'merge-conflict',
  'include',
  'extends',
  'undefined-reference',
  'dependency-cycle',
  'project-name',
  'legacy-format',
  'suspicious-value',
  'input-limit',
]);

/** 2 for a wrong command line or file, 130 for an interrupt, 1 for the rest. */
export function exitCodeOf(error: unknown): number {
  if (!(error instanceof ComposeError)) return 1;
  if (error.code === 'interrupted') return 130;
  return INPUT_CODES.has(error.code) && !(error instanceof ActionError) ? 2 : 1;
}

export interface FailureStyle {
  /** Also say what caused it. */
  readonly verbose: boolean;
  readonly colours: boolean;
}

/** The whole text for the terminal; a bug says so and asks for a report. */
export async function describeFailure(error: unknown, style: FailureStyle): Promise<string> {
  if (error instanceof ComposeError) return describeExpected(error, style);
  const bug = error instanceof Error ? error : new InternalError(String(error));
  return [
    `internal error: ${bug.message}`,
    '  this is a bug of tscompose: please report it with the lines below and the compose file',
    indent(bug.stack ?? ''),
    '',
  ].join('\n');
}

async function describeExpected(error: ComposeError, { verbose, colours }: FailureStyle): Promise<string> {
  const text = await renderFindings(findingsOf(error), colours);
  return verbose ? `${text}${causes(error.cause)}` : text;
}

/** All that an error stands for: the findings of a stage, or itself. */
export function findingsOf(error: ComposeError): readonly Diagnostic[] {
  if (error.diagnostics.length > 0) return error.diagnostics;
  const { code, message, at, hint } = error;
  const place = at === undefined ? {} : { at };
  const cure = hint === undefined ? {} : { hint };
  return [{ severity: 'error', code, message, ...place, ...cure }];
}

/** Findings of the loader with code frames, for standard error. */
export async function renderFindings(findings: readonly Diagnostic[], colours: boolean): Promise<string> {
  const { renderDiagnostics } = await import('../compose/diagnostics.ts');
  const directory = process.cwd();
  return renderDiagnostics(findings, { format: 'text', color: colours, readSource, directory });
}

function readSource(file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}

function causes(cause: unknown): string {
  const lines: string[] = [];
  for (let at = cause; at !== undefined; at = at instanceof Error ? at.cause : undefined) {
    lines.push(`   because: ${at instanceof Error ? at.message : String(at)}\n`);
  }
  return lines.join('');
}

function indent(text: string): string {
  return text.replace(/^/gm, '  ');
}
