// `image rm`: takes names away, and images that have none left.
import type { CommandSpec } from '../../command.ts';

export const command: CommandSpec = {
  name: 'rm',
  usage: '[OPTIONS] IMAGE [IMAGE...]',
  summary: 'remove images',
  options: [
    {
      name: 'force',
      short: 'f',
      type: 'boolean',
      summary: 'also when a container uses it, or by an id with several names',
    },
  ],
  positionals: { min: 1 },
  async run(context, args) {
    const [{ removeImage }, { imagesInUse }, { familiarName }] = await Promise.all([
      import('../../../images/collect.ts'),
      import('../../../engine/images-in-use.ts'),
      import('./names.ts'),
    ]);
    const state = await context.state();
    for (const name of args.positionals) {
      const { untagged, deleted } = await removeImage(state, name, {
        inUse: () => imagesInUse(state),
        force: args.flag('force'),
        signal: context.signal,
      });
      for (const gone of untagged) context.out(`Untagged: ${familiarName({ name: gone, id: '' })}\n`);
      for (const gone of deleted) context.out(`Deleted: ${gone}\n`);
    }
    return 0;
  },
};
