// `push`: the images of services to their registries.
import type { CommandSpec } from '../command.ts';
import type { WantedImage } from '../image-choice.ts';

export const command: CommandSpec = {
  name: 'push',
  usage: '[OPTIONS] [SERVICE...]',
  summary: 'push the images of services',
  options: [
    { name: 'ignore-push-failures', type: 'boolean', summary: 'push what can be pushed' },
    { name: 'include-deps', type: 'boolean', summary: 'also for the services that the named ones depend on' },
    { name: 'quiet', short: 'q', type: 'boolean', summary: 'no progress' },
  ],
  async run(context, args) {
    const [project, { chooseImages, inParallel }, { createTransfers }, { openRegistries }, { ComposeError }] =
      await Promise.all([
        context.loadProject({ services: args.positionals }),
        import('../image-choice.ts'),
        import('../transfers.ts'),
        import('../../images/registry.ts'),
        import('../../errors.ts'),
      ]);
    if (context.global.offline) throw new ComposeError('registry', 'cannot push offline');
    const chosen = chooseImages(project, {
      services: args.positionals,
      withDependencies: args.flag('include-deps'),
    });
    const transfers = createTransfers(context, { doing: 'Pushing', done: 'Pushed' }, args.flag('quiet'));
    // only what is built here is ours to push, unless somebody says so
    const isOurs = ({ service }: WantedImage): boolean =>
      service.build !== undefined || args.positionals.length > 0;
    const wanted = chosen.filter(isOurs);
    for (const image of chosen)
      if (!isOurs(image)) transfers.skip(image.name, 'Image is not built here; name its service to push it');
    const registries = openRegistries({ environment: process.env });
    const failures: unknown[] = [];
    try {
      await inParallel(wanted, context.global.parallel, async ({ image, name }) => {
        const transfer = transfers.add(name);
        try {
          if (context.global.dryRun) return transfer.done('(dry run)');
          const { pushImage } = await import('../../images/push.ts');
          const options = { registries, signal: context.signal, onProgress: transfer.progress };
          await pushImage(await context.state(), image, options);
          transfer.done();
        } catch (error) {
          if (context.signal.aborted) throw error;
          transfer.failed(error instanceof Error ? error.message : String(error));
          failures.push(error);
        }
      });
    } finally {
      registries.close();
      transfers.finish();
    }
    if (failures.length > 0 && !args.flag('ignore-push-failures')) throw failures[0];
    return 0;
  },
};
