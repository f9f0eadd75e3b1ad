// `logout`: forgets user and password of a registry.
import type { CommandSpec } from '../command.ts';

export const command: CommandSpec = {
  name: 'logout',
  usage: '[REGISTRY]',
  summary: 'log out from a registry',
  options: [],
  positionals: { max: 1 },
  async run(context, args) {
    const [{ eraseCredential }, { DEFAULT_REGISTRY }] = await Promise.all([
      import('../../images/credentials.ts'),
      import('../../images/reference.ts'),
    ]);
    const registry = (args.positionals[0] ?? DEFAULT_REGISTRY)
      .replace(/^https?:\/\//, '')
      .replace(/\/.*$/, '');
    const was = await eraseCredential(registry, process.env);
    context.out(was ? `Removing login credentials for ${registry}\n` : `Not logged in to ${registry}\n`);
    return 0;
  },
};
