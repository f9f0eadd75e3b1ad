// `pull`: the images of services from their registries.
import type { CliContext, CommandSpec } from '../command.ts';
import type { WantedImage } from '../image-choice.ts';
import { FROZEN } from '../options.ts';

export const command: CommandSpec = {
  name: 'pull',
  usage: '[OPTIONS] [SERVICE...]',
  summary: 'pull the images of services',
  options: [
    FROZEN,
    { name: 'ignore-buildable', type: 'boolean', summary: 'leave out images that can be built' },
    { name: 'ignore-pull-failures', type: 'boolean', summary: 'pull what can be pulled' },
    { name: 'include-deps', type: 'boolean', summary: 'also for the services that the named ones depend on' },
    {
      name: 'policy',
      type: 'string',
      value: 'WHEN',
      summary: 'missing: only images that are not here; always: all',
      choices: ['missing', 'always'],
    },
    { name: 'quiet', short: 'q', type: 'boolean', summary: 'no progress' },
    {
      name: 'parallel',
      type: 'boolean',
      hidden: true,
      summary: '',
      deprecated: 'images are pulled at the same time',
    },
    { name: 'no-parallel', type: 'boolean', hidden: true, summary: '', deprecated: 'use --parallel 1' },
  ],
  async run(context, args) {
    const [project, { chooseImages }, { transferAll }, { pullImage }] = await Promise.all([
      context.loadProject({ services: args.positionals, frozen: args.flag('frozen') }),
      import('../image-choice.ts'),
      import('../transferring.ts'),
      import('../../images/pull.ts'),
    ]);
    const wanted = chooseImages(project, {
      services: args.positionals,
      withDependencies: args.flag('include-deps'),
      mounted: true,
    });
    const ignoreBuildable = args.flag('ignore-buildable');
    const failures = await transferAll(context, wanted, {
      words: { doing: 'Pulling', done: 'Pulled' },
      quiet: args.flag('quiet'),
      nameOf: ({ name }) => name,
      skip: (image) => skipReason(context, image, { policy: args.text('policy'), ignoreBuildable }),
      perform: async ({ image, platform }, transfer, registries) => {
        const { isNew } = await pullImage(await context.state(), image, {
          platform,
          registries,
          offline: context.global.offline,
          signal: context.signal,
          onProgress: transfer.progress,
        });
        transfer.done(isNew ? undefined : '(nothing new)');
      },
    });
    // what cannot be pulled may still be built
    const serious = failures.find(({ item }) => item.service.build === undefined);
    if (serious !== undefined && !args.flag('ignore-pull-failures')) throw serious.error;
    return 0;
  },
};

interface SkipOptions {
  readonly policy: string | undefined;
  readonly ignoreBuildable: boolean;
}

async function skipReason(
  context: CliContext,
  { image, platform, service }: WantedImage,
  options: SkipOptions,
): Promise<string | undefined> {
  if (service.build !== undefined && (options.ignoreBuildable || service.pull_policy === 'build'))
    return 'Image can be built';
  if (service.pull_policy === 'never') return 'Pull policy is never';
  const missingOnly =
    options.policy === 'missing' || (options.policy === undefined && isMissingPolicy(service.pull_policy));
  if (!missingOnly) return undefined;
  const [{ resolveImage }, { parseReference }] = await Promise.all([
    import('../../images/image.ts'),
    import('../../images/reference.ts'),
  ]);
  // what `latest` means changes, and to pull is to ask for that
  if (parseReference(image).tag === 'latest') return undefined;
  const present = await resolveImage(await context.state(), image, { platform, signal: context.signal });
  return present === undefined ? undefined : 'Image is already present locally';
}

function isMissingPolicy(policy: string | undefined): boolean {
  return policy === 'missing' || policy === 'if_not_present';
}
