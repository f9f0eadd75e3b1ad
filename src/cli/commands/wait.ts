// `wait`: until containers have ended.
import { ComposeError } from '../../errors.ts';
import type { CliContext, CommandSpec } from '../command.ts';
import type { Sighting } from '../rows.ts';

export const command: CommandSpec = {
  name: 'wait',
  usage: '[OPTIONS] SERVICE [SERVICE...]',
  summary: 'wait until containers have ended',
  details: 'The exit code is the first one of a container that is not 0, or 0.',
  options: [
    { name: 'down-project', type: 'boolean', summary: 'take the project down when the first one has ended' },
  ],
  positionals: { min: 1 },
  async run(context, args) {
    const [{ existingProject }, { projectContainers }, { waitForEnd }] = await Promise.all([
      import('../existing.ts'),
      import('../rows.ts'),
      import('../../engine/wait.ts'),
    ]);
    const services = args.positionals;
    const project = await existingProject(context, services);
    const chosen = (await projectContainers(context, project.name)).filter(
      ({ record }) => services.includes(record.service) && !record.oneoff,
    );
    if (chosen.length === 0) {
      throw new ComposeError('container-not-found', `no containers for ${services.join(', ')}`);
    }
    const state = await context.state();
    const waits = chosen.map(async ({ record }) => {
      const { exitCode } = await waitForEnd(state, record, context.signal);
      return { record, exitCode };
    });
    if (args.flag('down-project')) {
      const { exitCode } = await Promise.race(waits);
      const { perform } = await import('../perform.ts');
      await perform(context, project, { kind: 'down' });
      return exitCode;
    }
    return firstFailure(context, await Promise.all(waits));
  },
};

type End = Pick<Sighting, 'record'> & { readonly exitCode: number };

function firstFailure(context: CliContext, ends: readonly End[]): number {
  for (const { record, exitCode } of ends) {
    context.out(`container ${JSON.stringify(record.name)} exited with status code ${exitCode}\n`);
  }
  return ends.find(({ exitCode }) => exitCode !== 0)?.exitCode ?? 0;
}
