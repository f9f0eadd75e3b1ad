// `stop`: containers end and stay.
import type { CommandSpec } from '../command.ts';
import { graceOf, TIMEOUT } from '../options.ts';

export const command: CommandSpec = {
  name: 'stop',
  usage: '[OPTIONS] [SERVICE...]',
  summary: 'stop containers and keep them',
  options: [TIMEOUT],
  async run(context, args) {
    const { existingProject } = await import('../existing.ts');
    const { perform } = await import('../perform.ts');
    const services = args.positionals;
    const project = await existingProject(context, services);
    return perform(context, project, { kind: 'stop', services, ...graceOf(args) });
  },
};
