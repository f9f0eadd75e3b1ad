// The dependency graph as text, Mermaid, DOT, JSON and SVG.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { graphDot, graphJson, graphMermaid, graphTree, nodeText } from '../../src/cli/graph/formats.ts';
import { loadProject } from '../../src/compose/load.ts';
import type { Project } from '../../src/compose/project.ts';
import { buildGraph, type Graph } from '../../src/plan/graph.ts';
import { layoutGraph } from '../../src/plan/graph-layout.ts';
import { graphSvg } from '../../src/plan/graph-svg.ts';

const cwd = mkdtempSync(join(tmpdir(), 'tscompose-graph-'));
afterAll(() => rmSync(cwd, { recursive: true }));

function world(yaml: string): { project: Project; graph: Graph } {
  writeFileSync(join(cwd, 'compose.yaml'), yaml);
  const { project } = loadProject({ cwd, env: {}, projectName: 'shop' });
  return { project, graph: buildGraph(project.services, project.positionOf) };
}

const SHOP = `
services:
  lb: { image: "lb:1", depends_on: { app: { condition: service_started, restart: true } } }
  app:
    image: app:1
    scale: 2
    depends_on:
      db: { condition: service_healthy }
      migrate: { condition: service_completed_successfully }
      cache: { condition: service_started, required: false }
  migrate: { build: ./migrate, depends_on: { db: { condition: service_healthy } } }
  db: { image: "postgres:17" }
  cache: { image: "redis:7" }
  alone: { image: "x:1", network_mode: "service:cache" }
`;

it('is a tree for people', () => {
  const { project, graph } = world(SHOP);
  expect(graphTree(project, graph)).toBe(`alone  x:1
└─ cache [restart]  redis:7
lb  lb:1
└─ app ×2 [restart]  app:1
   ├─ cache [optional]  redis:7
   ├─ db [healthy]  postgres:17
   └─ migrate [completed]  built from migrate
      └─ db [healthy]  postgres:17
`);
});

it('expands what is needed twice only once', () => {
  const { project, graph } = world(
    'services: { a: { image: x, depends_on: [c] }, b: { image: x, depends_on: [c] }, c: { image: x, depends_on: [d] }, d: { image: x } }',
  );
  expect(graphTree(project, graph)).toBe('a  x\n└─ c  x\n   └─ d  x\nb  x\n└─ c (see above)\n');
});

it('is a Mermaid flow chart', () => {
  const { project, graph } = world(
    'services: { a: { image: "x#1", depends_on: { b: { condition: service_healthy, required: false } } }, b: { image: y } }',
  );
  expect(graphMermaid(project, graph)).toBe(
    'flowchart LR\n  s0["b<br/><small>y</small>"]\n  s1["a<br/><small>x#35;1</small>"]\n  s1 -.->|healthy, optional| s0\n',
  );
});

it('is a DOT digraph', () => {
  const { project, graph } = world(
    'services: { a: { image: "x", depends_on: { b: { condition: service_healthy, required: false } } }, b: { image: \'y"z\' } }',
  );
  expect(graphDot(project, graph)).toBe(`digraph "shop" {
  rankdir=LR;
  node [shape=box, style=rounded];
  "b" [label="b\\ny\\"z"];
  "a" [label="a\\nx"];
  "a" -> "b" [label="healthy, optional", style=dashed];
}
`);
});

it('is JSON in the order of starting', () => {
  const { project, graph } = world(SHOP);
  const { services } = JSON.parse(graphJson(project, graph));
  const names: string[] = services.map((service: { name: string }) => service.name);
  for (const service of services) {
    for (const { service: needed } of service.depends_on) {
      expect(names.indexOf(needed)).toBeLessThan(names.indexOf(service.name));
    }
  }
  expect(services.find((service: { name: string }) => service.name === 'lb').depends_on).toEqual([
    { service: 'app', condition: 'service_started', required: true, restart: true },
  ]);
});

describe('as SVG', () => {
  const layoutOf = (graph: Graph) =>
    layoutGraph(graph, {
      widthOf: (name) => 40 + name.length * 8,
      nodeHeight: 40,
      gap: { row: 10, column: 50 },
      margin: 10,
    });

  const random = (services: number): string => {
    let state = 7;
    const next = (below: number): number => {
      state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
      return (state >>> 8) % below;
    };
    const lines = Array.from({ length: services }, (_, index) => {
      const needs = index === 0 ? [] : [...new Set([next(index), next(index)])].map((other) => `s${other}`);
      return `  s${index}: { image: x, depends_on: [${needs.join(', ')}] }`;
    });
    return `services:\n${lines.join('\n')}\n`;
  };

  it('puts what is needed to the right, and no boxes over each other', () => {
    const { graph } = world(random(60));
    const { nodes, edges, width, height } = layoutOf(graph);
    const byName = new Map(nodes.map((node) => [node.name, node]));
    expect(nodes).toHaveLength(60);
    for (const { edge, points } of edges) {
      expect(byName.get(edge.from)?.x ?? 0).toBeLessThan(byName.get(edge.to)?.x ?? 0);
      expect(points.length).toBeGreaterThanOrEqual(2);
    }
    for (const a of nodes) {
      expect(a.x - a.width / 2).toBeGreaterThanOrEqual(0);
      expect(a.y - a.height / 2).toBeGreaterThanOrEqual(0);
      expect(a.x + a.width / 2).toBeLessThanOrEqual(width);
      expect(a.y + a.height / 2).toBeLessThanOrEqual(height);
      for (const b of nodes) {
        const apart =
          Math.abs(a.x - b.x) >= (a.width + b.width) / 2 || Math.abs(a.y - b.y) >= (a.height + b.height) / 2;
        expect(a === b || apart).toBe(true);
      }
    }
  });

  it('places a service between those it needs', () => {
    const { graph } = world(
      'services: { a: { image: x, depends_on: [b, c] }, b: { image: x }, c: { image: x } }',
    );
    const [a, b, c] = layoutOf(graph).nodes.map(({ y }) => y);
    expect(a).toBeCloseTo(((b ?? 0) + (c ?? 0)) / 2, 0);
  });

  it('is the same each time', () => {
    const { graph } = world(random(30));
    expect(layoutOf(graph)).toEqual(layoutOf(world(random(30)).graph));
  });

  it('is well-formed, with everything escaped', () => {
    const { project, graph } = world(
      'services: { a: { image: "<&\\">\\u0001", depends_on: { b: { condition: service_healthy } } }, b: { image: y } }',
    );
    const svg = graphSvg(graph, project.name, (name) => nodeText(project, name));
    const open: string[] = [];
    for (const [, close, name = '', rest = ''] of svg.matchAll(/<(\/?)([a-z]+)([^<>]*)>/g)) {
      if (close) expect(open.pop()).toBe(name);
      else if (!rest.endsWith('/')) open.push(name);
    }
    expect(open).toEqual([]);
    expect(svg).toContain('&lt;&amp;&quot;&gt;\ufffd');
    expect(svg).toContain('>healthy</text>');
    expect(svg).not.toMatch(/NaN|undefined|Infinity/);
  });

  it('can be empty', () => {
    const { project, graph } = world('services: {}\nname: shop');
    expect(graphSvg(graph, project.name, (name) => nodeText(project, name))).not.toMatch(/NaN|Infinity/);
  });
});
