// `image history`: the steps that an image was made by.
import type { CommandSpec } from '../../command.ts';

const COLUMNS = [
  { title: 'IMAGE', field: 'ID' },
  { title: 'CREATED', field: 'CreatedSince' },
  { title: 'CREATED BY', field: 'CreatedBy' },
  { title: 'SIZE', field: 'Size' },
  { title: 'COMMENT', field: 'Comment' },
];
const LONGEST = 45;

export const command: CommandSpec = {
  name: 'history',
  usage: '[OPTIONS] IMAGE',
  summary: 'show the steps that an image was made by, last first',
  options: [
    { name: 'format', type: 'string', value: 'FORMAT', summary: 'table, json or a Go template' },
    {
      name: 'human',
      short: 'H',
      type: 'boolean',
      summary: 'sizes and times for people; --human=false: bytes and exact times',
    },
    { name: 'no-trunc', type: 'boolean', summary: 'show whole commands' },
    { name: 'quiet', short: 'q', type: 'boolean', summary: 'show only ids' },
  ],
  positionals: { min: 1, max: 1 },
  async run(context, args) {
    const [{ historyOf }, { renderListing }, output] = await Promise.all([
      import('../../../images/describe.ts'),
      import('../../listing.ts'),
      import('../../output.ts'),
    ]);
    const steps = historyOf(await context.state(), args.positionals[0] ?? '');
    const human = !args.given('human') || args.flag('human');
    const since = (created: string): string =>
      human ? `${output.humanDuration(Date.now() - Date.parse(created))} ago` : created;
    const rows = steps.map(({ id, created, createdBy, size, comment }) => ({
      ID: args.flag('no-trunc') ? id : id.replace('sha256:', '').slice(0, 12),
      CreatedAt: created ?? '',
      CreatedSince: created === undefined ? 'N/A' : since(created),
      CreatedBy: args.flag('no-trunc') ? createdBy : output.truncate(createdBy, LONGEST),
      Size: human ? output.decimalSize(size) : String(size),
      Comment: comment,
    }));
    if (args.flag('quiet')) {
      context.out(rows.map(({ ID }) => `${ID}\n`).join(''));
      return 0;
    }
    context.out(renderListing(rows, { format: args.text('format'), columns: COLUMNS, json: 'lines' }));
    return 0;
  },
};
