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
    const [{ saveArchive }, { ComposeError }] = await Promise.all([
      import('../../../images/save.ts'),
      import('../../../errors.ts'),
    ]);
    const output = args.text('output');
    if (output === undefined && context.isTerminal('stdout'))
      throw new ComposeError('usage', 'an archive is not for a terminal', { hint: 'give --output FILE' });
    const archive = saveArchive(await context.state(), args.positionals);
    if (output === undefined) {
      for await (const bytes of archive) context.out(bytes);
      return 0;
    }
    const [{ pipeline }, { createWriteStream }] = await Promise.all([
      import('node:stream/promises'),
      import('node:fs'),
    ]);
    await pipeline(archive, createWriteStream(output, { mode: 0o600 }), { signal: context.signal });
    return 0;
  },
};
