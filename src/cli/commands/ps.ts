// `ps`: the containers of the project.
import { ComposeError } from '../../errors.ts';
import type { Arguments, CommandSpec } from '../command.ts';
import type { Column, Row } from '../listing.ts';

const STATES = ['created', 'running', 'paused', 'restarting', 'removing', 'exited', 'dead'];

const COLUMNS: readonly Column[] = [
  { title: 'NAME', field: 'Name' },
  { title: 'IMAGE', field: 'Image' },
  { title: 'COMMAND', field: 'Command' },
  { title: 'SERVICE', field: 'Service' },
  { title: 'CREATED', field: 'RunningFor' },
  { title: 'STATUS', field: 'Status' },
  { title: 'PORTS', field: 'Ports' },
];

export const command: CommandSpec = {
  name: 'ps',
  usage: '[OPTIONS] [SERVICE...]',
  summary: 'list containers',
  options: [
    { name: 'all', short: 'a', type: 'boolean', summary: 'also those that do not run, and one-offs' },
    { name: 'filter', type: 'list', value: 'FILTER', summary: 'status=STATE' },
    {
      name: 'format',
      type: 'string',
      value: 'FORMAT',
      summary: 'table, table TEMPLATE, json, or a Go template',
    },
    { name: 'no-trunc', type: 'boolean', summary: 'full ids and commands' },
    { name: 'orphans', type: 'boolean', summary: 'also services that the files do not have (the default)' },
    { name: 'quiet', short: 'q', type: 'boolean', summary: 'print ids only' },
    { name: 'services', type: 'boolean', summary: 'print the names of services only' },
    { name: 'status', type: 'list', value: 'STATE', summary: `one of ${STATES.join(', ')}`, choices: STATES },
  ],
  async run(context, args) {
    const [{ existingProject }, { projectRows, projectSightings }] = await Promise.all([
      import('../existing.ts'),
      import('../rows.ts'),
    ]);
    const states = wantedStates(args);
    const services = args.positionals;
    const project = await existingProject(context, services);
    const orphans = !args.given('orphans') || args.flag('orphans');
    const wanted = { services, all: args.flag('all'), states, orphans };
    if (args.flag('quiet')) {
      const sightings = await projectSightings(context, project, wanted);
      context.out(sightings.map(({ record }) => `${record.id}\n`).join(''));
      return 0;
    }
    const rows = await projectRows(context, project, { ...wanted, noTrunc: args.flag('no-trunc') });
    context.out(await textOf(rows, args));
    return 0;
  },
};

async function textOf(rows: readonly Row[], args: Arguments): Promise<string> {
  if (args.flag('services')) return [...new Set(rows.map((row) => `${row.Service}\n`))].join('');
  const { renderListing } = await import('../listing.ts');
  const titles = { ID: 'CONTAINER ID', Names: 'NAMES', RunningFor: 'CREATED', CreatedAt: 'CREATED AT' };
  return renderListing(rows, { format: args.text('format'), columns: COLUMNS, titles, json: 'lines' });
}

function wantedStates(args: Arguments): readonly string[] {
  const filtered = args.list('filter').map((filter) => {
    const [key, state = ''] = filter.split('=', 2);
    if (key === 'status' && STATES.includes(state)) return state;
    throw new ComposeError('usage', `--filter ${filter} is not known`, {
      hint: `it is status=STATE with one of ${STATES.join(', ')}`,
    });
  });
  return [...args.list('status'), ...filtered];
}
