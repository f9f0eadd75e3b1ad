// Places the services of a graph in columns: who needs stands left of what it needs, few lines cross.
import type { Edge, Graph } from './graph.ts';

/** A service at its place; coordinates are of its centre, in pixels. */
export interface PlacedNode {
  readonly name: string;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** An edge, and the points that its line goes through, from the service that needs to the needed one. */
export interface PlacedEdge {
  readonly edge: Edge;
  readonly points: readonly { readonly x: number; readonly y: number }[];
}

export interface Layout {
  readonly width: number;
  readonly height: number;
  readonly nodes: readonly PlacedNode[];
  readonly edges: readonly PlacedEdge[];
}

export interface LayoutOptions {
  /** Width that the box of a service needs. */
  readonly widthOf: (service: string) => number;
  readonly nodeHeight: number;
  /** Free space between boxes of a column, and between columns. */
  readonly gap: { readonly row: number; readonly column: number };
  readonly margin: number;
}

/** A service, or the place where a long edge passes through a column. */
interface Cell {
  readonly service: string | undefined;
  readonly column: number;
  /** Cells of the neighbouring columns. */
  readonly left: Cell[];
  readonly right: Cell[];
  y: number;
}

const SWEEPS = 8;
/** Edges over more columns go straight: making room for them costs more than it shows. */
const MAX_SPAN = 40;

/** Lays out a graph; the result depends on nothing but the arguments. */
export function layoutGraph(graph: Graph, options: LayoutOptions): Layout {
  const columnOf = columns(graph);
  const { cells, chains } = makeCells(graph, columnOf);
  const grid = order(cells);
  spread(grid, (above, cell) => (heightOf(above, options) + heightOf(cell, options)) / 2 + options.gap.row);
  return place(grid, chains, options);
}

/** The longest way from a service that nobody needs. */
function columns(graph: Graph): ReadonlyMap<string, number> {
  const result = new Map<string, number>();
  for (const name of [...graph.order].reverse()) {
    const before = graph.dependentsOf(name).map(({ from }) => (result.get(from) ?? 0) + 1);
    result.set(
      name,
      before.reduce((most, column) => Math.max(most, column), 0),
    );
  }
  return result;
}

interface Chain {
  readonly edge: Edge;
  readonly cells: readonly Cell[];
}

function makeCells(graph: Graph, columnOf: ReadonlyMap<string, number>): { cells: Cell[]; chains: Chain[] } {
  const cells: Cell[] = [];
  const add = (service: string | undefined, column: number): Cell => {
    const cell: Cell = { service, column, left: [], right: [], y: 0 };
    cells.push(cell);
    return cell;
  };
  const names = [...graph.order].sort();
  const byName = new Map(names.map((name) => [name, add(name, columnOf.get(name) ?? 0)]));
  const chains: Chain[] = [];
  for (const edge of names.flatMap((name) => graph.dependenciesOf(name))) {
    const from = byName.get(edge.from);
    const to = byName.get(edge.to);
    if (from === undefined || to === undefined) continue;
    const span = to.column - from.column - 1;
    const between = Array.from({ length: span > MAX_SPAN ? 0 : span }, (_, index) =>
      add(undefined, from.column + 1 + index),
    );
    const chain = [from, ...between, to];
    for (const [index, cell] of chain.entries()) join(cell, chain[index + 1]);
    chains.push({ edge, cells: chain });
  }
  return { cells, chains };
}

function join(left: Cell, right: Cell | undefined): void {
  if (right === undefined) return;
  left.right.push(right);
  right.left.push(left);
}

/** Columns of cells, ordered so that neighbours in other columns are near (barycentre method). */
function order(cells: readonly Cell[]): Cell[][] {
  const last = cells.reduce((most, cell) => Math.max(most, cell.column), 0);
  const grid = Array.from({ length: last + 1 }, (): Cell[] => []);
  for (const cell of cells) grid[cell.column]?.push(cell);
  for (const column of grid) number(column);
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    const forwards = sweep % 2 === 0;
    for (const column of forwards ? grid : [...grid].reverse()) {
      sortBy(column, (cell) => mean(forwards ? cell.left : cell.right) ?? cell.y);
      number(column);
    }
  }
  return grid;
}

