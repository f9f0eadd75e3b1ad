// `scale`: the number of replicas of services.
import { ComposeError } from '../../errors.ts';
import type { CommandSpec } from '../command.ts';
import { replicaCounts } from '../options.ts';

export const command: CommandSpec = {
  name: 'scale',
  usage: '[OPTIONS] SERVICE=N...',
  summary: 'set how many containers services have',
  options: [{ name: 'no-deps', type: 'boolean', summary: 'leave alone what they depend on' }],
  async run(context, args) {
    const { perform } = await import('../perform.ts');
    const scale = replicaCounts(args.positionals);
    const services = Object.keys(scale);
    if (services.length === 0)
      throw new ComposeError('usage', 'name at least one SERVICE=NUMBER, for example web=3');
    const project = await context.loadProject({ services });
    return perform(context, project, { kind: 'up', services, scale, noDeps: args.flag('no-deps') });
  },
};
