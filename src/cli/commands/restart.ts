// `restart`: containers are stopped and started again, as they are.
import type { CommandSpec } from '../command.ts';
import { graceOf, TIMEOUT } from '../options.ts';

export const command: CommandSpec = {
  name: 'restart',
  usage: '[OPTIONS] [SERVICE...]',
  summary: 'stop containers and start them again, without looking for changes',
  options: [
    { name: 'no-deps', type: 'boolean', summary: 'leave services that depend on them alone' },
    TIMEOUT,
  ],
  async run(context, args) {
    const { existingProject } = await import('../existing.ts');
    const { perform } = await import('../perform.ts');
    const services = args.positionals;
    const project = await existingProject(context, services);
    return perform(context, project, {
      kind: 'restart',
      services,
      noDeps: args.flag('no-deps'),
      ...graceOf(args),
    });
  },
};