function number(column: readonly Cell[]): void {
  column.forEach((cell, index) => {
    cell.y = index;
  });
}

function sortBy(column: Cell[], rank: (cell: Cell) => number): void {
  const ranks = new Map(column.map((cell) => [cell, rank(cell)]));
  column.sort((a, b) => (ranks.get(a) ?? 0) - (ranks.get(b) ?? 0) || a.y - b.y);
}

function mean(cells: readonly Cell[]): number | undefined {
  if (cells.length === 0) return undefined;
  return cells.reduce((sum, cell) => sum + cell.y, 0) / cells.length;
}

/** How far the centres of two cells of a column have to be apart. */
type Distance = (above: Cell, cell: Cell) => number;

/** A line that passes needs next to no room. */
function heightOf({ service }: Cell, { nodeHeight }: LayoutOptions): number {
  return service === undefined ? 0 : nodeHeight;
}

/** Gives heights: as near to the neighbours as the distance to the next cell of the column allows. */
function spread(grid: readonly (readonly Cell[])[], distance: Distance): void {
  for (const column of grid) stack(column, distance);
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    for (const column of sweep % 2 === 0 ? grid : [...grid].reverse()) align(column, distance);
  }
  const top = Math.min(...grid.map((column) => column[0]?.y ?? Number.POSITIVE_INFINITY));
  for (const column of grid) for (const cell of column) cell.y -= top;
}

function stack(column: readonly Cell[], distance: Distance): void {
  column.forEach((cell, index) => {
    const above = column[index - 1];
    cell.y = above === undefined ? 0 : above.y + distance(above, cell);
  });
}

function align(column: readonly Cell[], distance: Distance): void {
  const wanted = column.map((cell) => mean([...cell.left, ...cell.right]) ?? cell.y);
  column.forEach((cell, index) => {
    const above = column[index - 1];
    const lowest = above === undefined ? Number.NEGATIVE_INFINITY : above.y + distance(above, cell);
    cell.y = Math.max(wanted[index] ?? 0, lowest);
  });
  // Pushing down moved the column as a whole; move it back by the mean of what it was moved.
  const moved =
    column.reduce((sum, cell, index) => sum + cell.y - (wanted[index] ?? 0), 0) / (column.length || 1);
  for (const cell of column) cell.y -= moved;
}

function place(
  grid: readonly (readonly Cell[])[],
  chains: readonly Chain[],
  { widthOf, nodeHeight, gap, margin }: LayoutOptions,
): Layout {
  const widths = grid.map((column) =>
    column.reduce((most, { service }) => Math.max(most, service === undefined ? 0 : widthOf(service)), 0),
  );
  const lefts: number[] = [];
  let x = margin;
  for (const width of widths) {
    lefts.push(x);
    x += width + gap.column;
  }
  const top = margin + nodeHeight / 2;
  const centreX = (column: number): number => (lefts[column] ?? 0) + (widths[column] ?? 0) / 2;
  const pointOf = (cell: Cell): { x: number; y: number } => ({
    x: centreX(cell.column),
    y: Math.round(cell.y + top),
  });
  const nodes = grid
    .flat()
    .flatMap((cell): PlacedNode[] =>
      cell.service === undefined
        ? []
        : [{ name: cell.service, ...pointOf(cell), width: widths[cell.column] ?? 0, height: nodeHeight }],
    );
  const edges = chains.map(({ edge, cells }) => ({ edge, points: lineThrough(cells, widths, pointOf) }));
  const lowest = grid.flat().reduce((most, cell) => Math.max(most, cell.y), 0);
  return {
    width: x - gap.column + margin,
    height: Math.ceil(lowest) + nodeHeight + 2 * margin,
    nodes,
    edges,
  };
}

/** A line leaves boxes at their right side, enters them at the left, and passes columns level. */
function lineThrough(
  cells: readonly Cell[],
  widths: readonly number[],
  pointOf: (cell: Cell) => { x: number; y: number },
): { x: number; y: number }[] {
  return cells.flatMap((cell, index) => {
    const { x, y } = pointOf(cell);
    const half = (widths[cell.column] ?? 0) / 2;
    if (index === 0) return [{ x: x + half, y }];
    if (index === cells.length - 1) return [{ x: x - half, y }];
    return [
      { x: x - half, y },
      { x: x + half, y },
    ];
  });
}
