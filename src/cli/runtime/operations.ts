// The operations of `runtime`: their options, and the functions that do them.
import type { RuntimeContext } from '../../containers/runtime/context.ts';
import type { CreateOptions } from '../../containers/runtime/create.ts';
import { ComposeError } from '../../errors.ts';
import { parseArguments } from '../arguments.ts';
import type { Arguments, CliContext, OptionSpec } from '../command.ts';

export interface OperationContext extends RuntimeContext {
  readonly cli: CliContext;
}

type Operation = (ctx: OperationContext, words: readonly string[]) => Promise<number>;

interface Definition {
  readonly options: readonly OptionSpec[];
  /** Fewest and most arguments. */
  readonly arguments: readonly [min: number, max: number];
  readonly stopsAtPositional?: boolean;
  run(ctx: OperationContext, args: Arguments): Promise<number>;
}

/** Throws ComposeError `usage` for a name that is none. */
export function findOperation(name: string): Operation {
  const found = Object.hasOwn(OPERATIONS, name) ? OPERATIONS[name] : undefined;
  if (found === undefined) {
    const known = Object.keys(OPERATIONS).join(', ');
    throw new ComposeError('usage', `unknown operation ${JSON.stringify(name)}: known are ${known}`);
  }
  return async (ctx, words) => {
    const { options, stopsAtPositional = false } = found;
    const { args } = parseArguments(words, {
      owner: `tscompose runtime ${name}`,
      options,
      stopsAtPositional,
    });
    const [min, max] = found.arguments;
    const count = args.positionals.length;
    if (count < min || count > max) {
      const many = count < min ? 'few' : 'many';
      throw new ComposeError('usage', `runtime ${name}: too ${many} arguments`);
    }
    return found.run(ctx, args);
  };
}

const flag = (name: string, short?: string): OptionSpec => ({
  name,
  type: 'boolean',
  summary: '',
  ...(short ? { short } : {}),
});
const text = (name: string, short?: string): OptionSpec => ({
  name,
  type: 'string',
  summary: '',
  ...(short ? { short } : {}),
});
const list = (name: string, short?: string): OptionSpec => ({
  name,
  type: 'list',
  summary: '',
  ...(short ? { short } : {}),
});
const number = (name: string): OptionSpec => ({ name, type: 'number', summary: '' });

const CREATE: readonly OptionSpec[] = [
  text('bundle', 'b'),
  text('console-socket'),
  text('pidfd-socket'),
  text('pid-file'),
  flag('no-pivot'),
  flag('no-new-keyring'),
  number('preserve-fds'),
];

const LIMITS = [
  ['cpu-period', 'cpu', 'period'],
  ['cpu-quota', 'cpu', 'quota'],
  ['cpu-share', 'cpu', 'shares'],
  ['cpu-rt-period', 'cpu', 'realtimePeriod'],
  ['cpu-rt-runtime', 'cpu', 'realtimeRuntime'],
  ['cpuset-cpus', 'cpu', 'cpus'],
  ['cpuset-mems', 'cpu', 'mems'],
  ['memory', 'memory', 'limit'],
  ['memory-reservation', 'memory', 'reservation'],
  ['memory-swap', 'memory', 'swap'],
  ['blkio-weight', 'blockIO', 'weight'],
  ['pids-limit', 'pids', 'limit'],
] as const;

