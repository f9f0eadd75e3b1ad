// `rm`: containers that have ended go.
import { ComposeError } from '../../errors.ts';
import type { CommandSpec } from '../command.ts';

export const command: CommandSpec = {
  name: 'rm',
  usage: '[OPTIONS] [SERVICE...]',
  summary: 'remove containers that have ended',
  options: [
    {
      name: 'all',
      short: 'a',
      type: 'boolean',
      summary: 'no effect',
      hidden: true,
      deprecated: 'it is always so',
    },
    { name: 'force', short: 'f', type: 'boolean', summary: 'do not ask' },
    { name: 'stop', short: 's', type: 'boolean', summary: 'stop them first' },
    { name: 'volumes', short: 'v', type: 'boolean', summary: 'remove their anonymous volumes too' },
  ],
  async run(context, args) {
    const { existingProject } = await import('../existing.ts');
    const { perform } = await import('../perform.ts');
    const services = args.positionals;
    const project = await existingProject(context, services);
    const { confirm } = await import('../confirm.ts');
    return perform(
      context,
      project,
      { kind: 'rm', services, stop: args.flag('stop'), volumes: args.flag('volumes') },
      {
        async approve(plan) {
          const names = plan.actions.flatMap((action) =>
            action.kind === 'remove-container' ? [action.container.name] : [],
          );
          if (names.length === 0) context.err('No stopped containers\n');
          else if (!args.flag('force') && !confirm(context, `Going to remove ${names.join(', ')}`)) {
            throw new ComposeError('interrupted', 'nothing was removed');
          }
        },
      },
    );
  },
};
