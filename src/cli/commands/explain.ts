// `explain`: what an error code means, and how to get rid of it.
import { ComposeError } from '../../errors.ts';
import type { CommandSpec } from '../command.ts';

export const command: CommandSpec = {
  name: 'explain',
  usage: '[CODE]',
  summary: 'tell more about the code of an error or warning',
  details: 'Without a code, all of them are listed.',
  options: [],
  positionals: { max: 1 },
  async run(context, args) {
    const { explain, explainedCodes } = await import('../../compose/explain.ts');
    const { explanationText, codeList } = await import('../explanation.ts');
    const colours = context.colours('stdout');
    const [word] = args.positionals;
    const codes = explainedCodes();
    if (word === undefined) {
      context.out(
        codeList(
          codes.map((code) => ({ code, summary: explain(code)?.summary ?? '' })),
          colours,
        ),
      );
      return 0;
    }
    const code = word.replace(/^(?:error|warning)?\[(.*)\]$/, '$1');
    const explanation = explain(code);
    if (explanation === undefined) throw await unknownCode(code, codes);
    context.out(explanationText(code, explanation, colours));
    return 0;
  },
};

async function unknownCode(code: string, codes: readonly string[]): Promise<ComposeError> {
  const { nearest } = await import('../nearest.ts');
  const close = nearest(code, codes);
  return new ComposeError('usage', `there is no code ${code}`, {
    hint: close === undefined ? '`tscompose explain` lists all codes' : `did you mean ${close}?`,
  });
}
