// `graph`: what needs what, as text or a picture.
import type { Project } from '../../compose/project.ts';
import { unreachable } from '../../errors.ts';
import type { CommandSpec } from '../command.ts';

const FORMATS = ['text', 'mermaid', 'dot', 'json', 'svg'] as const;

export const command: CommandSpec = {
  name: 'graph',
  usage: '[OPTIONS] [SERVICE...]',
  summary: 'show which service needs which',
  details:
    'With services, only these and what they need. Edges that come from links, volumes_from and shared namespaces are part of it.',
  options: [
    {
      name: 'format',
      type: 'string',
      value: 'FORMAT',
      summary: `${FORMATS.join(', ')}; default is text`,
      choices: FORMATS,
    },
    { name: 'output', short: 'o', type: 'string', value: 'FILE', summary: 'write to a file' },
  ],
  async run(context, args) {
    const services = args.positionals;
    const project = await context.loadProject(services.length === 0 ? {} : { services });
    const format = FORMATS.find((name) => name === args.text('format')) ?? 'text';
    const text = await render(project, services, format);
    const file = args.text('output');
    if (file === undefined) context.out(text);
    else await save(file, text);
    return 0;
  },
};

async function render(
  project: Project,
  services: readonly string[],
  format: (typeof FORMATS)[number],
): Promise<string> {
  const { buildGraph } = await import('../../plan/graph.ts');
  const { graphDot, graphJson, graphMermaid, graphTree, nodeText } = await import('../graph/formats.ts');
  const chosen = services.length === 0 ? project : await narrowed(project, services);
  const graph = buildGraph(chosen.services, chosen.positionOf);
  switch (format) {
    case 'text':
      return graphTree(chosen, graph);
    case 'mermaid':
      return graphMermaid(chosen, graph);
    case 'dot':
      return graphDot(chosen, graph);
    case 'json':
      return graphJson(chosen, graph);
    case 'svg': {
      const { graphSvg } = await import('../../plan/graph-svg.ts');
      return graphSvg(graph, chosen.name, (name) => nodeText(chosen, name));
    }
    default:
      return unreachable(format);
  }
}

async function narrowed(project: Project, services: readonly string[]): Promise<Project> {
  const { selectServices } = await import('../../compose/select.ts');
  return selectServices(project, services, { includeDependencies: true });
}

async function save(file: string, text: string): Promise<void> {
  const { writeFile } = await import('node:fs/promises');
  const { ComposeError } = await import('../../errors.ts');
  try {
    await writeFile(file, text);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new ComposeError('system', `cannot write ${file}: ${reason}`, { cause });
  }
}
