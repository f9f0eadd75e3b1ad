// Words and exit codes for what went wrong.
import { readFileSync } from 'node:fs';
import { getSystemErrorMap } from 'node:util';
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

/** What the operating system refused, without a room that worded it, as an expected failure; the rest as it is. */
function worded(error: unknown): unknown {
  if (!(error instanceof Error) || !('syscall' in error) || !('errno' in error)) return error;
  const { syscall, errno } = error;
  if (syscall === 'uv_cwd') {
    const hint = 'change to a directory that exists';
    return new ComposeError('system', 'the current directory does not exist any more', {
      cause: error,
      hint,
    });
  }
  const [name, text] = getSystemErrorMap().get(Number(errno)) ?? ['', error.message];
  const object = 'path' in error ? ` ${error.path}` : '';
  const isDenied = (name === 'EACCES' || name === 'EPERM') && process.geteuid?.() !== 0;
  const code = isDenied ? 'not-root' : name === 'ENOSPC' || name === 'EDQUOT' ? 'disk-full' : 'system';
  return new ComposeError(code, `cannot ${syscall}${object}: ${text}`, {
    cause: error,
    ...(isDenied && { hint: 'run it as root, or set TSCOMPOSE_STATE_DIR to a directory of your own' }),
  });
}

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
export async function describeFailure(failure: unknown, style: FailureStyle): Promise<string> {
  const error = worded(failure);
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
  const directory = currentDirectory() ?? '/';
  return renderDiagnostics(findings, { format: 'text', color: colours, readSource, directory });
}

/** Undefined when it was removed. */
function currentDirectory(): string | undefined {
  try {
    return process.cwd();
  } catch {
    return undefined;
  }
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
