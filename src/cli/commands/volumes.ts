// `volumes`: the volumes of the project.
import type { CommandSpec } from '../command.ts';

const COLUMNS = [
  { title: 'DRIVER', field: 'Driver' },
  { title: 'VOLUME NAME', field: 'Name' },
];

const MIN_WIDTH = 20;

export const command: CommandSpec = {
  name: 'volumes',
  usage: '[OPTIONS] [SERVICE...]',
  summary: 'list volumes',
  options: [
    {
      name: 'format',
      type: 'string',
      value: 'FORMAT',
      summary: 'table, table TEMPLATE, json, or a Go template',
    },
    { name: 'quiet', short: 'q', type: 'boolean', summary: 'print names only' },
  ],
  async run(context, args) {
    const [{ existingProject }, { renderListing }, { listVolumes }, { volumeFiles }] = await Promise.all([
      import('../existing.ts'),
      import('../listing.ts'),
      import('../../volumes/volume.ts'),
      import('../../state/layout.ts'),
    ]);
    const services = args.positionals;
    const project = await existingProject(context, services);
    const state = await context.state();
    const used = new Set(
      services.flatMap((name) => (project.services[name]?.volumes ?? []).map(({ source }) => source ?? '')),
    );
    const rows = listVolumes(state)
      .filter((volume) => volume.project === project.name && (services.length === 0 || used.has(volume.key)))
      .map((volume) => ({
        Driver: volume.driver,
        Labels: Object.entries(volume.labels)
          .map(([name, value]) => `${name}=${value}`)
          .join(','),
        Mountpoint: volumeFiles(state.layout, volume.name).data,
        Name: volume.name,
        Scope: 'local',
      }));
    if (args.flag('quiet')) context.out(rows.map(({ Name }) => `${Name}\n`).join(''));
    else {
      const format = args.text('format');
      context.out(renderListing(rows, { format, columns: COLUMNS, json: 'lines', minWidth: MIN_WIDTH }));
    }
    return 0;
  },
};
