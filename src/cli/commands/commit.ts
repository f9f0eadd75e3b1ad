// `commit`: an image from what a container has become.
import type { CommandSpec } from '../command.ts';
import { INDEX } from '../options.ts';

export const command: CommandSpec = {
  name: 'commit',
  usage: '[OPTIONS] SERVICE [REPOSITORY[:TAG]]',
  summary: "make an image from a container's file system",
  options: [
    { name: 'author', short: 'a', type: 'string', value: 'NAME', summary: 'who made it' },
    {
      name: 'change',
      short: 'c',
      type: 'list',
      value: 'INSTRUCTION',
      summary: 'apply an instruction of a Dockerfile',
    },
    INDEX,
    { name: 'message', short: 'm', type: 'string', value: 'TEXT', summary: 'what it is' },
    {
      name: 'pause',
      short: 'p',
      type: 'boolean',
      summary: 'pause the container meanwhile; --pause=false does not',
    },
  ],
  positionals: { min: 1, max: 2 },
  async run(context, args) {
    const [{ existingProject }, { chooseContainer }, { commitContainer }] = await Promise.all([
      import('../existing.ts'),
      import('../choose.ts'),
      import('../commit.ts'),
    ]);
    const [service = '', name] = args.positionals;
    const project = await existingProject(context, [service]);
    const found = await chooseContainer(context, project, {
      service,
      index: args.number('index'),
      running: false,
    });
    const id = await commitContainer(context, found, {
      name,
      service: project.services[service],
      author: args.text('author'),
      message: args.text('message'),
      changes: args.list('change'),
      pause: !args.given('pause') || args.flag('pause'),
    });
    context.out(`${id}\n`);
    return 0;
  },
};
