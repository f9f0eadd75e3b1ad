// The help texts, made from the tables.
import type { CommandSpec, CommandTable, OptionSpec } from './command.ts';
import { GLOBAL_OPTIONS } from './globals.ts';

/** Help for `tscompose` as a whole. */
export async function mainHelp(table: CommandTable): Promise<string> {
  return [
    'Usage: tscompose [GLOBAL OPTIONS] COMMAND [OPTIONS] [ARGUMENTS]',
    '',
    'Brings up Compose stacks without Docker and without a daemon.',
    '',
    'Commands:',
    ...(await commandRows(table)),
    '',
    'Global options, before the command:',
    ...optionRows(GLOBAL_OPTIONS),
    '',
    '`tscompose COMMAND --help` tells more about a command.',
    '',
  ].join('\n');
}

/** Help for one command; `path` is what was typed to get there, for example `tscompose image load`. */
export async function commandHelp(path: string, command: CommandSpec): Promise<string> {
  const lines = [`Usage: ${`${path} ${command.usage}`.trim()}`, '', `${sentence(command.summary)}`];
  if (command.details) lines.push('', command.details.trim());
  if (command.commands) lines.push('', 'Commands:', ...(await commandRows(command.commands)));
  const options = optionRows(command.options);
  if (options.length > 0) lines.push('', 'Options:', ...options);
  return `${lines.join('\n')}\n`;
}

async function commandRows(table: CommandTable): Promise<string[]> {
  const loaded = await Promise.all(
    Object.entries(table).map(async ([name, load]) => [name, await load()] as const),
  );
  const shown = loaded
    .filter(([, { command }]) => !command.hidden)
    .map(([name, { command }]) => [name, command.summary] as const);
  return columns(shown.sort(([a], [b]) => (a < b ? -1 : 1)));
}

function optionRows(options: readonly OptionSpec[]): string[] {
  return columns(
    options.filter((option) => !option.hidden).map((option) => [optionName(option), option.summary]),
  );
}

function optionName(option: OptionSpec): string {
  const short = option.short ? `-${option.short}, ` : '    ';
  return `${short}--${option.name}${option.type === 'boolean' ? '' : ` ${option.value ?? 'VALUE'}`}`;
}

function columns(rows: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(0, ...rows.map(([left]) => left.length));
  return rows.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`);
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}
