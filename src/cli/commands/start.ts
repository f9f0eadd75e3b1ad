// `start`: containers that exist run again.
import { ComposeError } from '../../errors.ts';
import type { CliContext, CommandSpec } from '../command.ts';
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
    await requireContainers(context, project.name, services);
    const waitMs = (args.number('wait-timeout') ?? 0) * 1000;
    return perform(context, project, { kind: 'start', services, wait: args.flag('wait') }, { waitMs });
  },
};

async function requireContainers(
  context: CliContext,
  project: string,
  services: readonly string[],
): Promise<void> {
  const { projectContainers } = await import('../rows.ts');
  const all = await projectContainers(context, project);
  if (all.some(({ record }) => services.length === 0 || services.includes(record.service))) return;
  const what = services.length === 0 ? `project ${project}` : services.join(', ');
  throw new ComposeError('container-not-found', `there is no container of ${what} to start`, {
    hint: '`tscompose up` makes containers',
  });
}
