// `unpause`: frozen containers go on.
import type { CommandSpec } from '../command.ts';

export const command: CommandSpec = {
  name: 'unpause',
  usage: '[SERVICE...]',
  summary: 'let frozen containers go on',
  options: [],
  async run(context, args) {
    const { existingProject } = await import('../existing.ts');
    const { perform } = await import('../perform.ts');
    const project = await existingProject(context, args.positionals);
    return perform(context, project, { kind: 'unpause', services: args.positionals });
  },
};
