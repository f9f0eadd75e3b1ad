// `image tag`: one more name for an image.
import type { CommandSpec } from '../../command.ts';

export const command: CommandSpec = {
  name: 'tag',
  usage: 'SOURCE NAME',
  summary: 'give an image one more name',
  options: [],
  positionals: { min: 2, max: 2 },
  async run(context, args) {
    const { tagImage } = await import('../../../images/image.ts');
    const [source = '', name = ''] = args.positionals;
    await tagImage(await context.state(), source, name);
    return 0;
  },
};
