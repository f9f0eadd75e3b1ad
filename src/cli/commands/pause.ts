// `pause`: all processes of containers are frozen.
import type { CommandSpec } from '../command.ts';

export const command: CommandSpec = {
  name: 'pause',
  usage: '[SERVICE...]',
  summary: 'freeze all processes of containers',
  options: [],
  async run(context, args) {
    const { existingProject } = await import('../existing.ts');
    const { perform } = await import('../perform.ts');
    const project = await existingProject(context, args.positionals);
    return perform(context, project, { kind: 'pause', services: args.positionals });
  },
};
