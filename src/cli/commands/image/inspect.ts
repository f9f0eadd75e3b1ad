// `image inspect`: everything that is known of an image.
import type { CommandSpec } from '../../command.ts';

export const command: CommandSpec = {
  name: 'inspect',
  usage: '[OPTIONS] IMAGE [IMAGE...]',
  summary: 'show what is known of images, as JSON',
  options: [{ name: 'format', short: 'f', type: 'string', value: 'TEMPLATE', summary: 'a Go template' }],
  positionals: { min: 1 },
  async run(context, args) {
    const { describeImage } = await import('../../../images/describe.ts');
    const state = await context.state();
    const found = args.positionals.map((name) => describeImage(state, name));
    const format = args.text('format');
    if (format === undefined || format === 'json') {
      context.out(`${JSON.stringify(found, null, 4)}\n`);
      return 0;
    }
    const { compileTemplate } = await import('../../template.ts');
    const template = compileTemplate(format);
    for (const image of found) context.out(`${template(image)}\n`);
    return 0;
  },
};
