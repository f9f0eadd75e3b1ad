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
    const [{ pushImage }, { transferAll }] = await Promise.all([
      import('../../../images/push.ts'),
      import('../../transferring.ts'),
    ]);
    const state = await context.state();
    const done: string[] = [];
    const failures = await transferAll(context, args.positionals, {
      words: { doing: 'Pushing', done: 'Pushed' },
      quiet: args.flag('quiet'),
      nameOf: (name) => name,
      perform: async (name, transfer, registries) => {
        const { name: short, digest } = await pushImage(state, name, {
          chunkSize: args.number('chunk-size'),
          registries,
          signal: context.signal,
          onProgress: transfer.progress,
        });
        transfer.done();
        done.push(`${short}@${digest}`);
      },
    });
    context.out(done.map((line) => `${line}\n`).join(''));
    if (failures.length > 0) throw failures[0]?.error;
    return 0;
  },
};
