// `port`: where a port of a container can be reached.
import { ComposeError } from '../../errors.ts';
import type { CommandSpec } from '../command.ts';
import { INDEX, indexOf } from '../options.ts';

export const command: CommandSpec = {
  name: 'port',
  usage: '[OPTIONS] SERVICE PORT',
  summary: 'print the host address of a published port',
  options: [
    INDEX,
    {
      name: 'protocol',
      type: 'string',
      value: 'PROTOCOL',
      summary: 'tcp (default) or udp',
      choices: ['tcp', 'udp', 'sctp'],
    },
  ],
  positionals: { min: 2, max: 2 },
  async run(context, args) {
    const [{ existingProject }, { chooseContainer }, { publishersOf }] = await Promise.all([
      import('../existing.ts'),
      import('../choose.ts'),
      import('../publishers.ts'),
    ]);
    const [service = '', port = ''] = args.positionals;
    const protocol = args.text('protocol') ?? 'tcp';
    const project = await existingProject(context, [service]);
    const { record, status } = await chooseContainer(context, project, {
      service,
      index: indexOf(args),
      running: true,
    });
    const found = publishersOf(await context.state(), record, status).find(
      (one) => one.PublishedPort > 0 && one.TargetPort === Number(port) && one.Protocol === protocol,
    );
    if (!found) {
      throw new ComposeError('container-state', `${record.name} does not publish port ${port}/${protocol}`);
    }
    const host = found.URL.includes(':') ? `[${found.URL}]` : found.URL;
    context.out(`${host}:${found.PublishedPort}\n`);
    return 0;
  },
};
