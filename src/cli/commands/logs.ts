// `logs`: what containers wrote.

import type { ContainerRecord } from '../../containers/record.ts';
import { ComposeError } from '../../errors.ts';
import type { Arguments, CliContext, CommandSpec } from '../command.ts';
import type { From } from '../log-follow.ts';
import type { LogPrinter } from '../log-lines.ts';
import { INDEX, indexOf } from '../options.ts';
import { styled } from '../output.ts';
import type { Sighting } from '../rows.ts';

export const command: CommandSpec = {
  name: 'logs',
  usage: '[OPTIONS] [SERVICE...]',
  summary: 'print what containers wrote',
  options: [
    {
      name: 'follow',
      short: 'f',
      type: 'boolean',
      summary: 'go on with what comes, until all containers have ended',
    },
    INDEX,
    { name: 'no-color', type: 'boolean', summary: 'no colours' },
    { name: 'no-log-prefix', type: 'boolean', summary: 'lines without the name of the container' },
    {
      name: 'since',
      type: 'string',
      value: 'TIME',
      summary: 'from then on: 2024-01-02T03:04:05Z, or 10m ago',
    },
    { name: 'tail', short: 'n', type: 'string', value: 'N', summary: 'so many lines from the end, or all' },
    { name: 'timestamps', short: 't', type: 'boolean', summary: 'show the time of each line' },
    { name: 'until', type: 'string', value: 'TIME', summary: 'until then' },
  ],
  async run(context, args) {
    const [{ existingProject }, { projectContainers }, { LogPrinter }] = await Promise.all([
      import('../existing.ts'),
      import('../rows.ts'),
      import('../log-lines.ts'),
    ]);
    const services = args.positionals;
    const project = await existingProject(context, services);
    const index = indexOf(args);
    const isWanted = (record: ContainerRecord) =>
      record.project === project.name &&
      (services.length === 0 || services.includes(record.service)) &&
      (index === undefined || record.number === index);
    const sightings = (await projectContainers(context, project.name)).filter(({ record }) =>
      isWanted(record),
    );
    const printer = new LogPrinter(context, {
      prefix: !args.flag('no-log-prefix'),
      timestamps: args.flag('timestamps'),
      colours: !args.flag('no-color') && context.colours('stdout'),
    });
    const from = fromOf(args);
    printer.expect(sightings.map(({ record }) => record));
    if (args.flag('follow')) await follow(context, sightings, { printer, from, isWanted });
    else await printAll(context, sightings, { printer, from });
    await warnOfMissing(context, sightings);
    return 0;
  },
};

/** As Docker Compose does: the others are shown all the same. */
async function warnOfMissing(context: CliContext, sightings: readonly Sighting[]): Promise<void> {
  const { missingLog } = await import('../../containers/logs.ts');
  for (const { record } of sightings) {
    const missing = missingLog(record);
    const word = styled('warning', 'yellow', context.colours('stderr'));
    if (missing !== undefined) context.err(`${word}: ${missing}\n`);
  }
}

function fromOf(args: Arguments): From {
  const tail = args.text('tail') ?? 'all';
  if (tail !== 'all' && !/^-?\d+$/.test(tail)) {
    throw new ComposeError('usage', `--tail needs a number or all, not ${JSON.stringify(tail)}`);
  }
  const count = tail === 'all' || tail.startsWith('-') ? undefined : Number(tail);
  return { tail: count, since: args.text('since'), until: args.text('until') };
}

interface Printing {
  readonly printer: LogPrinter;
  readonly from: From;
}

async function printAll(
  context: CliContext,
  sightings: readonly Sighting[],
  { printer, from }: Printing,
): Promise<void> {
  const { readLogs } = await import('../../containers/logs.ts');
  const state = await context.state();
  for (const { record } of sightings) {
    if (!record.logKept) continue;
    for await (const entry of readLogs(state, record, from)) printer.print(record, entry);
    printer.end(record);
  }
}

interface Following extends Printing {
  readonly isWanted: (record: ContainerRecord) => boolean;
}

/** Ends when every container has ended, at the time that `--until` says, or at an interrupt. */
async function follow(
  context: CliContext,
  sightings: readonly Sighting[],
  following: Following,
): Promise<void> {
  const [{ ContainerWatch }, { LogFollower, canWrite, sinceStart }, { timeKey }] = await Promise.all([
    import('../watch.ts'),
    import('../log-follow.ts'),
    import('../../containers/logs.ts'),
  ]);
  const state = await context.state();
  const { printer, from, isWanted } = following;
  const follower = new LogFollower(state, printer);
  let noteEnd = (): void => undefined;
  const ended = new Promise<void>((resolve) => {
    noteEnd = resolve;
  });
  const watch = new ContainerWatch(state, isWanted, ({ happening, record, status }) => {
    if (happening.kind === 'start') follower.follow(record, sinceStart(status));
    if (!watch.current.some((one) => canWrite(one.status))) noteEnd();
  });
  context.signal.addEventListener('abort', () => noteEnd(), { once: true });
  const now = Date.now();
  const timer =
    from.until === undefined
      ? undefined
      : setTimeout(noteEnd, Math.max(0, Date.parse(timeKey(from.until, now)) - now));
  for (const { record } of sightings) follower.follow(record, from);
  if (!watch.current.some((one) => canWrite(one.status))) noteEnd();
  await ended;
  clearTimeout(timer);
  await follower.finish();
  watch.close();
}
