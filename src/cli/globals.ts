// The options that stand before the command, and the environment variables that mean the same.
import { ComposeError } from '../errors.ts';
import type { Arguments, GlobalFlags, OptionSpec } from './command.ts';

const PROGRESS = ['auto', 'tty', 'plain', 'json', 'quiet'] as const;
const ANSI = ['auto', 'always', 'never'] as const;

/** Accepted before every command. */
export const GLOBAL_OPTIONS: readonly OptionSpec[] = [
  {
    name: 'file',
    short: 'f',
    type: 'list',
    value: 'FILE',
    summary: 'a compose file; several are merged in order',
  },
  { name: 'project-name', short: 'p', type: 'string', value: 'NAME', summary: 'name of the project' },
  {
    name: 'project-directory',
    type: 'string',
    value: 'DIR',
    summary: 'directory that relative paths start from',
  },
  { name: 'profile', type: 'list', value: 'NAME', summary: 'turn on a profile' },
  { name: 'env-file', type: 'list', value: 'FILE', summary: 'read variables from this file instead of .env' },
  { name: 'all-resources', type: 'boolean', summary: 'include networks and volumes that no service uses' },
  {
    name: 'ansi',
    type: 'string',
    value: 'WHEN',
    summary: 'escape sequences: auto, always, never',
    choices: ANSI,
  },
  {
    name: 'compatibility',
    type: 'boolean',
    summary: 'container names with underscores, as Compose 1 had them',
  },
  { name: 'dry-run', type: 'boolean', summary: 'print the plan and change nothing' },
  { name: 'legacy', type: 'boolean', summary: 'accept files in the format of Compose 1' },
  { name: 'offline', type: 'boolean', summary: 'never talk to another machine, use only what is here' },
  { name: 'parallel', type: 'number', value: 'N', summary: 'actions at once, -1 for no limit' },
  {
    name: 'progress',
    type: 'string',
    value: 'KIND',
    summary: 'how progress is shown: auto, tty, plain, json, quiet',
    choices: PROGRESS,
  },
  { name: 'state-dir', type: 'string', value: 'DIR', summary: 'keep everything under this directory' },
  { name: 'verbose', type: 'boolean', summary: 'say more about errors' },
  { name: 'version', short: 'v', type: 'boolean', summary: 'print the version' },
  { name: 'help', short: 'h', type: 'boolean', summary: 'print help' },
  { name: 'no-ansi', type: 'boolean', summary: 'the same as --ansi never', hidden: true },
  {
    name: 'workdir',
    type: 'string',
    value: 'DIR',
    summary: 'directory that relative paths start from',
    hidden: true,
    deprecated: 'use --project-directory',
  },
  { name: 'insecure-registry', type: 'list', value: 'HOST', summary: 'registry without TLS', hidden: true },
];

/** Typed global flags; a flag wins over its environment variable. */
export function globalFlags(args: Arguments, env: NodeJS.ProcessEnv): GlobalFlags {
  const projectName = args.text('project-name');
  const projectDirectory = args.text('project-directory') ?? args.text('workdir');
  const stateDir = args.text('state-dir') ?? (env.TSCOMPOSE_STATE_DIR || undefined);
  return {
    files: args.list('file'),
    profiles: args.list('profile'),
    envFiles: args.list('env-file'),
    parallel: args.number('parallel') ?? parallelLimit(env.COMPOSE_PARALLEL_LIMIT),
    progress: oneOf(args.text('progress') ?? env.COMPOSE_PROGRESS, PROGRESS, 'COMPOSE_PROGRESS'),
    ansi: args.flag('no-ansi') ? 'never' : oneOf(args.text('ansi') ?? env.COMPOSE_ANSI, ANSI, 'COMPOSE_ANSI'),
    dryRun: args.flag('dry-run'),
    compatibility: args.flag('compatibility') || isTrue(env.COMPOSE_COMPATIBILITY),
    allResources: args.flag('all-resources'),
    verbose: args.flag('verbose'),
    offline: args.flag('offline') || isTrue(env.TSCOMPOSE_OFFLINE),
    legacy: args.flag('legacy') || isTrue(env.TSCOMPOSE_LEGACY),
    ...(projectName !== undefined && { projectName }),
    ...(projectDirectory !== undefined && { projectDirectory }),
    ...(stateDir !== undefined && { stateDir }),
  };
}

function parallelLimit(text: string | undefined): number {
  if (!text) return -1;
  if (/^-?\d+$/.test(text)) return Number(text);
  throw new ComposeError('usage', `COMPOSE_PARALLEL_LIMIT needs a whole number, not ${JSON.stringify(text)}`);
}

function oneOf<T extends string>(
  text: string | undefined,
  choices: readonly ['auto', ...T[]],
  variable: string,
) {
  if (!text) return 'auto' as const;
  const found = choices.find((choice) => choice === text);
  if (found !== undefined) return found;
  throw new ComposeError('usage', `${variable} accepts ${choices.join(', ')}, not ${JSON.stringify(text)}`);
}

/** Whether an environment variable says yes. */
export function isTrue(text: string | undefined): boolean {
  return text !== undefined && /^(1|t|true|yes|y|on)$/i.test(text);
}
