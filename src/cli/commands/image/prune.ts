// `image prune`: removes images that nobody needs.
import type { CommandSpec } from '../../command.ts';

export const command: CommandSpec = {
  name: 'prune',
  usage: '[OPTIONS]',
  summary: 'remove images without a name, and with --all those that no container uses',
  options: [
    { name: 'all', short: 'a', type: 'boolean', summary: 'also images with a name that no container uses' },
    {
      name: 'filter',
      type: 'list',
      value: 'FILTER',
      summary: 'only images with until=TIME, label=, label!=',
    },
    { name: 'force', short: 'f', type: 'boolean', summary: 'do not ask' },
  ],
  positionals: { max: 0 },
  async run(context, args) {
    const [{ pruneImages }, { imagesInUse }, { decimalSize }, { confirm }, { imageFilter, PRUNE_FILTERS }] =
      await Promise.all([
        import('../../../images/collect.ts'),
        import('../../../engine/images-in-use.ts'),
        import('../../output.ts'),
        import('../../confirm.ts'),
        import('./filter.ts'),
      ]);
    const which = args.flag('all') ? 'all images that no container uses' : 'all images without a name';
    if (!args.flag('force') && !confirm(context, `This removes ${which}.`)) return 0;
    const state = await context.state();
    const { untagged, deleted, reclaimed } = await pruneImages(state, {
      all: args.flag('all'),
      inUse: () => imagesInUse(state),
      filter: (all) =>
        imageFilter({ filters: args.list('filter'), allowed: PRUNE_FILTERS, images: all, now: Date.now() }),
      signal: context.signal,
    });
    for (const name of untagged) context.out(`Untagged: ${name}\n`);
    for (const id of deleted) context.out(`Deleted: ${id}\n`);
    context.out(`Total reclaimed space: ${decimalSize(reclaimed)}\n`);
    return 0;
  },
};
