// `system check`: every digest of the image store, verified.
import type { CommandSpec } from '../../command.ts';

export const command: CommandSpec = {
  name: 'check',
  usage: '[OPTIONS]',
  summary: 'verify everything in the image store, drop what is damaged and say what to pull again',
  options: [{ name: 'no-repair', type: 'boolean', summary: 'only look' }],
  positionals: { max: 0 },
  async run(context, args) {
    const { checkStore } = await import('../../../images/check.ts');
    const { makeStore } = await import('../../../images/store.ts');
    const state = await context.state();
    makeStore(state.layout);
    const { blobs, layers, findings, pullAgain } = await checkStore(state, {
      repair: !args.flag('no-repair'),
      signal: context.signal,
    });
    for (const { kind, object, problem } of findings) context.out(`${kind} ${object}: ${problem}\n`);
    for (const name of pullAgain) context.out(`pull again: ${name}\n`);
    context.out(`${blobs} blobs and ${layers} layers checked, ${findings.length} damaged\n`);
    return findings.length > 0 ? 1 : 0;
  },
};
