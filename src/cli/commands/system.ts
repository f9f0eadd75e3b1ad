// `system`: the disk space of this machine's images, containers and volumes.
import type { CommandSpec } from '../command.ts';

export const command: CommandSpec = {
  name: 'system',
  usage: 'COMMAND',
  summary: 'disk space: what is used, what can go, whether it is whole',
  options: [],
  commands: {
    check: () => import('./system/check.ts'),
    df: () => import('./system/df.ts'),
    prune: () => import('./system/prune.ts'),
  },
  async run() {
    const { ComposeError } = await import('../../errors.ts');
    throw new ComposeError('usage', 'which one? `tscompose system --help` lists the commands');
  },
};
