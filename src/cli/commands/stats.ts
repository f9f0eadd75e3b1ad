// `stats`: what containers use of the machine.
import type { Arguments, CliContext, CommandSpec } from '../command.ts';
import type { Sighting } from '../rows.ts';
import type { Usage } from '../usage.ts';

const COLUMNS = [
  { title: 'CONTAINER ID', field: 'ID' },
  { title: 'NAME', field: 'Name' },
  { title: 'CPU %', field: 'CPUPerc' },
  { title: 'MEM USAGE / LIMIT', field: 'MemUsage' },
  { title: 'MEM %', field: 'MemPerc' },
  { title: 'NET I/O', field: 'NetIO' },
  { title: 'BLOCK I/O', field: 'BlockIO' },
  { title: 'PIDS', field: 'PIDs' },
];

const INTERVAL_MS = 1000;

export const command: CommandSpec = {
  name: 'stats',
  usage: '[OPTIONS] [SERVICE]',
  summary: 'show what containers use of processor, memory, network and disk',
  options: [
    { name: 'all', short: 'a', type: 'boolean', summary: 'also those that do not run' },
    {
      name: 'format',
      type: 'string',
      value: 'FORMAT',
      summary: 'table, table TEMPLATE, json, or a Go template',
    },
    { name: 'no-stream', type: 'boolean', summary: 'print once and end' },
    { name: 'no-trunc', type: 'boolean', summary: 'full ids' },
  ],
  positionals: { max: 1 },
  async run(context, args) {
    const [{ existingProject }, { projectContainers }, { isAlive }, { readUsage }, { setTimeout }] =
      await Promise.all([
        import('../existing.ts'),
        import('../rows.ts'),
        import('../../containers/status.ts'),
        import('../usage.ts'),
        import('node:timers/promises'),
      ]);
    const project = await existingProject(context, []);
    const [service] = args.positionals;
    const { signal } = context;
    let before = new Map<string, Usage>();
    for (let round = 0; !signal.aborted; round++) {
      const shown = (await projectContainers(context, project.name)).filter(
        ({ record, status }) =>
          (args.flag('all') || isAlive(status)) && (service === undefined || record.service === service),
      );
      const now = new Map(shown.map((one) => [one.record.id, readUsage(one.record, one.status)]));
      if (round > 0) await show(context, args, shown, { before, now });
      if (round > 0 && args.flag('no-stream')) return 0;
      before = now;
      await setTimeout(INTERVAL_MS, undefined, { signal }).catch(() => undefined);
    }
    return 0;
  },
};

interface Readings {
  readonly before: ReadonlyMap<string, Usage>;
  readonly now: ReadonlyMap<string, Usage>;
}

const CLEAR = '\u001b[2J\u001b[H';

async function show(
  context: CliContext,
  args: Arguments,
  shown: readonly Sighting[],
  readings: Readings,
): Promise<void> {
  const [{ renderListing }, { usageRow }] = await Promise.all([
    import('../listing.ts'),
    import('../usage.ts'),
  ]);
  const rows = shown.flatMap(({ record }) => {
    const now = readings.now.get(record.id);
    return now ? [usageRow(record, readings.before.get(record.id), now, args.flag('no-trunc'))] : [];
  });
  const text = renderListing(rows, { format: args.text('format'), columns: COLUMNS, json: 'lines' });
  const redraws = !args.flag('no-stream') && context.isTerminal('stdout') && !args.given('format');
  context.out(redraws ? `${CLEAR}${text}` : text);
}
