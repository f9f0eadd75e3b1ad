// `exec`: one more process in a running container.
import type { ExecOptions } from '../../containers/exec.ts';
import type { Arguments, CliContext, CommandSpec } from '../command.ts';
import { INDEX, indexOf } from '../options.ts';

export const command: CommandSpec = {
  name: 'exec',
  usage: '[OPTIONS] SERVICE COMMAND [ARGUMENT...]',
  summary: 'run a command in a running container',
  details:
    'The exit code is that of the command; 126 when it cannot be executed, 127 when it does not exist.',
  options: [
    { name: 'detach', short: 'd', type: 'boolean', summary: 'return at once' },
    { name: 'env', short: 'e', type: 'list', value: 'NAME[=VALUE]', summary: 'environment variable' },
    INDEX,
    {
      name: 'interactive',
      short: 'i',
      type: 'boolean',
      summary: 'keep standard input open (the default)',
      hidden: true,
    },
    { name: 'no-tty', short: 'T', type: 'boolean', summary: 'no terminal, even when there is one' },
    { name: 'no-TTY', type: 'boolean', summary: 'the same as --no-tty', hidden: true },
    { name: 'privileged', type: 'boolean', summary: 'all capabilities, no filter of system calls' },
    {
      name: 'tty',
      short: 't',
      type: 'boolean',
      summary: 'a terminal, even when there is none',
      hidden: true,
    },
    { name: 'user', short: 'u', type: 'string', value: 'USER[:GROUP]', summary: 'run as this user' },
    { name: 'workdir', short: 'w', type: 'string', value: 'DIR', summary: 'directory to run in' },
  ],
  stopsAtPositional: true,
  positionals: { min: 2 },
  async run(context, args) {
    const [{ existingProject }, { chooseContainer }, { runExec, execDetached }, { inspectMachine }] =
      await Promise.all([
        import('../existing.ts'),
        import('../choose.ts'),
        import('../../containers/exec.ts'),
        import('../../containers/machine.ts'),
      ]);
    const [service = '', ...argv] = args.positionals;
    const project = await existingProject(context, [service]);
    const { record } = await chooseContainer(context, project, {
      service,
      index: indexOf(args),
      running: true,
    });
    const execContext = { ...(await context.state()), machine: inspectMachine() };
    const options = optionsOf(context, args, argv);
    if (args.flag('detach')) {
      await execDetached(execContext, record, options);
      return 0;
    }
    context.beforeReplacing();
    return runExec(execContext, record, options);
  },
};

function optionsOf(context: CliContext, args: Arguments, argv: readonly string[]): ExecOptions {
  const tty = wantsTerminal(context, args);
  const user = args.text('user');
  const workingDir = args.text('workdir');
  return {
    command: argv,
    tty,
    stdin: !args.flag('detach') && (!args.given('interactive') || args.flag('interactive')),
    env: environmentOf(args.list('env')),
    privileged: args.flag('privileged'),
    ...(user !== undefined && { user }),
    ...(workingDir !== undefined && { workingDir }),
    ...(tty && terminalSize()),
  };
}

function wantsTerminal(context: CliContext, args: Arguments): boolean {
  if (args.flag('no-tty') || args.flag('no-TTY') || args.flag('detach')) return false;
  if (args.given('tty')) return args.flag('tty');
  return context.isTerminal('stdin') && context.isTerminal('stdout');
}

function terminalSize(): { readonly rows: number; readonly columns: number } {
  return { rows: process.stdout.rows || 24, columns: process.stdout.columns || 80 };
}

/** A name alone takes the caller's value, and is nothing when the caller has none. */
function environmentOf(entries: readonly string[]): readonly string[] {
  return entries.flatMap((entry) => {
    if (entry.includes('=')) return [entry];
    const value = process.env[entry];
    return value === undefined ? [] : [`${entry}=${value}`];
  });
}
