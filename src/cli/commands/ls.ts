// `ls`: the projects of this machine.
import { dockerState } from '../../containers/status.ts';
import { ComposeError } from '../../errors.ts';
import type { CommandSpec } from '../command.ts';
import type { Row } from '../listing.ts';
import type { Sighting } from '../rows.ts';

const COLUMNS = [
  { title: 'NAME', field: 'Name' },
  { title: 'STATUS', field: 'Status' },
  { title: 'CONFIG FILES', field: 'ConfigFiles' },
];

const MIN_WIDTH = 20;
const CONFIG_FILES = 'com.docker.compose.project.config_files';

export const command: CommandSpec = {
  name: 'ls',
  usage: '[OPTIONS]',
  summary: 'list projects',
  options: [
    { name: 'all', short: 'a', type: 'boolean', summary: 'also those of which nothing runs' },
    { name: 'filter', type: 'list', value: 'FILTER', summary: 'name=PATTERN' },
    { name: 'format', type: 'string', value: 'FORMAT', summary: 'table or json', choices: ['table', 'json'] },
    { name: 'quiet', short: 'q', type: 'boolean', summary: 'print names only' },
  ],
  positionals: { max: 0 },
  async run(context, args) {
    const [{ renderListing }, { listContainers }, { isPast, sight }] = await Promise.all([
      import('../listing.ts'),
      import('../../containers/listing.ts'),
      import('../../containers/status.ts'),
    ]);
    const state = await context.state();
    const isWanted = nameFilter(args.list('filter'));
    const sightings = sight(state, listContainers(state)).filter(
      ({ record, status }) => !isPast(record, status),
    );
    const rows = byProject(sightings)
      .map(([name, containers]) => projectRow(name, containers))
      .filter(
        (row) => isWanted(String(row.Name)) && (args.flag('all') || String(row.Status).includes('running')),
      );
    if (args.flag('quiet')) context.out(rows.map(({ Name }) => `${Name}\n`).join(''));
    else {
      const format = args.text('format');
      context.out(renderListing(rows, { format, columns: COLUMNS, json: 'array', minWidth: MIN_WIDTH }));
    }
    return 0;
  },
};

function byProject(sightings: readonly Sighting[]): readonly [string, readonly Sighting[]][] {
  const projects = new Map<string, Sighting[]>();
  for (const sighting of sightings) {
    const list = projects.get(sighting.record.project);
    if (list) list.push(sighting);
    else projects.set(sighting.record.project, [sighting]);
  }
  return [...projects].sort(([a], [b]) => (a < b ? -1 : 1));
}

/** `Status` counts states: `exited(1), running(2)`. */
function projectRow(name: string, sightings: readonly Sighting[]): Row {
  const counts = new Map<string, number>();
  for (const state of sightings.map(({ status }) => dockerState(status)))
    counts.set(state, (counts.get(state) ?? 0) + 1);
  const status = [...counts]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([state, count]) => `${state}(${count})`)
    .join(', ');
  const files = new Set(
    sightings.map(({ record }) => record.labels[CONFIG_FILES] ?? '').filter((file) => file !== ''),
  );
  return { Name: name, Status: status, ConfigFiles: files.size === 0 ? 'N/A' : [...files].join(',') };
}

function nameFilter(filters: readonly string[]): (name: string) => boolean {
  const patterns = filters.map((filter) => {
    const [key, pattern = ''] = filter.split('=', 2);
    if (key !== 'name')
      throw new ComposeError('usage', `--filter ${filter} is not known; it is name=PATTERN`);
    try {
      return new RegExp(pattern);
    } catch (cause) {
      throw new ComposeError('usage', `--filter ${filter} is no regular expression`, { cause });
    }
  });
  return (name) => patterns.length === 0 || patterns.some((pattern) => pattern.test(name));
}
