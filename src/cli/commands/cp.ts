// `cp`: files between a container and this machine.
import type { CommandSpec } from '../command.ts';
import { INDEX } from '../options.ts';

export const command: CommandSpec = {
  name: 'cp',
  usage: '[OPTIONS] SERVICE:SRC_PATH DEST_PATH|- / SRC_PATH|- SERVICE:DEST_PATH',
  summary: 'copy files between a container and this machine',
  options: [
    { name: 'all', type: 'boolean', summary: 'into one-off containers as well' },
    { name: 'archive', short: 'a', type: 'boolean', summary: 'keep owners' },
    {
      name: 'follow-link',
      short: 'L',
      type: 'boolean',
      summary: 'copy what a symbolic link means, not the link',
    },
    INDEX,
  ],
  positionals: { min: 2, max: 2 },
  async run(context, args) {
    const { copyFiles } = await import('../copy.ts');
    const [source = '', destination = ''] = args.positionals;
    await copyFiles(context, {
      source,
      destination,
      all: args.flag('all'),
      keepOwners: args.flag('archive'),
      followLink: args.flag('follow-link'),
      index: args.number('index'),
    });
    return 0;
  },
};
