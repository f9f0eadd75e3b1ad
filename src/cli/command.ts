// What a command is: its name, its options as a table, and the function that does it.
import type { Project } from '../compose/project.ts';
import type { Engine } from '../engine/engine.ts';
import type { Context } from '../state/context.ts';

/** One option; a table of them drives parsing, help and the check of choices. */
export interface OptionSpec {
  /** Long name without the dashes. */
  readonly name: string;
  /** One letter. */
  readonly short?: string;
  /** `list`: may be given several times. `number`: a whole number. */
  readonly type: 'boolean' | 'string' | 'number' | 'list';
  /** What the help shows for the value, for example `SECONDS`. */
  readonly value?: string;
  readonly summary: string;
  /** Accepted, not shown in the help. */
  readonly hidden?: boolean;
  /** Accepted without effect; says what to do instead. */
  readonly deprecated?: string;
  readonly choices?: readonly string[];
  /** Names of options that cannot be combined with this one. */
  readonly excludes?: readonly string[];
}

/** The parsed command line of one command; asking for an option that is not in its table is a bug. */
export interface Arguments {
  readonly positionals: readonly string[];
  flag(name: string): boolean;
  text(name: string): string | undefined;
  number(name: string): number | undefined;
  list(name: string): readonly string[];
  /** Whether the option was given at all, also as `--option=false`. */
  given(name: string): boolean;
}

/** What stands before the command, and the environment variables that mean the same. */
export interface GlobalFlags {
  readonly files: readonly string[];
  readonly projectName?: string;
  readonly profiles: readonly string[];
  readonly envFiles: readonly string[];
  readonly projectDirectory?: string;
  /** -1: no limit. */
  readonly parallel: number;
  readonly progress: 'auto' | 'tty' | 'plain' | 'json' | 'quiet';
  readonly ansi: 'auto' | 'always' | 'never';
  readonly dryRun: boolean;
  readonly compatibility: boolean;
  readonly allResources: boolean;
  readonly verbose: boolean;
  readonly stateDir?: string;
  /** Never talk to a registry or another machine. */
  readonly offline: boolean;
  /** Accept the file format of Compose 1. */
  readonly legacy: boolean;
}

/** What a command wants of the loader, beyond the global flags. */
export interface ProjectOptions {
  /** Services named on the command line; their own profiles become active. */
  readonly services?: readonly string[];
  /** Only what finds containers that exist matters: the env files of services are not read. */
  readonly existing?: boolean;
  /** Images are those that tscompose.lock names. */
  readonly frozen?: boolean;
}

/** Everything a command may touch. */
export interface CliContext {
  readonly global: GlobalFlags;
  /** Aborted by the first interrupt, with the name of the signal as its reason; a second one ends the process. */
  readonly signal: AbortSignal;
  /** Aborted by the second interrupt, which then does not end the process; a third one does. */
  readonly insistence: AbortSignal;
  /** Standard output takes text at once and in order; a closed reader ends the process quietly. */
  out(text: string | Uint8Array): void;
  /** Standard error, likewise. */
  err(text: string | Uint8Array): void;
  isTerminal(stream: 'stdin' | 'stdout' | 'stderr'): boolean;
  /** Whether to colour what goes to this stream. */
  colours(stream: 'stdout' | 'stderr'): boolean;
  /** Reads the compose files; its warnings go to standard error. */
  loadProject(options?: ProjectOptions): Promise<Project>;
  /** What the rooms are given: paths and the binding to the kernel. */
  state(): Promise<Context>;
  engine(): Promise<Engine>;
  /** Call before the process is replaced by another program: what waits for the end of this one happens now. */
  beforeReplacing(): void;
}

export interface CommandSpec {
  readonly name: string;
  /** After the name, for example `[OPTIONS] SERVICE COMMAND [ARGS...]`. */
  readonly usage: string;
  /** One sentence in lower case, without a full stop. */
  readonly summary: string;
  /** More lines for the command's own help. */
  readonly details?: string;
  readonly hidden?: boolean;
  readonly options: readonly OptionSpec[];
  /** Everything after the first positional is passed on as it is. */
  readonly stopsAtPositional?: boolean;
  /** Fewest and most positionals; more than the most is a usage error. */
  readonly positionals?: { readonly min?: number; readonly max?: number };
  /** Subcommands, for example `image load`. */
  readonly commands?: CommandTable;
  /** Returns the exit code. A group of subcommands has none and prints its help. */
  run?(context: CliContext, args: Arguments): Promise<number>;
}

/** Names to modules that are loaded when their command is called. */
export type CommandTable = Readonly<Record<string, () => Promise<{ readonly command: CommandSpec }>>>;
