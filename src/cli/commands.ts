// The table of commands: a name, and the module that is loaded when it is called.
import type { CommandTable } from './command.ts';

export const COMMANDS: CommandTable = {
  image: () => import('./commands/image.ts'),
  explain: () => import('./commands/explain.ts'),
  graph: () => import('./commands/graph.ts'),
  lint: () => import('./commands/lint.ts'),
  version: () => import('./commands/version.ts'),
};

/** Second names that other tools use for a command. */
export const ALIASES: ReadonlyMap<string, string> = new Map([['convert', 'config']]);
