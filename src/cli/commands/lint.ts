// `lint`: everything that is wrong or doubtful in the compose files.
import type { Diagnostic } from '../../errors.ts';
import type { CliContext, CommandSpec } from '../command.ts';

export const command: CommandSpec = {
  name: 'lint',
  usage: '[OPTIONS]',
  summary: 'check the compose files and warn about what is probably not meant',
  details: [
    'Exit code 2: the files are invalid. 1: there are warnings, with --strict. 0: else.',
    'A comment `# lint-ignore: CODE` on a line, or on its own line above, silences that code there.',
  ].join('\n'),
  options: [
    {
      name: 'format',
      type: 'string',
      value: 'FORMAT',
      summary: 'text (default), json, sarif, or github for workflow commands',
      choices: ['text', 'json', 'sarif', 'github'],
    },
    { name: 'strict', type: 'boolean', summary: 'fail when there are warnings' },
  ],
  positionals: { max: 0 },
  async run(context, args) {
    const { DIAGNOSTIC_FORMATS, renderDiagnostics } = await import('../../compose/diagnostics.ts');
    const { VERSION } = await import('../version.ts');
    const { findings, failed, readSource } = await inspect(context);
    const format = DIAGNOSTIC_FORMATS.find((name) => name === args.text('format')) ?? 'text';
    const color = context.colours('stdout');
    context.out(
      renderDiagnostics(findings, { format, color, readSource, directory: process.cwd(), version: VERSION }),
    );
    if (format === 'text') context.out(`${findings.length > 0 ? '\n' : ''}${summary(findings)}\n`);
    if (failed) return 2;
    return args.flag('strict') && findings.length > 0 ? 1 : 0;
  },
};

interface Inspection {
  readonly findings: readonly Diagnostic[];
  /** The files are no valid project. */
  readonly failed: boolean;
  readonly readSource: (file: string) => string | undefined;
}

/** Loads and lints; what the loader refuses is a finding like others. */
async function inspect(context: CliContext): Promise<Inspection> {
  const [{ loadOptions }, { loadProject }, { lintProject }, { existsSync }, { ComposeError }] =
    await Promise.all([
      import('../load.ts'),
      import('../../compose/load.ts'),
      import('../../compose/lint.ts'),
      import('node:fs'),
      import('../../errors.ts'),
    ]);
  const options = loadOptions(context.global);
  const { readStdin, readSource } = await sources(options.readStdin);
  try {
    const { project, warnings } = loadProject({ ...options, readStdin, allResources: true });
    const about = { readSource, exists: existsSync, selinux: existsSync('/sys/fs/selinux/enforce') };
    const found = [...warnings, ...lintProject(project, about)];
    return { findings: found, failed: false, readSource };
  } catch (error) {
    if (!(error instanceof ComposeError)) throw error;
    const { findingsOf } = await import('../../compose/diagnostics.ts');
    return { findings: findingsOf(error), failed: true, readSource };
  }
}

/** Files as they are; standard input is read once and remembered. */
async function sources(
  read: (() => string) | undefined,
): Promise<{ readStdin: () => string; readSource: (file: string) => string | undefined }> {
  const { readFileSync } = await import('node:fs');
  let stdin: string | undefined;
  const readStdin = (): string => {
    stdin ??= read?.() ?? '';
    return stdin;
  };
  const readSource = (file: string): string | undefined => {
    if (file === '-') return stdin;
    try {
      return readFileSync(file, 'utf8');
    } catch {
      return undefined;
    }
  };
  return { readStdin, readSource };
}

function summary(findings: readonly Diagnostic[]): string {
  const errors = findings.filter(({ severity }) => severity === 'error').length;
  const warnings = findings.length - errors;
  const count = (number: number, word: string): string => `${number} ${word}${number === 1 ? '' : 's'}`;
  const parts = [
    ...(errors > 0 ? [count(errors, 'error')] : []),
    ...(warnings > 0 ? [count(warnings, 'warning')] : []),
  ];
  return parts.length === 0
    ? 'nothing to complain about'
    : `${parts.join(', ')}; \`tscompose explain CODE\` tells more`;
}
