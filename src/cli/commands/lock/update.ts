// `lock update`: asks the registries and writes tscompose.lock.
import type { CommandSpec } from '../../command.ts';

export const command: CommandSpec = {
  name: 'update',
  usage: '[SERVICE...]',
  summary: 'write down what the tags stand for now; of some services only, or of all',
  options: [],
  async run(context, args) {
    const [project, { chooseImages }, lockfile, { openRegistries }, { ComposeError }] = await Promise.all([
      context.loadProject({ services: args.positionals }),
      import('../../image-choice.ts'),
      import('../../../images/lockfile.ts'),
      import('../../../images/registry.ts'),
      import('../../../errors.ts'),
    ]);
    if (context.global.offline) throw new ComposeError('registry', 'cannot ask registries offline');
    const wishes = chooseImages(project, {
      services: args.positionals,
      withDependencies: false,
      mounted: true,
    });
    const path = `${project.workingDir}/${lockfile.LOCK_FILE}`;
    const before = args.positionals.length > 0 ? lockfile.readLockFile(path) : undefined;
    const registries = openRegistries({ environment: process.env });
    try {
      const { images } = await lockfile.lockImages(wishes, registries, context.signal);
      lockfile.writeLockFile(path, { version: 1, images: { ...before?.images, ...images } });
      for (const name of Object.keys(images).sort()) context.err(` ${name} Locked\n`);
    } finally {
      registries.close();
    }
    return 0;
  },
};
