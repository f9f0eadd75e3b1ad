// The findings of a stage, collected so that all of them are told at once.
import { ComposeError, type Diagnostic, type ErrorCode, type Position } from '../errors.ts';
import { joinPath, type Node, positionOf } from './tree.ts';

export type Path = readonly (string | number)[];

export interface Finding {
  readonly node?: Node | undefined;
  readonly at?: Position | undefined;
  readonly path?: Path | undefined;
  readonly hint?: string | undefined;
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
  /** Ends a stage: one ComposeError stands for all errors that were collected. */
  finish(): void;
}

export function makeReport(): Report {
  const warnings: Diagnostic[] = [];
  const errors: Diagnostic[] = [];
  const seen = new Set<string>();
  const add = (diagnostic: Diagnostic): void => {
    if (diagnostic.severity === 'error') errors.push(diagnostic);
    else if (!seen.has(diagnostic.message)) {
      seen.add(diagnostic.message);
      warnings.push(diagnostic);
    }
  };
  return {
    warnings,
    get failed() {
      return errors.length > 0;
    },
    error: (code, message, finding) => add(diagnose('error', code, message, finding)),
    warn: (code, message, finding) => {
      // The same warning a million times over costs nothing.
      if (!seen.has(message)) add(diagnose('warning', code, message, finding));
    },
    add,
    moveTo: (other) => {
      for (const finding of [...warnings.splice(0), ...errors.splice(0)]) other.add(finding);
    },
    finish: () => {
      if (errors.length === 0) return;
      throw toError(errors.splice(0));
    },
  };
}

function diagnose(
  severity: Diagnostic['severity'],
  code: ErrorCode,
  message: string,
  finding: Finding = {},
): Diagnostic {
  const at = finding.at ?? positionOf(finding.node);
  return {
    severity,
    code,
    message,
    ...(at === undefined ? {} : { at }),
    ...(finding.hint === undefined ? {} : { hint: finding.hint }),
    ...(finding.path === undefined ? {} : { path: joinPath(finding.path) }),
  };
}

function toError(errors: readonly Diagnostic[]): ComposeError {
  const sorted = [...errors].sort(byPlace);
  const first = sorted[0];
  return new ComposeError(first?.code ?? 'invalid-value', first?.message ?? 'invalid', {
    ...(first?.at === undefined ? {} : { at: first.at }),
    ...(first?.hint === undefined ? {} : { hint: first.hint }),
    diagnostics: sorted,
  });
}

function byPlace(a: Diagnostic, b: Diagnostic): number {
  if (a.at === undefined || b.at === undefined)
    return Number(a.at === undefined) - Number(b.at === undefined);
  if (a.at.file !== b.at.file) return 0;
  return a.at.line - b.at.line || a.at.column - b.at.column;
}