const OPERATIONS: Readonly<Record<string, Definition>> = {
  create: {
    options: CREATE,
    arguments: [1, 1],
    async run(ctx, args) {
      const { createContainer } = await import('../../containers/runtime/create.ts');
      createContainer(ctx, createOptions(args));
      return 0;
    },
  },
  start: {
    options: [],
    arguments: [1, 1],
    async run(ctx, args) {
      const { startContainer } = await import('../../containers/runtime/start.ts');
      startContainer(ctx, idOf(args));
      return 0;
    },
  },
  run: {
    options: [...CREATE, flag('detach', 'd'), flag('keep'), flag('no-subreaper')],
    arguments: [1, 1],
    async run(ctx, args) {
      const { createContainer, runContainer } = await import('../../containers/runtime/create.ts');
      const { startContainer } = await import('../../containers/runtime/start.ts');
      const options = createOptions(args);
      if (!args.flag('detach')) return runContainer(ctx, { ...options, keep: args.flag('keep') });
      createContainer(ctx, options);
      startContainer(ctx, options.id);
      return 0;
    },
  },
  state: {
    options: [],
    arguments: [1, 1],
    async run(ctx, args) {
      const { describeContainer } = await import('../../containers/runtime/show.ts');
      return printJson(ctx, describeContainer(ctx, idOf(args)), 2);
    },
  },
  kill: {
    options: [flag('all', 'a')],
    arguments: [1, 2],
    async run(ctx, args) {
      const { killContainer } = await import('../../containers/runtime/delete.ts');
      const [, signal = 'SIGTERM'] = args.positionals;
      killContainer(ctx, idOf(args), { signal, all: args.flag('all') });
      return 0;
    },
  },
  delete: {
    options: [flag('force', 'f')],
    arguments: [1, 1],
    async run(ctx, args) {
      const { deleteContainer } = await import('../../containers/runtime/delete.ts');
      deleteContainer(ctx, idOf(args), args.flag('force'));
      return 0;
    },
  },
  exec: {
    options: [
      text('process', 'p'),
      text('console-socket'),
      text('pidfd-socket'),
      text('cwd'),
      list('env', 'e'),
      flag('tty', 't'),
      text('user', 'u'),
      list('additional-gids', 'g'),
      flag('detach', 'd'),
      text('pid-file'),
      text('process-label'),
      text('apparmor'),
      flag('no-new-privs'),
      list('cap', 'c'),
      number('preserve-fds'),
      list('cgroup'),
      flag('ignore-paused'),
    ],
    arguments: [1, Number.POSITIVE_INFINITY],
    stopsAtPositional: true,
    async run(ctx, args) {
      const { execProcess } = await import('../../containers/runtime/exec.ts');
      return execProcess(ctx, execOptions(args));
    },
  },
  list: {
    options: [text('format', 'f'), flag('quiet', 'q')],
    arguments: [0, 0],
    async run(ctx, args) {
      const { describeAll } = await import('../../containers/runtime/show.ts');
      const all = describeAll(ctx);
      if (args.text('format') === 'json') return printJson(ctx, all);
      if (args.flag('quiet')) return print(ctx, all.map(({ id }) => `${id}\n`).join(''));
      const rows = all.map((one) => [
        one.id,
        String(one.pid),
        one.status,
        one.bundle,
        one.created,
        one.owner,
      ]);
      return print(ctx, table([['ID', 'PID', 'STATUS', 'BUNDLE', 'CREATED', 'OWNER'], ...rows]));
    },
  },
  ps: {
    options: [text('format', 'f')],
    arguments: [1, Number.POSITIVE_INFINITY],
    stopsAtPositional: true,
    async run(ctx, args) {
      // runc takes its options behind the id too.
      const [id = '', ...rest] = args.positionals;
      const format = args.text('format') ?? rest[rest.indexOf('--format') + 1];
      const { processIds, commandLine } = await import('../../containers/runtime/show.ts');
      const pids = processIds(ctx, id);
      if (format === 'json') return printJson(ctx, pids);
      return print(ctx, table([['PID', 'COMMAND'], ...pids.map((pid) => [String(pid), commandLine(pid)])]));
    },
  },
  pause: { options: [], arguments: [1, 1], run: async (ctx, args) => setFrozen(ctx, args, true) },
  resume: { options: [], arguments: [1, 1], run: async (ctx, args) => setFrozen(ctx, args, false) },
  update: {
    options: [text('resources', 'r'), ...LIMITS.map(([name]) => text(name))],
    arguments: [1, 1],
    async run(ctx, args) {
      const { decodeUpdate, updateResources } = await import('../../containers/runtime/resources.ts');
      updateResources(ctx, idOf(args), decodeUpdate(await updateText(args)));
      return 0;
    },
  },
  events: {
    options: [flag('stats'), text('interval')],
    arguments: [1, 1],
    async run(ctx, args) {
      const { statistics } = await import('../../containers/runtime/resources.ts');
      if (!args.flag('stats')) throw new ComposeError('unsupported', 'events are shown with --stats only');
      return printJson(ctx, statistics(ctx, idOf(args)));
    },
  },
  features: {
    options: [],
    arguments: [0, 0],
    async run(ctx) {
      const { features } = await import('../../containers/runtime/features.ts');
      return printJson(ctx, features(ctx.machine()), 2);
    },
  },
};

