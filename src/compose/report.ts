// The findings of a stage, collected so that all of them are told at once.
import { ComposeError, type Diagnostic, type ErrorCode, type Position } from '../errors.ts';
import { joinPath, type Node, positionOf } from './tree.ts';

/** Findings after which a stage ends: nobody reads more, and hostile input would have millions. */
const maxFindings = 1000;
/** Longest message, in UTF-16 units; those that quote a value would be as long as it. */
const maxMessage = 2000;

/** Warnings that say the same wherever the cause stands; of the others each place is told. */
const toldOnce: ReadonlySet<ErrorCode> = new Set(['unset-variable', 'deprecated']);

export type Path = readonly (string | number)[];

export interface Finding {
  readonly node?: Node | undefined;
  readonly at?: Position | undefined;
  readonly path?: Path | undefined;
  /** A function when it takes time to find; it is only asked for findings that are told. */
  readonly hint?: string | (() => string | undefined) | undefined;
}

/** Collects errors and warnings; `finish` throws when there are errors. */
export interface Report {
  readonly warnings: readonly Diagnostic[];
  readonly failed: boolean;
  error(code: ErrorCode, message: string, finding?: Finding): void;
  warn(code: ErrorCode, message: string, finding?: Finding): void;
  add(diagnostic: Diagnostic): void;
  /** Moves all findings to another report, to be told with those of a later stage. */
  moveTo(other: Report): void;
  /** What comes after this is only told of places where nothing is wrong yet: it may be a consequence. */
  settle(): void;
  /** Ends a stage: one ComposeError stands for all errors that were collected. */
  finish(): void;
}

export function makeReport(): Report {
  const warnings: Diagnostic[] = [];
  const errors: Diagnostic[] = [];
  const seen = new Set<string>();
  const add = (diagnostic: Diagnostic): void => {
    if (diagnostic.severity === 'error') addError(diagnostic);
    else if (!isKnown(diagnostic.code, diagnostic.message, diagnostic.at)) warnings.push(diagnostic);
  };
  const isKnown = (code: ErrorCode, message: string, at: Position | undefined): boolean => {
    if (warnings.length >= maxFindings) return true;
    const key = at === undefined || toldOnce.has(code) ? message : `${placeKey(at)} ${message}`;
    return seen.size === seen.add(key).size;
  };
  const settled = new Set<string>();
  const addError = (diagnostic: Diagnostic): void => {
    if (settled.size > 0 && diagnostic.at !== undefined && settled.has(placeKey(diagnostic.at))) return;
    errors.push(diagnostic);
    if (errors.length < maxFindings) return;
    const message = `there are more than ${maxFindings - 1} mistakes; the others are not told`;
    errors.push({ severity: 'error', code: 'input-limit', message });
    throw toError(errors.splice(0), warnings);
  };
  return {
    warnings,
    get failed() {
      return errors.length > 0;
    },
    error: (code, message, finding) => add(diagnose('error', code, message, finding)),
    warn: (code, message, finding) => {
      // The same warning a million times over costs nothing.
      const at = toldOnce.has(code) ? undefined : placeOf(finding);
      if (!isKnown(code, message, at)) warnings.push(diagnose('warning', code, message, finding));
    },
    add,
    moveTo: (other) => {
      for (const finding of [...warnings.splice(0), ...errors.splice(0)]) other.add(finding);
    },
    settle: () => {
      for (const { at } of errors) if (at !== undefined) settled.add(placeKey(at));
    },
    finish: () => {
      if (errors.length === 0) return;
      throw toError(errors.splice(0), warnings);
    },
  };
}

function placeOf({ at, node }: Finding = {}): Position | undefined {
  return at ?? positionOf(node);
}

function placeKey({ file, line, column }: Position): string {
  return `${file}:${line}:${column}`;
}

function diagnose(
  severity: Diagnostic['severity'],
  code: ErrorCode,
  message: string,
  finding: Finding = {},
): Diagnostic {
  const at = placeOf(finding);
  const hint = typeof finding.hint === 'function' ? finding.hint() : finding.hint;
  return {
    severity,
    code,
    message: message.length > maxMessage ? `${message.slice(0, maxMessage)}…` : message,
    ...(at === undefined ? {} : { at }),
    ...(hint === undefined ? {} : { hint }),
    ...(finding.path === undefined ? {} : { path: joinPath(finding.path) }),
  };
}

/** What was warned of goes with the errors: a variable that is not set is often the cause. */
function toError(errors: readonly Diagnostic[], warnings: readonly Diagnostic[]): ComposeError {
  const sorted = [...errors].sort(byPlace);
  const first = sorted[0];
  return new ComposeError(first?.code ?? 'invalid-value', first?.message ?? 'invalid', {
    ...(first?.at === undefined ? {} : { at: first.at }),
    ...(first?.hint === undefined ? {} : { hint: first.hint }),
    diagnostics: [...sorted, ...warnings],
  });
}

function byPlace(a: Diagnostic, b: Diagnostic): number {
  if (a.at === undefined || b.at === undefined)
    return Number(a.at === undefined) - Number(b.at === undefined);
  if (a.at.file !== b.at.file) return 0;
  return a.at.line - b.at.line || a.at.column - b.at.column;
}
