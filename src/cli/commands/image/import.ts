// `image import`: a file system in a tar archive as an image of one layer.
import type { CommandSpec } from '../../command.ts';

export const command: CommandSpec = {
  name: 'import',
  usage: '[OPTIONS] FILE|- [NAME]',
  summary: 'make an image of a file system in a tar archive',
  options: [
    {
      name: 'change',
      short: 'c',
      type: 'list',
      value: 'INSTRUCTION',
      summary: 'apply an instruction of a Dockerfile',
    },
    { name: 'message', short: 'm', type: 'string', value: 'TEXT', summary: 'comment of the new image' },
    { name: 'platform', type: 'string', value: 'PLATFORM', summary: 'os/architecture[/variant]' },
  ],
  positionals: { min: 1, max: 2 },
  async run(context, args) {
    const [{ importImage }, { createReadStream }] = await Promise.all([
      import('../../../images/import.ts'),
      import('node:fs'),
    ]);
    const [file = '-', name] = args.positionals;
    const image = await importImage(
      await context.state(),
      file === '-' ? process.stdin : createReadStream(file),
      {
        name,
        changes: args.list('change'),
        message: args.text('message'),
        platform: args.text('platform'),
        signal: context.signal,
      },
    );
    context.out(`${image.id}\n`);
    return 0;
  },
};
