// `system prune`: containers that do not run, and images that nobody needs.
import type { CommandSpec } from '../../command.ts';

export const command: CommandSpec = {
  name: 'prune',
  usage: '[OPTIONS]',
  summary: 'remove stopped containers and images without a name',
  options: [
    { name: 'all', short: 'a', type: 'boolean', summary: 'also images with a name that no container uses' },
    { name: 'force', short: 'f', type: 'boolean', summary: 'do not ask' },
    { name: 'volumes', type: 'boolean', summary: 'also volumes that no container uses' },
  ],
  positionals: { max: 0 },
  async run(context, args) {
    const [
      { pruneContainers, pruneVolumes },
      { pruneImages },
      { imagesInUse },
      { decimalSize },
      { confirm },
    ] = await Promise.all([
      import('./remove.ts'),
      import('../../../images/collect.ts'),
      import('../image/in-use.ts'),
      import('../../output.ts'),
      import('../../confirm.ts'),
    ]);
    const question = 'This removes all stopped containers and the images that nobody needs.';
    if (!args.flag('force') && !confirm(context, question)) return 0;
    const state = await context.state();
    for (const name of await pruneContainers(context)) context.out(`Deleted: ${name}\n`);
    if (args.flag('volumes'))
      for (const name of await pruneVolumes(context)) context.out(`Deleted: ${name}\n`);
    const inUse = await imagesInUse(state);
    const images = await pruneImages(state, { all: args.flag('all'), inUse, signal: context.signal });
    for (const id of images.deleted) context.out(`Deleted: ${id}\n`);
    context.out(`Total reclaimed space: ${decimalSize(images.reclaimed)}\n`);
    return 0;
  },
};
