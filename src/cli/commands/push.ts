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
    const [project, { chooseImages }, { transferAll }, { pushImage }, { ComposeError }] = await Promise.all([
      context.loadProject({ services: args.positionals }),
      import('../image-choice.ts'),
      import('../transferring.ts'),
      import('../../images/push.ts'),
      import('../../errors.ts'),
    ]);
    if (context.global.offline) throw new ComposeError('registry', 'cannot push offline');
    const chosen = chooseImages(project, {
      services: args.positionals,
      withDependencies: args.flag('include-deps'),
    });
    // only what is built here is ours to push, unless somebody says so
    const isOurs = ({ service }: WantedImage): boolean =>
      service.build !== undefined || args.positionals.length > 0;
    const failures = await transferAll(context, chosen, {
      words: { doing: 'Pushing', done: 'Pushed' },
      quiet: args.flag('quiet'),
      nameOf: ({ name }) => name,
      skip: (image) => (isOurs(image) ? undefined : 'Image is not built here; name its service to push it'),
      perform: async ({ image }, transfer, registries) => {
        const options = { registries, signal: context.signal, onProgress: transfer.progress };
        await pushImage(await context.state(), image, options);
        transfer.done();
      },
    });
    if (failures.length > 0 && !args.flag('ignore-push-failures')) throw failures[0]?.error;
    return 0;
  },
};
