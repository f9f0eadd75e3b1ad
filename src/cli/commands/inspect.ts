// `inspect`: everything that is known of containers.
import { readFileSync } from 'node:fs';
import type { Status } from '../../containers/status.ts';
import { ComposeError } from '../../errors.ts';
import type { CommandSpec } from '../command.ts';
import type { Sighting } from '../rows.ts';

export const command: CommandSpec = {
  name: 'inspect',
  usage: '[OPTIONS] [SERVICE|CONTAINER...]',
  summary: 'print everything that is known of containers, as JSON',
  options: [
    {
      name: 'format',
      short: 'f',
      type: 'string',
      value: 'TEMPLATE',
      summary: 'a Go template instead of JSON',
    },
  ],
  async run(context, args) {
    const [{ existingProject }, { projectContainers }, { containerFiles }, { compileTemplate }] =
      await Promise.all([
        import('../existing.ts'),
        import('../rows.ts'),
        import('../../state/layout.ts'),
        import('../template.ts'),
      ]);
    const project = await existingProject(context, []);
    const all = await projectContainers(context, project.name);
    const { layout } = await context.state();
    const described = chosen(all, args.positionals).map(({ record, status }) => {
      const files = containerFiles(layout, record.id);
      return {
        ...record,
        state: ociState(status),
        status,
        bundle: files.dir,
        logPath: files.log,
        spec: JSON.parse(readFileSync(files.config, 'utf8')),
      };
    });
    const format = args.text('format');
    if (format === undefined) context.out(`${JSON.stringify(described, null, 2)}\n`);
    else {
      const template = compileTemplate(format);
      for (const one of described) context.out(`${template(one)}\n`);
    }
    return 0;
  },
};

/** Containers by service, name or the beginning of an id; all when nothing is named. */
function chosen(all: readonly Sighting[], names: readonly string[]): readonly Sighting[] {
  if (names.length === 0) return all;
  return names.flatMap((name) => {
    const found = all.filter(
      ({ record }) => record.service === name || record.name === name || isId(record.id, name),
    );
    if (found.length > 0) return found;
    throw new ComposeError('container-not-found', `no service and no container is called ${name}`);
  });
}

const SHORTEST_ID = 4;

function isId(id: string, name: string): boolean {
  return name.length >= SHORTEST_ID && id.startsWith(name);
}

/** The word of the OCI runtime specification. */
function ociState({ state }: Status): 'creating' | 'created' | 'running' | 'stopped' | 'paused' {
  if (state === 'lost') return 'stopped';
  return state === 'restarting' ? 'running' : state;
}
