// `image pull`: images by their names.
import type { CommandSpec } from '../../command.ts';

export const command: CommandSpec = {
  name: 'pull',
  usage: '[OPTIONS] NAME [NAME...]',
  summary: 'pull images by their names',
  options: [
    { name: 'platform', type: 'string', value: 'PLATFORM', summary: 'os/architecture[/variant]' },
    { name: 'quiet', short: 'q', type: 'boolean', summary: 'print only what was pulled' },
  ],
  positionals: { min: 1 },
  async run(context, args) {
    const [{ pullImage }, { openRegistries }, { createTransfers }, { inParallel }] = await Promise.all([
      import('../../../images/pull.ts'),
      import('../../../images/registry.ts'),
      import('../../transfers.ts'),
      import('../../image-choice.ts'),
    ]);
    const state = await context.state();
    const transfers = createTransfers(context, { doing: 'Pulling', done: 'Pulled' }, args.flag('quiet'));
    const registries = openRegistries({ environment: process.env });
    const done: string[] = [];
    try {
      await inParallel(args.positionals, context.global.parallel, async (name) => {
        const transfer = transfers.add(name);
        try {
          const result = await pullImage(state, name, {
            platform: args.text('platform'),
            offline: context.global.offline,
            registries,
            signal: context.signal,
            onProgress: transfer.progress,
          });
          transfer.done(result.isNew ? undefined : '(nothing new)');
          done.push(`${result.name}@${result.image.target}`);
        } catch (error) {
          transfer.failed('');
          throw error;
        }
      });
    } finally {
      registries.close();
      transfers.finish();
    }
    context.out(done.map((line) => `${line}\n`).join(''));
    return 0;
  },
};
