// `attach`: the standard streams of a running container.
import type { CommandSpec } from '../command.ts';
import { INDEX, indexOf } from '../options.ts';

export const command: CommandSpec = {
  name: 'attach',
  usage: '[OPTIONS] SERVICE',
  summary: 'join the standard streams of a running container',
  options: [
    {
      name: 'detach-keys',
      type: 'string',
      value: 'KEYS',
      summary: 'keys that leave the container alone, ctrl-p,ctrl-q unless given',
    },
    INDEX,
    { name: 'no-stdin', type: 'boolean', summary: 'do not pass standard input on' },
    { name: 'sig-proxy', type: 'boolean', summary: 'pass signals on to the container (the default)' },
  ],
  positionals: { min: 1, max: 1 },
  async run(context, args) {
    const [{ existingProject }, { chooseContainer }, { connect }, { parseKeys }, { relay }, { waitForEnd }] =
      await Promise.all([
        import('../existing.ts'),
        import('../choose.ts'),
        import('../../containers/control.ts'),
        import('../detach-keys.ts'),
        import('../interactive.ts'),
        import('../../engine/wait.ts'),
      ]);
    const [service = ''] = args.positionals;
    const detachKeys = parseKeys(args.text('detach-keys') ?? 'ctrl-p,ctrl-q');
    const project = await existingProject(context, [service]);
    const { record } = await chooseContainer(context, project, {
      service,
      index: indexOf(args),
      running: true,
    });
    const state = await context.state();
    const proxies = !args.given('sig-proxy') || args.flag('sig-proxy');
    // With a terminal Ctrl-C is a key; what else ends this command, its window closed for example, leaves the container alone.
    const stdin = record.stdinOpen && !args.flag('no-stdin');
    const control = await connect(state, record.id);
    const attachment = await control.attach({ stdin, logs: true });
    const end = await relay(
      context,
      { state, record, attachment },
      { tty: record.tty, stdin, detachKeys, signals: proxies && !record.tty },
    );
    if (end.kind === 'detached') return 0;
    if (end.kind === 'interrupted') return 130;
    return end.exitCode ?? (await waitForEnd(state, record, new AbortController().signal)).exitCode;
  },
};
