// `export`: the file system of a container as a tar archive.
import type { CommandSpec } from '../command.ts';
import { INDEX } from '../options.ts';

export const command: CommandSpec = {
  name: 'export',
  usage: '[OPTIONS] SERVICE',
  summary: 'write the file system of a container as a tar archive',
  options: [
    INDEX,
    {
      name: 'output',
      short: 'o',
      type: 'string',
      value: 'FILE',
      summary: 'write to a file, not to standard output',
    },
  ],
  positionals: { min: 1, max: 1 },
  async run(context, args) {
    const [
      { existingProject },
      { chooseContainer },
      { openContainer },
      { packTree },
      { writeArchive },
      { PACK_FLAGS },
    ] = await Promise.all([
      import('../existing.ts'),
      import('../choose.ts'),
      import('../container-files.ts'),
      import('../../images/trees.ts'),
      import('../archive-output.ts'),
      import('../../../core/index.ts'),
    ]);
    const [service = ''] = args.positionals;
    const project = await existingProject(context, [service]);
    const found = await chooseContainer(context, project, {
      service,
      index: args.number('index'),
      running: false,
    });
    const state = await context.state();
    const root = await openContainer(state, found, false);
    try {
      const flags = PACK_FLAGS.oneMount + PACK_FLAGS.noRoot;
      await writeArchive(
        context,
        packTree(state, { root: root.path, path: '.', name: '', flags }),
        args.text('output'),
      );
    } finally {
      root.close();
    }
    return 0;
  },
};
