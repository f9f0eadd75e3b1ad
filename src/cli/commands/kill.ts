// `kill`: a signal for containers, SIGKILL unless another is named.
import type { CommandSpec } from '../command.ts';
import { REMOVE_ORPHANS } from '../options.ts';

export const command: CommandSpec = {
  name: 'kill',
  usage: '[OPTIONS] [SERVICE...]',
  summary: 'send a signal to containers, SIGKILL unless another is named',
  options: [
    REMOVE_ORPHANS,
    { name: 'signal', short: 's', type: 'string', value: 'SIGNAL', summary: 'for example SIGHUP, HUP or 1' },
  ],
  async run(context, args) {
    const { existingProject } = await import('../existing.ts');
    const { perform } = await import('../perform.ts');
    const { signalNumber } = await import('../../containers/units.ts');
    const services = args.positionals;
    const signal = args.text('signal') ?? 'SIGKILL';
    signalNumber(signal);
    const project = await existingProject(context, services);
    return perform(context, project, {
      kind: 'kill',
      services,
      signal,
      removeOrphans: args.flag('remove-orphans'),
    });
  },
};
