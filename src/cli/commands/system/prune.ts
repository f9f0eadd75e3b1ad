// `system prune`: containers that do not run, networks and images that nobody needs.
import type { CommandSpec } from '../../command.ts';

export const command: CommandSpec = {
  name: 'prune',
  usage: '[OPTIONS]',
  summary: 'remove stopped containers, networks without containers and images without a name',
  options: [
    { name: 'all', short: 'a', type: 'boolean', summary: 'also images with a name that no container uses' },
    {
      name: 'filter',
      type: 'list',
      value: 'FILTER',
      summary: 'only images with until=TIME, label=, label!=',
    },
    { name: 'force', short: 'f', type: 'boolean', summary: 'do not ask' },
    { name: 'volumes', type: 'boolean', summary: 'also volumes that no container uses' },
  ],
  positionals: { max: 0 },
  async run(context, args) {
    const [
      { pruneContainers, pruneNetworks, pruneVolumes },
      { pruneImages },
      { imagesInUse },
      { decimalSize },
      { confirm },
      { familiarName },
      { imageFilter, PRUNE_FILTERS },
    ] = await Promise.all([
      import('./remove.ts'),
      import('../../../images/collect.ts'),
      import('../../../engine/images-in-use.ts'),
      import('../../output.ts'),
      import('../../confirm.ts'),
      import('../image/names.ts'),
      import('../image/filter.ts'),
    ]);
    const question = 'This removes all stopped containers, and the networks and images that nobody needs.';
    if (!args.flag('force') && !confirm(context, question)) return 0;
    const state = await context.state();
    for (const name of await pruneContainers(context)) context.out(`Deleted: ${name}\n`);
    for (const name of await pruneNetworks(state)) context.out(`Deleted: ${name}\n`);
    if (args.flag('volumes'))
      for (const name of await pruneVolumes(context)) context.out(`Deleted: ${name}\n`);
    const images = await pruneImages(state, {
      all: args.flag('all'),
      inUse: () => imagesInUse(state),
      filter: (all) =>
        imageFilter({ filters: args.list('filter'), allowed: PRUNE_FILTERS, images: all, now: Date.now() }),
      signal: context.signal,
    });
    for (const name of images.untagged) context.out(`Untagged: ${familiarName({ name, id: '' })}\n`);
    for (const id of images.deleted) context.out(`Deleted: ${id}\n`);
    context.out(`Total reclaimed space: ${decimalSize(images.reclaimed)}\n`);
    return 0;
  },
};
