// Options that several commands have, and what their values mean.
import { ComposeError } from '../errors.ts';
import type { Arguments, OptionSpec } from './command.ts';
import { isTrue } from './globals.ts';

export const TIMEOUT: OptionSpec = {
  name: 'timeout',
  short: 't',
  type: 'number',
  value: 'SECONDS',
  summary: 'time to stop before it is killed',
};

export const REMOVE_ORPHANS: OptionSpec = {
  name: 'remove-orphans',
  type: 'boolean',
  summary: 'remove containers of services that the files no longer have',
};

export const INDEX: OptionSpec = {
  name: 'index',
  type: 'number',
  value: 'N',
  summary: 'which replica, from 1; the first one unless given',
};

export const WAIT: readonly OptionSpec[] = [
  { name: 'wait', type: 'boolean', summary: 'return when every service is running or healthy' },
  { name: 'wait-timeout', type: 'number', value: 'SECONDS', summary: 'give up waiting after this long' },
];

export const FROZEN: OptionSpec = {
  name: 'frozen',
  type: 'boolean',
  summary: 'only images whose digests are in tscompose.lock',
};

/** Of commands that make containers. */
export const MAKING: readonly OptionSpec[] = [
  { name: 'build', type: 'boolean', summary: 'build images first', excludes: ['no-build'] },
  FROZEN,
  { name: 'no-build', type: 'boolean', summary: 'never build an image' },
  {
    name: 'pull',
    type: 'string',
    value: 'WHEN',
    summary: 'when to pull images: always, missing, never, build, policy',
    choices: ['always', 'missing', 'never', 'build', 'policy'],
  },
  { name: 'quiet-pull', type: 'boolean', summary: 'no progress of pulling' },
  REMOVE_ORPHANS,
];

export const RECREATING: readonly OptionSpec[] = [
  {
    name: 'force-recreate',
    type: 'boolean',
    summary: 'make containers anew though nothing changed',
    excludes: ['no-recreate'],
  },
  { name: 'no-recreate', type: 'boolean', summary: 'keep containers though something changed' },
  { name: 'scale', type: 'list', value: 'SERVICE=N', summary: 'number of replicas; wins over the file' },
  { name: 'yes', short: 'y', type: 'boolean', summary: 'answer yes to every question' },
];

const PULL = ['always', 'missing', 'never', 'build', 'policy'] as const;

/** The part of a goal that MAKING and the environment say. */
export function makingGoal(args: Arguments, env: NodeJS.ProcessEnv) {
  const pull = PULL.find((choice) => choice === args.text('pull'));
  const removeOrphans = args.flag('remove-orphans') || isTrue(env.COMPOSE_REMOVE_ORPHANS);
  const ignoreOrphans = isTrue(env.COMPOSE_IGNORE_ORPHANS);
  if (removeOrphans && ignoreOrphans) {
    throw new ComposeError('usage', 'COMPOSE_IGNORE_ORPHANS and --remove-orphans cannot be combined');
  }
  return {
    build: args.flag('build') ? 'always' : args.flag('no-build') ? 'never' : 'missing',
    removeOrphans,
    ignoreOrphans,
    ...(pull !== undefined && { pull }),
  } as const;
}

/** The part of a goal that RECREATING says. */
export function recreatingGoal(args: Arguments) {
  const scale = replicaCounts(args.list('scale'));
  return {
    recreate: args.flag('force-recreate') ? 'force' : args.flag('no-recreate') ? 'never' : 'diverged',
    ...(Object.keys(scale).length > 0 && { scale }),
  } as const;
}

/** `web=3` entries as numbers; throws `usage` for anything else. */
export function replicaCounts(entries: readonly string[]): Readonly<Record<string, number>> {
  return Object.fromEntries(
    entries.map((entry) => {
      const match = /^([^=]+)=(\d+)$/.exec(entry);
      if (match) return [match[1] ?? '', Number(match[2])];
      throw new ComposeError('usage', `${JSON.stringify(entry)} is not SERVICE=NUMBER, for example web=3`);
    }),
  );
}

/** Longest grace period: as good as for ever. */
const ENDLESS_MS = 2 ** 31 - 1;

/** `--timeout` in the words of a goal; a negative one waits for ever. */
export function graceOf(args: Arguments): { readonly graceMs?: number } {
  const seconds = args.number('timeout');
  if (seconds === undefined) return {};
  return { graceMs: seconds < 0 ? ENDLESS_MS : seconds * 1000 };
}

/** `--index`, at least 1. */
export function indexOf(args: Arguments): number | undefined {
  const index = args.number('index');
  if (index === undefined || index === 0) return undefined;
  if (index > 0) return index;
  throw new ComposeError('usage', '--index counts from 1');
}
