// `extends`: a service on top of another one, of the same file or of another, with its paths re-based.
import { dirname, isAbsolute, join, relative } from 'node:path';
import type { Scope } from './documents.ts';
import { nearest } from './hints.ts';
import { dropMarks, mergeService } from './merge.ts';
import { resolvePaths } from './paths.ts';
import { asMap, clone, get, type MapNode, type Node, sizeOf, textOf } from './tree.ts';

/** Where a chain of `extends` stands: the services of one file. */
export interface Place {
  readonly file: string;
  readonly services: MapNode;
  readonly done: Set<string>;
}

interface Step {
  readonly file: string;
  readonly service: string;
}

const maxChain = 200;

/** Replaces every service that extends another one by the merged service. */
export function applyExtends(document: MapNode, file: string, scope: Scope): void {
  for (const section of ['services', 'jobs']) {
    const services = asMap(document.entries.get(section));
    if (services === undefined) continue;
    const place: Place = { file, services, done: new Set() };
    for (const name of services.entries.keys()) extend(name, place, [], scope);
  }
}

function extend(name: string, place: Place, chain: readonly Step[], scope: Scope): MapNode | undefined {
  const service = asMap(place.services.entries.get(name));
  const extended = service?.entries.get('extends');
  if (service === undefined || extended === undefined || place.done.has(name)) return service;
  const reference = textOf(get(extended, 'service'));
  if (reference === undefined) return service;
  const step = { file: place.file, service: name };
  if (isCycle(step, chain, extended, scope)) return undefined;
  const from = basePlace(name, reference, extended, place, scope);
  if (from === undefined) return undefined;
  const base = extend(reference, from, [...chain, step], scope);
  place.done.add(name);
  // The reference keeps `extends` of a service that is there but empty, and prints it.
  if (base === undefined) return service;
  service.entries.delete('extends');
  spend(sizeOf(base), extended, scope);
  const copy = clone(base) as MapNode;
  dropMarks(copy);
  const merged = { ...mergeService(copy, service, name, scope.report), at: service.at, key: service.key };
  merged.mark = service.mark;
  place.services.entries.set(name, merged);
  return merged;
}

function spend(size: number, node: Node, { budget, report }: Scope): void {
  budget.copies -= size;
  if (budget.copies >= 0) return;
  report.error('input-limit', 'extends copies more values than a project can have', { node });
  report.finish();
}

function isCycle(step: Step, chain: readonly Step[], node: Node, scope: Scope): boolean {
  const from = chain.findIndex((known) => known.file === step.file && known.service === step.service);
  if (from < 0 && chain.length < maxChain) return false;
  const ring = [...chain.slice(Math.max(from, 0)), step].slice(0, 20);
  const shown = ring.map((known) => `${known.service} (${known.file})`).join(' → ');
  const code = from < 0 ? 'input-limit' : 'extends';
  const message =
    from < 0 ? `extends goes more than ${maxChain} services deep` : `circular extends: ${shown}`;
  scope.report.error(code, message, { node });
  scope.report.finish();
  return true;
}

function basePlace(
  name: string,
  reference: string,
  extended: Node,
  place: Place,
  scope: Scope,
): Place | undefined {
  const fileNode = get(extended, 'file');
  const file = textOf(fileNode);
  const subject = `cannot extend service "${name}" in ${place.file}`;
  if (file === undefined) {
    if (place.services.entries.has(reference)) return place;
    const message = `${subject}: service "${reference}" not found`;
    scope.report.error('extends', message, {
      node: get(extended, 'service'),
      path: ['services', name, 'extends'],
      hint: similarService(reference, place),
    });
    return undefined;
  }
  const other = placeOf(file, fileNode, scope);
  if (other?.services.entries.has(reference) === true) return other;
  const what =
    other === undefined ? `${file} has no services section` : `service "${reference}" not found in ${file}`;
  scope.report.error('extends', `${subject}: ${what}`, {
    node: get(extended, 'service'),
    path: ['services', name, 'extends'],
    hint: other === undefined ? undefined : similarService(reference, other),
  });
  return undefined;
}

function similarService(name: string, { services }: Place): string | undefined {
  return nearest(name, [...services.entries.keys()], (other) => `did you mean ${other}?`);
}

/** The services of another file in long forms, their paths relative to where this file's paths start. */
function placeOf(file: string, node: Node | undefined, scope: Scope): Place | undefined {
  scope.refuseRemote(file, node);
  const local = isAbsolute(file) ? file : join(scope.directory, file);
  const known = scope.extendedFiles.get(local);
  if (known !== undefined) return known;
  const base = relative(scope.directory, dirname(local)) || '.';
  const document = scope.readForExtends(local, node);
  resolvePaths(document, { base, home: scope.home });
  const services = asMap(document.entries.get('services'));
  if (services === undefined) return undefined;
  const place: Place = { file, services, done: new Set() };
  scope.extendedFiles.set(local, place);
  return place;
}
