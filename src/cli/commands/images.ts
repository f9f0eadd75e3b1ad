// `images`: the image of every container of the project.
import type { CommandSpec } from '../command.ts';

const COLUMNS = [
  { title: 'CONTAINER', field: 'ContainerName' },
  { title: 'REPOSITORY', field: 'Repository' },
  { title: 'TAG', field: 'Tag' },
  { title: 'PLATFORM', field: 'Platform' },
  { title: 'IMAGE ID', field: 'ShortID' },
  { title: 'SIZE', field: 'HumanSize' },
  { title: 'CREATED', field: 'CreatedSince' },
];

/** As wide as Docker Compose makes a column. */
const MIN_WIDTH = 20;

export const command: CommandSpec = {
  name: 'images',
  usage: '[OPTIONS] [SERVICE...]',
  summary: 'list the images of the containers of the project',
  options: [
    { name: 'format', type: 'string', value: 'FORMAT', summary: 'table or json', choices: ['table', 'json'] },
    { name: 'quiet', short: 'q', type: 'boolean', summary: 'print ids only' },
  ],
  async run(context, args) {
    const [{ existingProject }, { projectContainers }, { containerImage }, { renderListing }] =
      await Promise.all([
        import('../existing.ts'),
        import('../rows.ts'),
        import('../container-image.ts'),
        import('../listing.ts'),
      ]);
    const services = args.positionals;
    const project = await existingProject(context, []);
    const state = await context.state();
    const containers = (await projectContainers(context, project.name)).filter(
      ({ record }) => services.length === 0 || services.includes(record.service),
    );
    const rows = await Promise.all(containers.map(({ record }) => containerImage(state, record)));
    if (args.flag('quiet')) {
      context.out([...new Set(rows.map(({ ID }) => `${ID.replace(/^sha256:/, '')}\n`))].join(''));
      return 0;
    }
    if (args.text('format') === 'json') {
      const shown = rows.map(({ ShortID: _s, HumanSize: _h, CreatedSince: _c, ...row }) => row);
      context.out(`${JSON.stringify(shown.length === 0 ? null : shown)}\n`);
      return 0;
    }
    context.out(
      renderListing(rows, { format: 'table', columns: COLUMNS, json: 'array', minWidth: MIN_WIDTH }),
    );
    return 0;
  },
};
