// `image push`: images by their names.
import type { CommandSpec } from '../../command.ts';

export const command: CommandSpec = {
  name: 'push',
  usage: '[OPTIONS] NAME [NAME...]',
  summary: 'push images by their names',
  options: [
    { name: 'chunk-size', type: 'number', value: 'BYTES', summary: 'upload in pieces of this size' },
    { name: 'quiet', short: 'q', type: 'boolean', summary: 'print only what was pushed' },
  ],
  positionals: { min: 1 },
  async run(context, args) {
    const [{ pushImage }, { openRegistries }, { createTransfers }, { inParallel }] = await Promise.all([
      import('../../../images/push.ts'),
      import('../../../images/registry.ts'),
      import('../../transfers.ts'),
      import('../../image-choice.ts'),
    ]);
    const state = await context.state();
    const transfers = createTransfers(context, { doing: 'Pushing', done: 'Pushed' }, args.flag('quiet'));
    const registries = openRegistries({ environment: process.env });
    const done: string[] = [];
    try {
      await inParallel(args.positionals, context.global.parallel, async (name) => {
        const transfer = transfers.add(name);
        try {
          const result = await pushImage(state, name, {
            chunkSize: args.number('chunk-size'),
            registries,
            signal: context.signal,
            onProgress: transfer.progress,
          });
          transfer.done();
          done.push(`${result.name}@${result.digest}`);
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
