// Warnings about files that are valid and still probably not what their author wants.
import type { Diagnostic, ErrorCode, Position } from '../errors.ts';
import { PROJECT_RULES } from './lint/project.ts';
import { SERVICE_RULES } from './lint/services.ts';
import { VALUE_RULES } from './lint/values.ts';
import type { Project, Service } from './project.ts';

export interface LintOptions {
  /** The text of a compose file, as it was when the project was loaded. */
  readonly readSource: (file: string) => string | undefined;
  /** Whether a path of this machine exists; without it nothing is said about files. */
  readonly exists?: (path: string) => boolean;
  /** Whether this machine runs SELinux. */
  readonly selinux?: boolean;
}

/** What rules are given: the project, how it was written, and where to put findings. */
export interface Lint extends LintOptions {
  readonly project: Project;
  /** The text in the compose file that a value came from; undefined when it did not come from one. */
  readonly written: (path: string) => string | undefined;
  /** Reports a finding at the first of the paths that has a place. */
  readonly warn: (code: ErrorCode, path: string | readonly string[], message: string, hint?: string) => void;
}

export type ProjectRule = (lint: Lint) => void;
export type ServiceRule = (lint: Lint, service: Service, name: string) => void;

/**
 * All warnings, in the order of the files. A comment `# lint-ignore: CODE, …` on the line of a finding
 * or the line above it silences these codes there.
 */
export function lintProject(project: Project, options: LintOptions): readonly Diagnostic[] {
  const lines = new Map<string, readonly string[]>();
  const linesOf = (file: string): readonly string[] => {
    const known = lines.get(file) ?? options.readSource(file)?.split(/\r\n|\n|\r/) ?? [];
    lines.set(file, known);
    return known;
  };
  const findings: Diagnostic[] = [];
  const lint: Lint = {
    ...options,
    project,
    written: (path) => writtenAt(project.positionOf(path), project, linesOf),
    warn: (code, path, message, hint) => {
      const paths = [path].flat();
      const at = paths.map(project.positionOf).find((position) => position !== undefined);
      if (at !== undefined && isIgnored(code, at, linesOf(at.file))) return;
      findings.push({
        severity: 'warning',
        code,
        message,
        ...(at === undefined ? {} : { at }),
        ...(hint === undefined ? {} : { hint }),
        ...(paths[0] === undefined ? {} : { path: paths[0] }),
      });
    },
  };
  for (const rule of PROJECT_RULES) rule(lint);
  for (const [name, service] of Object.entries(project.services)) {
    for (const rule of [...SERVICE_RULES, ...VALUE_RULES]) rule(lint, service, name);
  }
  return sorted(findings, project.files);
}

function writtenAt(
  at: Position | undefined,
  project: Project,
  linesOf: (file: string) => readonly string[],
): string | undefined {
  if (at === undefined || !project.files.includes(at.file)) return undefined;
  const line = linesOf(at.file)[at.line - 1];
  return line?.slice(at.column - 1, at.endColumn === undefined ? undefined : at.endColumn - 1);
}

function isIgnored(code: ErrorCode, at: Position, lines: readonly string[]): boolean {
  return [lines[at.line - 1], commentOnly(lines[at.line - 2])].some((line) => {
    const codes = /#\s*lint-ignore:\s*([\w-]+(?:\s*,\s*[\w-]+)*)/.exec(line ?? '')?.[1];
    return codes?.split(/\s*,\s*/).includes(code) ?? false;
  });
}

function commentOnly(line: string | undefined): string | undefined {
  return line?.trimStart().startsWith('#') ? line : undefined;
}

function sorted(findings: readonly Diagnostic[], files: readonly string[]): readonly Diagnostic[] {
  const rank = ({ at }: Diagnostic): number => (at === undefined ? files.length : files.indexOf(at.file));
  return [...findings].sort(
    (a, b) =>
      rank(a) - rank(b) || (a.at?.line ?? 0) - (b.at?.line ?? 0) || (a.at?.column ?? 0) - (b.at?.column ?? 0),
  );
}
