// `lock`: tscompose.lock, what the tags of the project stand for.
import type { CommandSpec } from '../command.ts';

export const command: CommandSpec = {
  name: 'lock',
  usage: 'COMMAND',
  summary: 'keep the digests that the images of the project have in tscompose.lock',
  details: '`up --frozen` runs exactly what the file says.',
  options: [],
  commands: { update: () => import('./lock/update.ts') },
  async run() {
    const { ComposeError } = await import('../../errors.ts');
    throw new ComposeError('usage', 'which one? `tscompose lock --help` lists the commands');
  },
};
