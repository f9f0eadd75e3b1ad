// `image`: the images of this machine, as a group of commands.
import type { CommandSpec } from '../command.ts';

export const command: CommandSpec = {
  name: 'image',
  usage: 'COMMAND',
  summary: 'manage the images of this machine',
  options: [],
  commands: {
    history: () => import('./image/history.ts'),
    import: () => import('./image/import.ts'),
    inspect: () => import('./image/inspect.ts'),
    load: () => import('./image/load.ts'),
    ls: () => import('./image/ls.ts'),
    prune: () => import('./image/prune.ts'),
    pull: () => import('./image/pull.ts'),
    push: () => import('./image/push.ts'),
    rm: () => import('./image/rm.ts'),
    save: () => import('./image/save.ts'),
    tag: () => import('./image/tag.ts'),
  },
  async run() {
    const { ComposeError } = await import('../../errors.ts');
    throw new ComposeError('usage', 'which one? `tscompose image --help` lists the commands');
  },
};
