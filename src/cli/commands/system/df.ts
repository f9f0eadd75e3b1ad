// `system df`: the disk space that images, containers and volumes take.
import type { CommandSpec } from '../../command.ts';

const COLUMNS = [
  { title: 'TYPE', field: 'Type' },
  { title: 'TOTAL', field: 'TotalCount' },
  { title: 'ACTIVE', field: 'Active' },
  { title: 'SIZE', field: 'Size' },
  { title: 'RECLAIMABLE', field: 'Reclaimable' },
];

export const command: CommandSpec = {
  name: 'df',
  usage: '[OPTIONS]',
  summary: 'show the disk space that images, containers and volumes take',
  options: [{ name: 'format', type: 'string', value: 'FORMAT', summary: 'table, json or a Go template' }],
  positionals: { max: 0 },
  async run(context, args) {
    const [{ diskRows }, { renderListing }] = await Promise.all([
      import('./rows.ts'),
      import('../../listing.ts'),
    ]);
    const rows = await diskRows(await context.state());
    context.out(renderListing(rows, { format: args.text('format'), columns: COLUMNS, json: 'lines' }));
    return 0;
  },
};
