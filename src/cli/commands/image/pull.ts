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
    const [{ pullImage }, { transferAll }] = await Promise.all([
      import('../../../images/pull.ts'),
      import('../../transferring.ts'),
    ]);
    const state = await context.state();
    const done: string[] = [];
    const failures = await transferAll(context, args.positionals, {
      words: { doing: 'Pulling', done: 'Pulled' },
      quiet: args.flag('quiet'),
      nameOf: (name) => name,
      perform: async (name, transfer, registries) => {
        const {
          isNew,
          name: short,
          image,
        } = await pullImage(state, name, {
          platform: args.text('platform'),
          offline: context.global.offline,
          registries,
          signal: context.signal,
          onProgress: transfer.progress,
        });
        transfer.done(isNew ? undefined : '(nothing new)');
        done.push(`${short}@${image.target}`);
      },
    });
    context.out(done.map((line) => `${line}\n`).join(''));
    if (failures.length > 0) throw failures[0]?.error;
    return 0;
  },
};
