// argv → command → exit code; the only place that prints an error.
import { parseArguments } from './cli/arguments.ts';
import type { CliContext, CommandSpec, CommandTable, GlobalFlags } from './cli/command.ts';
import { ALIASES, COMMANDS, LATER } from './cli/commands.ts';
import { createContext } from './cli/context.ts';
import { GLOBAL_OPTIONS, globalFlags } from './cli/globals.ts';
import { nearest } from './cli/nearest.ts';
import { BrokenPipe, isTerminal, writeAll } from './cli/streams.ts';
import { ComposeError } from './errors.ts';

/** What every command accepts besides its own options. */
const COMMON_OPTIONS = GLOBAL_OPTIONS.filter(({ name }) => name === 'help' || name === 'dry-run').map(
  (option) => (option.name === 'dry-run' ? { ...option, hidden: true } : option),
);

export interface MainOptions {
  /** Called before the process is replaced by another program. */
  readonly beforeReplacing?: () => void;
}

/** Runs one command line and returns the exit code; prints every error, throws none. */
export async function main(argv: readonly string[], options: MainOptions = {}): Promise<number> {
  // What is written while nobody awaits it, the lines of a log for example.
  process.on(
    'uncaughtException',
    (error) => void report(error, argv).then((code) => process.exit(code), fail),
  );
  try {
    return await dispatch(argv, options);
  } catch (error) {
    return report(error, argv);
  }
}

async function dispatch(argv: readonly string[], options: MainOptions): Promise<number> {
  const { args, end } = parseArguments(argv, {
    owner: 'tscompose',
    options: GLOBAL_OPTIONS,
    stopsAtPositional: true,
  });
  const rest = argv.slice(end);
  if (args.flag('version')) return run(['version'], globalFlags(args, process.env), options);
  if (args.flag('help') || args.positionals.length === 0) return help(rest);
  if (rest[0] === 'help') return help(rest.slice(1));
  return run(rest, globalFlags(args, process.env), options);
}

async function help(path: readonly string[]): Promise<number> {
  const { mainHelp, commandHelp } = await import('./cli/help.ts');
  if (path.length === 0) writeAll(1, await mainHelp(COMMANDS));
  else {
    const found = await findCommand(path);
    writeAll(1, await commandHelp(found.owner, found.command));
  }
  return 0;
}

async function run(words: readonly string[], global: GlobalFlags, options: MainOptions): Promise<number> {
  const { owner, command, rest } = await findCommand(words);
  const { args } = parseArguments(rest, {
    owner,
    options: [...command.options, ...COMMON_OPTIONS.filter(({ name }) => !hasOption(command, name))],
    stopsAtPositional: command.stopsAtPositional === true,
  });
  if (args.flag('help') || !command.run) return help(words.slice(0, words.length - rest.length));
  checkCount(owner, command, args.positionals);
  const flags = args.flag('dry-run') ? { ...global, dryRun: true } : global;
  const context = createContext(flags, options.beforeReplacing ?? (() => undefined));
  warnDeprecated(context, command, args.given);
  return command.run(context, args);
}

function hasOption(command: CommandSpec, name: string): boolean {
  return command.options.some((option) => option.name === name);
}

interface Found {
  /** What was typed, for example `tscompose image load`. */
  readonly owner: string;
  readonly command: CommandSpec;
  readonly rest: readonly string[];
}

async function findCommand(words: readonly string[]): Promise<Found> {
  const name = words[0] ?? '';
  const known = Object.hasOwn(COMMANDS, name) ? name : (ALIASES.get(name) ?? name);
  return descend(COMMANDS, 'tscompose', [known, ...words.slice(1)]);
}

async function descend(table: CommandTable, parent: string, words: readonly string[]): Promise<Found> {
  const name = words[0] ?? '';
  const load = Object.hasOwn(table, name) ? table[name] : undefined;
  if (!load) throw table === COMMANDS && LATER.has(name) ? notYet(name) : unknownCommand(parent, name, table);
  const { command } = await load();
  const owner = `${parent} ${name}`;
  const rest = words.slice(1);
  const named = rest[0] !== undefined && !rest[0].startsWith('-');
  return command.commands && named ? descend(command.commands, owner, rest) : { owner, command, rest };
}

function unknownCommand(owner: string, word: string, table: CommandTable): ComposeError {
  const close = nearest(word, Object.keys(table));
  const hint = close ? `did you mean \`${owner} ${close}\`?` : `see \`${owner} --help\``;
  return new ComposeError('usage', `unknown command ${JSON.stringify(word)}`, { hint });
}

function notYet(word: string): ComposeError {
  const hint =
    word === 'build' ? 'build elsewhere, and load the image with `tscompose image load`' : undefined;
  return new ComposeError('unsupported', `\`${word}\` is not supported yet: ${LATER.get(word)}`, {
    ...(hint !== undefined && { hint }),
  });
}

function checkCount(owner: string, command: CommandSpec, positionals: readonly string[]): void {
  const { min = 0, max = Number.POSITIVE_INFINITY } = command.positionals ?? {};
  if (positionals.length >= min && positionals.length <= max) return;
  const hint = `usage: ${owner} ${command.usage}`;
  if (positionals.length < min) throw new ComposeError('usage', `${owner} needs more arguments`, { hint });
  const extra = JSON.stringify(positionals[max] ?? '');
  throw new ComposeError('usage', `${owner} does not take the argument ${extra}`, { hint });
}

function warnDeprecated(context: CliContext, command: CommandSpec, given: (name: string) => boolean): void {
  for (const option of command.options) {
    if (option.deprecated === undefined || !given(option.name)) continue;
    context.err(`warning: --${option.name} has no effect: ${option.deprecated}\n`);
  }
}

/** The report itself failed: to report that would go on for ever. */
function fail(): never {
  process.exit(1);
}

/** Prints what went wrong; a closed reader needs no words, as with SIGPIPE. */
async function report(error: unknown, argv: readonly string[]): Promise<number> {
  if (error instanceof BrokenPipe) return 141;
  const { describeFailure, exitCodeOf } = await import('./cli/failure.ts');
  const colours = isTerminal('stderr') && !process.env.NO_COLOR && !argv.includes('--no-ansi');
  const text = await describeFailure(error, { verbose: argv.includes('--verbose'), colours });
  try {
    writeAll(2, text);
  } catch (failure) {
    if (!(failure instanceof BrokenPipe)) throw failure;
  }
  return exitCodeOf(error);
}
