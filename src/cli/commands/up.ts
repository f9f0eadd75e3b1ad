// `up`: everything as the files say, and, unless detached, what the containers write until they end.
import { ComposeError } from '../../errors.ts';
import type { UpGoal } from '../../plan/goal.ts';
import type { Arguments, CommandSpec, OptionSpec } from '../command.ts';
import { graceOf, MAKING, makingGoal, RECREATING, recreatingGoal, TIMEOUT, WAIT } from '../options.ts';

/** Options that only mean something while attached. */
const ATTACHED: readonly OptionSpec[] = [
  { name: 'abort-on-container-exit', type: 'boolean', summary: 'stop all when one container has ended' },
  { name: 'abort-on-container-failure', type: 'boolean', summary: 'stop all when one container has failed' },
  { name: 'attach', type: 'list', value: 'SERVICE', summary: 'show the output of these services only' },
  { name: 'attach-dependencies', type: 'boolean', summary: 'show the output of what the services depend on' },
  {
    name: 'exit-code-from',
    type: 'string',
    value: 'SERVICE',
    summary: 'end with the exit code of this service',
  },
  { name: 'menu', type: 'boolean', summary: 'no effect', hidden: true },
  { name: 'no-attach', type: 'list', value: 'SERVICE', summary: 'do not show the output of these services' },
  { name: 'no-color', type: 'boolean', summary: 'no colours' },
  { name: 'no-log-prefix', type: 'boolean', summary: 'lines without the name of the container' },
  { name: 'timestamps', type: 'boolean', summary: 'show the time of each line' },
];

const CONFLICTS: Readonly<Record<string, readonly string[]>> = {
  detach: [
    'abort-on-container-exit',
    'abort-on-container-failure',
    'exit-code-from',
    'attach',
    'attach-dependencies',
  ],
  wait: [
    'abort-on-container-exit',
    'abort-on-container-failure',
    'exit-code-from',
    'attach',
    'attach-dependencies',
  ],
  'abort-on-container-exit': ['abort-on-container-failure'],
  attach: ['attach-dependencies'],
  'no-recreate': ['always-recreate-deps', 'renew-anon-volumes'],
};

const OPTIONS: readonly OptionSpec[] = [
  { name: 'always-recreate-deps', type: 'boolean', summary: 'make what the services depend on anew too' },
  ...ATTACHED,
  { name: 'detach', short: 'd', type: 'boolean', summary: 'return when everything has started' },
  ...MAKING,
  { name: 'no-deps', type: 'boolean', summary: 'leave alone what the services depend on' },
  { name: 'no-start', type: 'boolean', summary: 'make containers, start nothing' },
  { name: 'quiet-build', type: 'boolean', summary: 'no output of building' },
  {
    name: 'renew-anon-volumes',
    short: 'V',
    type: 'boolean',
    summary: 'new anonymous volumes instead of the old ones',
  },
  ...RECREATING,
  TIMEOUT,
  ...WAIT,
  { name: 'watch', short: 'w', type: 'boolean', summary: 'not supported yet', hidden: true },
];

export const command: CommandSpec = {
  name: 'up',
  usage: '[OPTIONS] [SERVICE...]',
  summary: 'make and start containers, and show what they write',
  options: OPTIONS.map((option) => {
    const excludes = [...(option.excludes ?? []), ...(CONFLICTS[option.name] ?? [])];
    return excludes.length === 0 ? option : { ...option, excludes };
  }),
  async run(context, args) {
    const services = args.positionals;
    if (args.flag('watch')) throw new ComposeError('unsupported', 'watching files is not supported yet');
    const project = await context.loadProject({ services, frozen: args.flag('frozen') });
    const goal = goalOf(args);
    const detached = args.flag('detach') || args.flag('wait') || args.flag('no-start');
    if (detached || context.global.dryRun) {
      const { perform } = await import('../perform.ts');
      return perform(context, project, goal, { waitMs: waitMsOf(args) });
    }
    const { upAttached } = await import('../up-attached.ts');
    return upAttached(context, project, { goal, ...attachedOptions(args), ...graceOf(args) });
  },
};

function goalOf(args: Arguments): UpGoal {
  const always = args.flag('always-recreate-deps') ? 'force' : 'diverged';
  return {
    kind: 'up',
    services: args.positionals,
    noDeps: args.flag('no-deps'),
    start: !args.flag('no-start'),
    renewVolumes: args.flag('renew-anon-volumes'),
    recreateDependencies: args.flag('no-recreate') ? 'never' : always,
    wait: args.flag('wait'),
    ...makingGoal(args, process.env),
    ...recreatingGoal(args),
    ...graceOf(args),
  };
}

function waitMsOf(args: Arguments): number {
  const seconds = args.number('wait-timeout') ?? 0;
  if (seconds < 0) throw new ComposeError('usage', '--wait-timeout cannot be negative');
  return seconds * 1000;
}

function attachedOptions(args: Arguments) {
  const exitCodeFrom = args.text('exit-code-from');
  const onFailure = args.flag('abort-on-container-failure');
  const onExit = args.flag('abort-on-container-exit') || (exitCodeFrom !== undefined && !onFailure);
  return {
    attach: args.list('attach'),
    noAttach: args.list('no-attach'),
    attachDependencies: args.flag('attach-dependencies'),
    abortOn: onExit ? 'exit' : onFailure ? 'failure' : 'never',
    exitCodeFrom,
    prefix: !args.flag('no-log-prefix'),
    timestamps: args.flag('timestamps'),
    noColor: args.flag('no-color'),
  } as const;
}
