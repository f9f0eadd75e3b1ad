// Words and exit codes for what went wrong.
import { ComposeError, type ErrorCode, InternalError } from '../errors.ts';

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
  return INPUT_CODES.has(error.code) ? 2 : 1;
}

/** The whole text for the terminal; a bug says so and asks for a report. */
export function describeError(error: unknown, verbose: boolean): string {
  if (error instanceof ComposeError) return describeExpected(error, verbose);
  const what = error instanceof Error ? error : new InternalError(String(error));
  return [
    `internal error: ${what.message}`,
    '  this is a bug of tscompose: please report it with the lines below and the compose file',
    indent(what.stack ?? ''),
    '',
  ].join('\n');
}

function describeExpected(error: ComposeError, verbose: boolean): string {
  const lines = [`error: ${error.message}`];
  if (error.at) lines.push(`  at ${error.at.file}:${error.at.line}:${error.at.column}`);
  if (error.hint) lines.push(`  hint: ${error.hint}`);
  if (verbose) lines.push(`  code: ${error.code}`, ...causes(error.cause));
  return `${lines.join('\n')}\n`;
}

function causes(cause: unknown): string[] {
  const lines: string[] = [];
  for (let at = cause; at !== undefined; at = at instanceof Error ? at.cause : undefined) {
    lines.push(`  because: ${at instanceof Error ? at.message : String(at)}`);
  }
  return lines;
}

function indent(text: string): string {
  return text.replace(/^/gm, '  ');
}
