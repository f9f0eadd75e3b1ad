// `version`: which tscompose this is.
import type { CommandSpec } from '../command.ts';
import { VERSION } from '../version.ts';

export const command: CommandSpec = {
  name: 'version',
  usage: '[OPTIONS]',
  summary: 'print the version',
  options: [
    {
      name: 'format',
      short: 'f',
      type: 'string',
      value: 'FORMAT',
      summary: 'pretty or json',
      choices: ['pretty', 'json'],
    },
    { name: 'short', type: 'boolean', summary: 'print only the number' },
  ],
  positionals: { max: 0 },
  async run(context, args) {
    if (args.flag('short')) context.out(`${VERSION}\n`);
    else if (args.text('format') === 'json') context.out(`${JSON.stringify({ version: VERSION })}\n`);
    else context.out(`tscompose version ${VERSION}\n`);
    return 0;
  },
};
