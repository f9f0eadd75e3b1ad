// `plan`: what `up` would do, and why.
import type { CommandSpec } from '../command.ts';
import { MAKING, makingGoal, RECREATING, recreatingGoal } from '../options.ts';

export const command: CommandSpec = {
  name: 'plan',
  usage: '[OPTIONS] [SERVICE...]',
  summary: 'print what `up` would do and why, one line per action',
  options: [
    ...MAKING,
    ...RECREATING,
    { name: 'format', type: 'string', value: 'FORMAT', summary: 'text or json', choices: ['text', 'json'] },
    { name: 'no-deps', type: 'boolean', summary: 'leave out what the services depend on' },
  ],
  async run(context, args) {
    const { renderPlan } = await import('../../plan/plan.ts');
    const services = args.positionals;
    const project = await context.loadProject({ services, frozen: args.flag('frozen') });
    const engine = await context.engine();
    const plan = await engine.plan(project, {
      kind: 'up',
      services,
      noDeps: args.flag('no-deps'),
      ...makingGoal(args, process.env),
      ...recreatingGoal(args),
    });
    if (args.text('format') === 'json') context.out(`${JSON.stringify(plan, null, 2)}\n`);
    else context.out(`${renderPlan(plan)}\n`);
    return 0;
  },
};
