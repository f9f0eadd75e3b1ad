// The dependency graph: order, neighbours, subsets and cycles.
import { describe, expect, it } from 'vitest';
import { ComposeError } from '../../src/errors.ts';
import { buildGraph, findCycle, withDependencies, withDependents } from '../../src/plan/graph.ts';
import { project } from '../support/world.ts';

const chain = project({
  services: { web: { needs: { app: 'started' } }, app: { needs: { db: 'healthy' } }, db: {}, aside: {} },
});

describe('buildGraph', () => {
  it('puts dependencies before their dependents', () => {
    const { order } = buildGraph(chain.services);
    expect(order.indexOf('db')).toBeLessThan(order.indexOf('app'));
    expect(order.indexOf('app')).toBeLessThan(order.indexOf('web'));
    expect([...order].sort()).toEqual(['aside', 'app', 'db', 'web'].sort());
  });

  it('does not depend on the order in the file', () => {
    const turned = Object.fromEntries(Object.entries(chain.services).reverse());
    expect(buildGraph(turned).order).toEqual(buildGraph(chain.services).order);
  });

  it('leaves out dependencies on services that are not active', () => {
    const { services } = project({ services: { web: { needs: { cache: { required: false } } } } });
    expect(buildGraph(services).dependenciesOf('web')).toEqual([]);
  });

  it('knows both directions of an edge', () => {
    const graph = buildGraph(chain.services);
    const edge = { from: 'app', to: 'db', condition: 'service_healthy', required: true };
    expect(graph.dependenciesOf('app')).toEqual([edge]);
    expect(graph.dependentsOf('db')).toEqual([edge]);
  });

  it('shows the whole ring of a cycle, and where it is written', () => {
    const { services, positionOf } = project({
      services: {
        a: { needs: { b: 'started' } },
        b: { needs: { c: 'started' } },
        c: { needs: { b: 'started' } },
      },
    });
    const build = () => buildGraph(services, positionOf);
    expect(build).toThrow(expect.objectContaining({ code: 'dependency-cycle' }));
    expect(build).toThrow(/b → c → b$/);
    expect(build).toThrow(ComposeError);
    expect(build).toThrow(
      expect.objectContaining({ at: expect.objectContaining({ line: 'services.b.depends_on.c'.length }) }),
    );
  });

  it('takes a chain of 5,000 services', () => {
    const names = Array.from({ length: 5000 }, (_, index) => `s${String(index).padStart(4, '0')}`);
    const services = Object.fromEntries(
      names.map((name, index) => [
        name,
        index === 0 ? {} : { needs: { [names[index - 1] ?? '']: 'started' as const } },
      ]),
    );
    expect(buildGraph(project({ services }).services).order).toEqual(names);
  });
});

describe('subsets', () => {
  const graph = buildGraph(chain.services);

  it('takes everything that a service needs', () => {
    expect([...withDependencies(graph, ['app'])].sort()).toEqual(['app', 'db']);
  });

  it('takes everything that needs a service', () => {
    expect([...withDependents(graph, ['db'])].sort()).toEqual(['app', 'db', 'web']);
  });

  it('follows only the edges that it is told to', () => {
    const healthy = withDependents(graph, ['db'], ({ condition }) => condition === 'service_healthy');
    expect([...healthy].sort()).toEqual(['app', 'db']);
  });
});

describe('findCycle', () => {
  it('finds a service that needs itself', () => {
    expect(findCycle(['a'], () => ['a'])).toEqual(['a', 'a']);
  });

  it('finds none in a diamond', () => {
    const next: Record<string, string[]> = { a: ['b', 'c'], b: ['d'], c: ['d'] };
    expect(findCycle(['a'], (name) => next[name] ?? [])).toBeUndefined();
  });
});