function idOf(args: Arguments): string {
  return args.positionals[0] ?? '';
}

function print(ctx: OperationContext, output: string): number {
  ctx.cli.out(output);
  return 0;
}

function printJson(ctx: OperationContext, value: unknown, indent = 0): number {
  return print(ctx, `${JSON.stringify(value, null, indent)}\n`);
}

function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => (row[column] ?? '').length)),
  );
  const line = (row: readonly string[]) =>
    row.map((cell, column) => cell.padEnd((widths[column] ?? 0) + 3)).join('');
  return rows.map((row) => `${line(row).trimEnd()}\n`).join('');
}

function given<K extends string>(key: K, value: string | undefined): { readonly [P in K]?: string } {
  return value === undefined ? {} : ({ [key]: value } as { readonly [P in K]?: string });
}

function createOptions(args: Arguments): CreateOptions {
  return {
    id: idOf(args),
    bundle: args.text('bundle') ?? '.',
    ...given('consoleSocket', args.text('console-socket')),
    ...given('pidFile', args.text('pid-file')),
    noPivot: args.flag('no-pivot'),
    noNewKeyring: args.flag('no-new-keyring'),
    preserveFds: args.number('preserve-fds') ?? 0,
  };
}

function execOptions(args: Arguments) {
  const [id = '', ...words] = args.positionals;
  return {
    id,
    args: words,
    ...given('processFile', args.text('process')),
    ...given('cwd', args.text('cwd')),
    ...given('user', args.text('user')),
    ...given('consoleSocket', args.text('console-socket')),
    ...given('pidFile', args.text('pid-file')),
    env: args.list('env'),
    tty: args.flag('tty'),
    additionalGids: args.list('additional-gids').map(Number),
    capabilities: args.list('cap'),
    noNewPrivileges: args.flag('no-new-privs'),
    detach: args.flag('detach'),
    preserveFds: args.number('preserve-fds') ?? 0,
  };
}

async function setFrozen(ctx: OperationContext, args: Arguments, frozen: boolean): Promise<number> {
  const [{ freeze }, { readState, statusOf }] = await Promise.all([
    import('../../containers/runtime/control-groups.ts'),
    import('../../containers/runtime/state.ts'),
  ]);
  const record = readState(ctx.root, idOf(args));
  const status = statusOf(ctx.root, record);
  const wanted = frozen ? ['running', 'created'] : ['paused'];
  if (!wanted.includes(status)) {
    throw new ComposeError(
      'container-state',
      `cannot ${frozen ? 'pause' : 'resume'} a container that is ${status}`,
    );
  }
  freeze(record.cgroups, frozen);
  return 0;
}

async function updateText(args: Arguments): Promise<string> {
  const { readFileSync } = await import('node:fs');
  const file = args.text('resources');
  if (file !== undefined) return readFileSync(file === '-' ? 0 : file, 'utf8');
  const resources: Record<string, Record<string, string | number>> = {};
  for (const [name, group, property] of LIMITS) {
    const value = args.text(name);
    if (value === undefined) continue;
    const isText = property === 'cpus' || property === 'mems';
    resources[group] = { ...resources[group], [property]: isText ? value : Number(value) };
  }
  return JSON.stringify(resources);
}
