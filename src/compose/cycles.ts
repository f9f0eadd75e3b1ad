// Rings of services that wait for each other.
import type { Project } from './project.ts';
import type { Report } from './report.ts';
import { type Node, placeOf } from './tree.ts';

/** Finds rings of dependencies; one ring for each group of services that wait for each other. */
export function checkCycles(project: Project, model: Node, report: Report): void {
  const done = new Set<string>();
  for (const start of Object.keys(project.services)) {
    const ring = findRing(start, project, done);
    if (ring === undefined) continue;
    const [from = start, to = start] = ring;
    const path = ['services', from, 'depends_on', to];
    const message = `dependency cycle detected: ${[...ring, from].join(' -> ')}`;
    const hint = 'remove one of these dependencies: none of the services could be the first to start';
    report.error('dependency-cycle', message, { at: placeOf(model, path), path, hint });
  }
}

interface Visit {
  readonly name: string;
  readonly next: string[];
}

/** Walks without recursion, because chains may be as long as the project has services. */
function findRing(start: string, project: Project, done: Set<string>): string[] | undefined {
  const onPath = new Set<string>();
  const visits: Visit[] = [];
  const enter = (name: string): void => {
    done.add(name);
    onPath.add(name);
    visits.push({
      name,
      next: Object.keys(project.services[name]?.depends_on ?? {})
        .sort()
        .reverse(),
    });
  };
  if (!done.has(start)) enter(start);
  let ring: string[] | undefined;
  for (let visit = visits.at(-1); visit !== undefined; visit = visits.at(-1)) {
    const next = visit.next.pop();
    if (next === undefined) {
      onPath.delete(visit.name);
      visits.pop();
    } else if (onPath.has(next)) {
      const names = visits.map(({ name }) => name);
      ring ??= names.slice(names.indexOf(next));
    } else if (!done.has(next) && Object.hasOwn(project.services, next)) enter(next);
  }
  return ring;
}
