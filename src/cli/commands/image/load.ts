// `image load`: images from an OCI layout or an archive of `docker save`.
import type { CommandSpec } from '../../command.ts';

export const command: CommandSpec = {
  name: 'load',
  usage: '[OPTIONS]',
  summary: 'load images from an OCI image layout or a `docker save` archive',
  details: 'Reads a directory, a tar archive (plain, gzip or zstd) or standard input.',
  options: [
    {
      name: 'input',
      short: 'i',
      type: 'string',
      value: 'PATH',
      summary: 'what to read; - is standard input',
    },
    { name: 'name', type: 'string', value: 'NAME', summary: 'name of the one image that is loaded' },
    {
      name: 'platform',
      type: 'string',
      value: 'PLATFORM',
      summary: 'which image of a multi-platform archive',
    },
    { name: 'quiet', short: 'q', type: 'boolean', summary: 'print only the ids' },
  ],
  positionals: { max: 1 },
  async run(context, args) {
    const [{ loadArchive }, { familiarName }] = await Promise.all([
      import('../../../images/archive.ts'),
      import('./names.ts'),
    ]);
    const input = args.text('input') ?? args.positionals[0] ?? '-';
    const images = await loadArchive(await context.state(), input === '-' ? process.stdin : input, {
      name: args.text('name'),
      platform: args.text('platform'),
      signal: context.signal,
    });
    for (const image of images)
      context.out(args.flag('quiet') ? `${image.id}\n` : `Loaded image: ${familiarName(image)}\n`);
    return 0;
  },
};
