// The dependency graph as a picture.

import type { Edge, Graph } from './graph.ts';
import { type Layout, layoutGraph, type PlacedEdge, type PlacedNode } from './graph-layout.ts';

/** What is written into the box of a service. */
export interface NodeText {
  readonly title: string;
  /** A smaller second line. */
  readonly detail: string;
}

const NODE_HEIGHT = 46;
const TITLE_SIZE = 14;
const DETAIL_SIZE = 11;
const MAX_DETAIL = 34;

const STYLE = `
  .box { fill: #f6f8fa; stroke: #57606a; }
  .title { font: 600 ${TITLE_SIZE}px system-ui, sans-serif; fill: #1f2328; }
  .detail { font: ${DETAIL_SIZE}px system-ui, sans-serif; fill: #57606a; }
  .edge { fill: none; stroke: #6e7781; stroke-width: 1.5; }
  .optional { stroke-dasharray: 5 4; }
  .head { fill: #6e7781; }
  .condition { font: ${DETAIL_SIZE}px system-ui, sans-serif; fill: #0550ae; paint-order: stroke; stroke: #ffffff; stroke-width: 4; }
  .ground { fill: #ffffff; }
  @media (prefers-color-scheme: dark) {
    .ground { fill: #0d1117; }
    .box { fill: #161b22; stroke: #8b949e; }
    .title { fill: #e6edf3; }
    .detail { fill: #8b949e; }
    .edge { stroke: #8b949e; }
    .head { fill: #8b949e; }
    .condition { fill: #79c0ff; stroke: #0d1117; }
  }
`;

/** A complete SVG document; arrows lead from a service to what it needs. */
export function graphSvg(graph: Graph, project: string, textOf: (service: string) => NodeText): string {
  const texts = new Map(graph.order.map((name) => [name, shortened(textOf(name))]));
  const text = (name: string): NodeText => texts.get(name) ?? { title: name, detail: '' };
  const layout = layoutGraph(graph, {
    widthOf: (name) => boxWidth(text(name)),
    nodeHeight: NODE_HEIGHT,
    gap: { row: 18, column: columnGap(graph) },
    margin: 20,
  });
  return document(layout, project, text);
}

function document(layout: Layout, project: string, text: (name: string) => NodeText): string {
  const width = Math.ceil(layout.width);
  const height = Math.ceil(layout.height);
  const title = `Services of ${project} and what they need`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img" aria-labelledby="title">`,
    `<title id="title">${escapeXml(title)}</title>`,
    `<style>${STYLE}</style>`,
    '<defs><marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="8" markerHeight="8" orient="auto">',
    '<path class="head" d="M0 0 8 4 0 8z"/></marker></defs>',
    `<rect class="ground" width="${width}" height="${height}"/>`,
    ...layout.edges.map(edgeLine),
    ...layout.nodes.map((node) => box(node, text(node.name))),
    ...layout.edges.map(edgeLabel),
    '</svg>',
    '',
  ].join('\n');
}

function box({ x, y, width, height }: PlacedNode, { title, detail }: NodeText): string {
  const line = (words: string, offset: number, kind: string): string =>
    `<text class="${kind}" x="${x}" y="${y + offset}" text-anchor="middle">${escapeXml(words)}</text>`;
  const lines =
    detail === '' ? line(title, 5, 'title') : line(title, -3, 'title') + line(detail, 14, 'detail');
  return `<g><rect class="box" x="${x - width / 2}" y="${y - height / 2}" width="${width}" height="${height}" rx="6"/>${lines}</g>`;
}

function edgeLine({ edge, points }: PlacedEdge): string {
  const [first, ...rest] = points;
  if (first === undefined) return '';
  let path = `M${first.x} ${first.y}`;
  let last = first;
  rest.forEach((point, index) => {
    // Between columns a line bends; across a column, which only a long one does, it runs straight.
    const middle = (last.x + point.x) / 2;
    path +=
      index % 2 === 0
        ? `C${middle} ${last.y} ${middle} ${point.y} ${point.x} ${point.y}`
        : `L${point.x} ${point.y}`;
    last = point;
  });
  const kind = edge.required ? 'edge' : 'edge optional';
  return `<path class="${kind}" d="${path}" marker-end="url(#arrow)"/>`;
}

/** The condition stands where the line enters the column of the needed service. */
function edgeLabel({ edge, points }: PlacedEdge): string {
  const words = edgeWords(edge).join(', ');
  const [from, to] = points.slice(-2);
  if (words === '' || from === undefined || to === undefined) return '';
  const x = (from.x + to.x) / 2;
  const y = (from.y + to.y) / 2;
  return `<text class="condition" x="${x}" y="${y - 3}" text-anchor="middle">${escapeXml(words)}</text>`;
}

/** What an edge says beyond that its end is started first. */
export function edgeWords({ condition, required, restart }: Edge): readonly string[] {
  const words: string[] = [];
  if (condition === 'service_healthy') words.push('healthy');
  if (condition === 'service_completed_successfully') words.push('completed');
  if (!required) words.push('optional');
  if (restart) words.push('restart');
  return words;
}

/** Wide enough for the longest label. */
function columnGap(graph: Graph): number {
  const edges = graph.order.flatMap((name) => graph.dependenciesOf(name));
  const longest = edges.reduce((most, edge) => Math.max(most, edgeWords(edge).join(', ').length), 0);
  return Math.max(60, Math.ceil(longest * DETAIL_SIZE * 0.6) + 40);
}

function boxWidth({ title, detail }: NodeText): number {
  return Math.ceil(Math.max(90, textWidth(title, TITLE_SIZE) + 28, textWidth(detail, DETAIL_SIZE) + 24));
}

/** Roughly; no font is at hand. Signs beyond Latin count as square. */
function textWidth(text: string, size: number): number {
  return [...text].reduce((sum, sign) => sum + (sign > '\u02ff' ? 1 : 0.6) * size, 0);
}

function shortened({ title, detail }: NodeText): NodeText {
  if (detail.length <= MAX_DETAIL) return { title, detail };
  return { title, detail: `…${detail.slice(detail.length - MAX_DETAIL + 1)}` };
}

function escapeXml(text: string): string {
  return text
    .replaceAll(/[^\t\n\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu, '\ufffd')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;');
}
