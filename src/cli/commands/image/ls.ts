// `image ls`: the images of this machine.
import type { CommandSpec } from '../../command.ts';

const COLUMNS = [
  { title: 'REPOSITORY', field: 'Repository' },
  { title: 'TAG', field: 'Tag' },
  { title: 'IMAGE ID', field: 'ID' },
  { title: 'CREATED', field: 'CreatedSince' },
  { title: 'SIZE', field: 'Size' },
];
const DIGEST = { title: 'DIGEST', field: 'Digest' };

export const command: CommandSpec = {
  name: 'ls',
  usage: '[OPTIONS] [REPOSITORY[:TAG]]',
  summary: 'list images',
  options: [
    { name: 'digests', type: 'boolean', summary: 'show digests' },
    { name: 'format', type: 'string', value: 'FORMAT', summary: 'table, json or a Go template' },
    { name: 'no-trunc', type: 'boolean', summary: 'show whole ids' },
    { name: 'quiet', short: 'q', type: 'boolean', summary: 'show only ids' },
  ],
  positionals: { max: 1 },
  async run(context, args) {
    const [{ listImages }, { renderListing }, { imageRow, matchesName }] = await Promise.all([
      import('../../../images/image.ts'),
      import('../../listing.ts'),
      import('./row.ts'),
    ]);
    const wanted = args.positionals[0];
    const images = listImages(await context.state()).filter(
      (image) => wanted === undefined || matchesName(image, wanted),
    );
    const rows = images.map((image) => imageRow(image, { full: args.flag('no-trunc'), now: Date.now() }));
    if (args.flag('quiet')) {
      context.out([...new Set(rows.map((row) => `${row.ID}\n`))].join(''));
      return 0;
    }
    const [repository, tag, ...others] = COLUMNS;
    const columns =
      args.flag('digests') && repository && tag ? [repository, tag, DIGEST, ...others] : COLUMNS;
    context.out(renderListing(rows, { format: args.text('format'), columns, json: 'lines' }));
    return 0;
  },
};
