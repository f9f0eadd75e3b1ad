// `image save`: images into an archive that `docker load`, skopeo and `image load` read.
import type { CommandSpec } from '../../command.ts';

export const command: CommandSpec = {
  name: 'save',
  usage: '[OPTIONS] IMAGE [IMAGE...]',
  summary: 'write images into one archive, an OCI image layout that `docker load` reads as well',
  options: [
    {
      name: 'output',
      short: 'o',
      type: 'string',
      value: 'FILE',
      summary: 'write to a file, not to standard output',
    },
  ],
  positionals: { min: 1 },
  async run(context, args) {
    const [{ saveArchive }, { writeArchive }] = await Promise.all([
      import('../../../images/save.ts'),
      import('../../archive-output.ts'),
    ]);
    await writeArchive(context, saveArchive(await context.state(), args.positionals), args.text('output'));
    return 0;
  },
};
