// `top`: the processes in containers.
import type { CommandSpec } from '../command.ts';

const HEADER = ['SERVICE', '#', 'UID', 'PID', 'PPID', 'C', 'STIME', 'TTY', 'TIME', 'CMD'];
const MIN_WIDTH = 4;

export const command: CommandSpec = {
  name: 'top',
  usage: '[SERVICE...]',
  summary: 'list the processes in containers',
  options: [],
  async run(context, args) {
    const [{ existingProject }, { projectContainers }, { processesIn }, { table }, { isAlive }] =
      await Promise.all([
        import('../existing.ts'),
        import('../rows.ts'),
        import('../processes.ts'),
        import('../output.ts'),
        import('../../containers/status.ts'),
      ]);
    const services = args.positionals;
    const project = await existingProject(context, []);
    const running = (await projectContainers(context, project.name)).filter(
      ({ record, status }) => isAlive(status) && (services.length === 0 || services.includes(record.service)),
    );
    const rows = running.flatMap(({ record }) =>
      processesIn(record).map((one) => [
        record.service,
        String(record.number),
        one.user,
        String(one.pid),
        String(one.parent),
        '0',
        one.started,
        one.terminal,
        one.cpuTime,
        one.command,
      ]),
    );
    if (rows.length > 0) context.out(table(HEADER, rows, MIN_WIDTH));
    return 0;
  },
};
