// `events`: what happens to containers, as it happens.
import type { ContainerRecord } from '../../containers/record.ts';
import type { CommandSpec } from '../command.ts';
import type { ContainerEvent } from '../watch.ts';

export const command: CommandSpec = {
  name: 'events',
  usage: '[OPTIONS] [SERVICE...]',
  summary: 'print what happens to containers, until interrupted',
  options: [{ name: 'json', type: 'boolean', summary: 'one JSON document per line' }],
  async run(context, args) {
    const [{ existingProject }, { ContainerWatch }] = await Promise.all([
      import('../existing.ts'),
      import('../watch.ts'),
    ]);
    const services = args.positionals;
    const { name } = await existingProject(context, services);
    const isWanted = ({ project, service }: ContainerRecord) =>
      project === name && (services.length === 0 || services.includes(service));
    const print = args.flag('json') ? jsonLine : plainLine;
    const { signal } = context;
    const watch = new ContainerWatch(await context.state(), isWanted, (event) =>
      context.out(`${print(event)}\n`),
    );
    await new Promise<void>((resolve) => {
      signal.addEventListener('abort', () => resolve(), { once: true });
    });
    watch.close();
    return 0;
  },
};

/** `health_status: healthy`, and the plain word for the rest. */
function actionOf({ happening }: ContainerEvent): string {
  return happening.kind === 'health_status' ? `health_status: ${happening.health}` : happening.kind;
}

function attributesOf({ record, happening }: ContainerEvent): Readonly<Record<string, string>> {
  return {
    name: record.name,
    image: record.image.name,
    ...(happening.kind === 'die' && { exitCode: String(happening.exitCode) }),
  };
}

function jsonLine(event: ContainerEvent): string {
  return JSON.stringify({
    action: actionOf(event),
    attributes: attributesOf(event),
    id: event.record.id,
    service: event.record.service,
    time: new Date().toISOString(),
    type: 'container',
  });
}

function plainLine(event: ContainerEvent): string {
  const attributes = Object.entries(attributesOf(event))
    .map(([name, value]) => `${name}=${value}`)
    .join(', ');
  const time = new Date().toISOString().replace('T', ' ').replace('Z', '');
  return `${time} container ${actionOf(event)} ${event.record.id} (${attributes})`;
}
