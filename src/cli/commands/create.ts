// `create`: everything that `up` makes, nothing started.
import type { CommandSpec } from '../command.ts';
import { MAKING, makingGoal, RECREATING, recreatingGoal } from '../options.ts';

export const command: CommandSpec = {
  name: 'create',
  usage: '[OPTIONS] [SERVICE...]',
  summary: 'make networks, volumes and containers, and start nothing',
  options: [...MAKING, ...RECREATING],
  async run(context, args) {
    const { perform } = await import('../perform.ts');
    const services = args.positionals;
    const project = await context.loadProject({ services, frozen: args.flag('frozen') });
    return perform(context, project, {
      kind: 'up',
      services,
      start: false,
      ...makingGoal(args, process.env),
      ...recreatingGoal(args),
    });
  },
};
