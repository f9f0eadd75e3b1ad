// `down`: containers and networks of the project go, volumes and images when asked.
import { ComposeError } from '../../errors.ts';
import type { CommandSpec } from '../command.ts';
import { isTrue } from '../globals.ts';
import { graceOf, REMOVE_ORPHANS, TIMEOUT } from '../options.ts';

export const command: CommandSpec = {
  name: 'down',
  usage: '[OPTIONS] [SERVICE...]',
  summary: 'stop and remove containers and networks',
  options: [
    REMOVE_ORPHANS,
    {
      name: 'rmi',
      type: 'string',
      value: 'WHICH',
      summary: 'remove images too: local (without a name of their own) or all',
    },
    TIMEOUT,
    { name: 'volumes', short: 'v', type: 'boolean', summary: 'remove named and anonymous volumes too' },
  ],
  async run(context, args) {
    const { existingProject } = await import('../existing.ts');
    const { perform } = await import('../perform.ts');
    const images = imagesOf(args.text('rmi'));
    const services = args.positionals;
    const project = await existingProject(context, services);
    return perform(context, project, {
      kind: 'down',
      services,
      volumes: args.flag('volumes'),
      removeOrphans: args.flag('remove-orphans') || isTrue(process.env.COMPOSE_REMOVE_ORPHANS),
      ...(images !== undefined && { images }),
      ...graceOf(args),
    });
  },
};

function imagesOf(which: string | undefined): 'local' | 'all' | undefined {
  if (which === undefined || which === 'local' || which === 'all') return which;
  throw new ComposeError('usage', `--rmi accepts local, all, not ${JSON.stringify(which)}`);
}
