// `image ls`: the images of this machine.
import type { CommandSpec } from '../../command.ts';

const COLUMNS = [
  { title: 'REPOSITORY', field: 'Repository' },
  { title: 'TAG', field: 'Tag' },
  { title: 'IMAGE ID', field: 'ID' },
  { title: 'CREATED', field: 'CreatedSince' },
  { title: 'SIZE', field: 'Size' },
];
const FILTERS = ['dangling', 'reference', 'label', 'before', 'since', 'until'] as const;
const DIGEST = { title: 'DIGEST', field: 'Digest' };

export const command: CommandSpec = {
  name: 'ls',
  usage: '[OPTIONS] [REPOSITORY[:TAG]]',
  summary: 'list images',
  options: [
    { name: 'all', short: 'a', type: 'boolean', summary: 'accepted; there are no images between steps' },
    {
      name: 'filter',
      short: 'f',
      type: 'list',
      value: 'FILTER',
      summary: 'dangling=, reference=, label=, before=, since=, until=',
    },
    { name: 'digests', type: 'boolean', summary: 'show digests' },
    { name: 'format', type: 'string', value: 'FORMAT', summary: 'table, json or a Go template' },
    { name: 'no-trunc', type: 'boolean', summary: 'show whole ids' },
    { name: 'quiet', short: 'q', type: 'boolean', summary: 'show only ids' },
  ],
  positionals: { max: 1 },
  async run(context, args) {
    const [{ listImages }, { renderListing }, { imageRow, matchesName }, { imageFilter }] = await Promise.all(
      [
        import('../../../images/image.ts'),
        import('../../listing.ts'),
        import('./row.ts'),
        import('./filter.ts'),
      ],
    );
    const wanted = args.positionals[0];
    const now = Date.now();
    const all = listImages(await context.state());
    const passes = imageFilter({ filters: args.list('filter'), allowed: FILTERS, images: all, now });
    const images = all.filter(
      (image) => (wanted === undefined || matchesName(image, wanted)) && passes(image),
    );
    const rows = images.map((image) => imageRow(image, { full: args.flag('no-trunc'), now }));
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
