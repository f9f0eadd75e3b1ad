// The dependency graph as text: a tree for people, Mermaid, DOT and JSON for programs.
import type { Project, Service } from '../../compose/project.ts';
import type { Edge, Graph } from '../../plan/graph.ts';
import { edgeWords, type NodeText } from '../../plan/graph-svg.ts';

/** What a service is, in the words that every format shows. */
export function nodeText(project: Project, name: string): NodeText {
  const service = project.services[name];
  const replicas = service?.scale ?? service?.deploy?.replicas ?? 1;
  return {
    title: replicas === 1 ? name : `${name} ×${replicas}`,
    detail: service === undefined ? '' : origin(service),
  };
}

function origin({ image, build, provider }: Service): string {
  if (image !== undefined) return image;
  if (provider !== undefined) return `provider ${provider.type}`;
  return build === undefined ? '' : `built from ${lastPart(build.context ?? '.')}`;
}

function lastPart(path: string): string {
  return /([^/]+)\/*$/.exec(path)?.[1] ?? path;
}

/** A tree from the services that nobody needs down to those that need nothing; repeats are not expanded. */
export function graphTree(project: Project, graph: Graph): string {
  const lines: string[] = [];
  const expanded = new Set<string>();
  const pending = graph.order
    .filter((name) => graph.dependentsOf(name).length === 0)
    .sort()
    .reverse()
    .map((name): Branch => ({ name, words: [], prefix: '', joint: '', rest: '' }));
  for (let branch = pending.pop(); branch !== undefined; branch = pending.pop()) {
    const needs = graph.dependenciesOf(branch.name);
    const again = expanded.has(branch.name) && needs.length > 0;
    expanded.add(branch.name);
    lines.push(branchLine(project, branch, again));
    if (!again) pending.push(...branches(needs, branch.prefix + branch.rest).reverse());
  }
  return lines.map((line) => `${line}\n`).join('');
}

interface Branch {
  readonly name: string;
  readonly words: readonly string[];
  /** What stands before the joint, on this line and before those below. */
  readonly prefix: string;
  readonly joint: string;
  /** What continues below the joint. */
  readonly rest: string;
}

function branches(edges: readonly Edge[], prefix: string): Branch[] {
  return edges.map((edge, index) => {
    const isLast = index === edges.length - 1;
    return {
      name: edge.to,
      words: edgeWords(edge),
      prefix,
      joint: isLast ? '└─ ' : '├─ ',
      rest: isLast ? '   ' : '│  ',
    };
  });
}

function branchLine(project: Project, { name, words, prefix, joint }: Branch, again: boolean): string {
  const { title, detail } = nodeText(project, name);
  const condition = words.length === 0 ? '' : ` [${words.join(', ')}]`;
  const what = again ? ' (see above)' : detail === '' ? '' : `  ${detail}`;
  return `${prefix}${joint}${title}${condition}${what}`;
}

/** A Mermaid flow chart; arrows lead from a service to what it needs, dotted when it is optional. */
export function graphMermaid(project: Project, graph: Graph): string {
  const ids = new Map(graph.order.map((name, index) => [name, `s${index}`]));
  const nodes = graph.order.map((name) => {
    const { title, detail } = nodeText(project, name);
    const text =
      detail === ''
        ? escapeMermaid(title)
        : `${escapeMermaid(title)}<br/><small>${escapeMermaid(detail)}</small>`;
    return `  ${ids.get(name)}["${text}"]`;
  });
  const edges = allEdges(graph).map((edge) => {
    const words = edgeWords(edge).join(', ');
    const arrow = edge.required ? '-->' : '-.->';
    return `  ${ids.get(edge.from)} ${arrow}${words === '' ? '' : `|${words}|`} ${ids.get(edge.to)}`;
  });
  return `${['flowchart LR', ...nodes, ...edges].join('\n')}\n`;
}

function escapeMermaid(text: string): string {
  return text.replaceAll(/[&"<>#;`[\]{}|\\]/g, (sign) => `#${sign.codePointAt(0)};`);
}

/** A digraph for Graphviz. */
export function graphDot(project: Project, graph: Graph): string {
  const nodes = graph.order.map((name) => {
    const { title, detail } = nodeText(project, name);
    const label = [title, detail].filter((line) => line !== '').map(escapeDot);
    return `  "${escapeDot(name)}" [label="${label.join('\\n')}"];`;
  });
  const edges = allEdges(graph).map((edge) => {
    const words = edgeWords(edge).join(', ');
    const attributes = [
      ...(words === '' ? [] : [`label="${words}"`]),
      ...(edge.required ? [] : ['style=dashed']),
    ];
    const list = attributes.length === 0 ? '' : ` [${attributes.join(', ')}]`;
    return `  "${escapeDot(edge.from)}" -> "${escapeDot(edge.to)}"${list};`;
  });
  const head = [
    `digraph "${escapeDot(project.name)}" {`,
    '  rankdir=LR;',
    '  node [shape=box, style=rounded];',
  ];
  return `${[...head, ...nodes, ...edges, '}'].join('\n')}\n`;
}

function escapeDot(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll(/\s+/g, ' ');
}

/** Services in the order in which they start, and edges with the words of the Compose file. */
export function graphJson(project: Project, graph: Graph): string {
  const services = graph.order.map((name) => {
    const service = project.services[name];
    return {
      name,
      ...(service?.image === undefined ? {} : { image: service.image }),
      replicas: service?.scale ?? service?.deploy?.replicas ?? 1,
      depends_on: graph.dependenciesOf(name).map(({ to, condition, required, restart }) => ({
        service: to,
        condition,
        required,
        restart: restart ?? false,
      })),
    };
  });
  return `${JSON.stringify({ project: project.name, services }, null, 2)}\n`;
}

function allEdges(graph: Graph): readonly Edge[] {
  return graph.order.flatMap((name) => graph.dependenciesOf(name));
}
