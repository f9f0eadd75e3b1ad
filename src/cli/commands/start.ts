// `start`: containers that exist run again.
import type { CommandSpec } from '../command.ts';
import { WAIT } from '../options.ts';

export const command: CommandSpec = {
  name: 'start',
  usage: '[OPTIONS] [SERVICE...]',
  summary: 'start containers that exist',
  options: WAIT,
  async run(context, args) {
    const { existingProject } = await import('../existing.ts');
    const { perform } = await import('../perform.ts');
    const services = args.positionals;
    const project = await existingProject(context, services);
    const waitMs = (args.number('wait-timeout') ?? 0) * 1000;
    return perform(context, project, { kind: 'start', services, wait: args.flag('wait') }, { waitMs });
  },
};
