// `events`: what happens to containers, as it happens.
import type { ContainerRecord } from '../../containers/record.ts';
import type { CommandSpec } from '../command.ts';
import type { ContainerEvent } from '../watch.ts';

export const command: CommandSpec = {
  name: 'events',
  usage: '[OPTIONS] [SERVICE...]',
  summary: 'print what happens to containers, until interrupted',
  details: 'What happened before is what the containers that are still there tell of themselves.',
  options: [
    { name: 'json', type: 'boolean', summary: 'one JSON document per line' },
    {
      name: 'since',
      type: 'string',
      value: 'TIME',
      summary: 'also what happened since then: 2024-01-02T03:04:05Z, or 10m ago',
    },
    { name: 'until', type: 'string', value: 'TIME', summary: 'end then' },
  ],
  async run(context, args) {
    const [{ existingProject }, { ContainerWatch }, { pastHappenings }, { timeKey }] = await Promise.all([
      import('../existing.ts'),
      import('../watch.ts'),
      import('../happenings.ts'),
      import('../../containers/logs.ts'),
    ]);
    const now = Date.now();
    const [since, until] = [args.text('since'), args.text('until')].map((text) =>
      text === undefined ? undefined : timeKey(text, now),
    );
    const services = args.positionals;
    const { name } = await existingProject(context, services);
    const isWanted = ({ project, service }: ContainerRecord) =>
      project === name && (services.length === 0 || services.includes(service));
    const print = args.flag('json') ? jsonLine : plainLine;
    const show = (event: ContainerEvent, time: string) => {
      if (until === undefined || time <= until) context.out(`${print(event, time)}\n`);
    };
    const watch = new ContainerWatch(await context.state(), isWanted, (event) =>
      show(event, new Date().toISOString()),
    );
    if (since !== undefined) {
      const past = watch.current.flatMap(({ record, status }) =>
        pastHappenings(record.created, status).map(({ time, happening }) => ({
          time,
          event: { record, status, happening },
        })),
      );
      const wanted = past.filter(({ time }) => time >= since).sort((a, b) => (a.time < b.time ? -1 : 1));
      for (const { event, time } of wanted) show(event, time);
    }
    await untilThen(context.signal, until);
    watch.close();
    return 0;
  },
};

/** Longest delay of a timer. */
const LONGEST_MS = 2 ** 31 - 1;

/** Resolves at that time, or when the signal aborts. */
function untilThen(signal: AbortSignal, until: string | undefined): Promise<void> {
  return new Promise((resolve) => {
    const leftMs = until === undefined ? undefined : Math.max(0, Date.parse(until) - Date.now());
    const timer =
      leftMs === undefined ? undefined : setTimeout(() => resolve(), Math.min(leftMs, LONGEST_MS));
    const end = () => {
      clearTimeout(timer);
      resolve();
    };
    if (signal.aborted) end();
    else signal.addEventListener('abort', end, { once: true });
  });
}

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

function jsonLine(event: ContainerEvent, time: string): string {
  return JSON.stringify({
    action: actionOf(event),
    attributes: attributesOf(event),
    id: event.record.id,
    service: event.record.service,
    time,
    type: 'container',
  });
}

function plainLine(event: ContainerEvent, at: string): string {
  const attributes = Object.entries(attributesOf(event))
    .map(([name, value]) => `${name}=${value}`)
    .join(', ');
  const time = at.replace('T', ' ').replace('Z', '');
  return `${time} container ${actionOf(event)} ${event.record.id} (${attributes})`;
}
