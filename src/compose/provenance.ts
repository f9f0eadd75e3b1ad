// Where a value came from: every place that set it, in order, which one won, and why.
import type { Position } from '../errors.ts';
import { nearest } from './hints.ts';
import type { Project, Provenance } from './project.ts';
import { variablesOf } from './template.ts';
import { type Node, nodeAt, parsePath, plain, positionOf, type Replaced } from './tree.ts';

/** The history of a value, oldest first; undefined when there is no such path. */
export function provenance(model: Node, path: string): readonly Provenance[] | undefined {
  const steps = parsePath(model, path);
  const node = steps === undefined ? undefined : nodeAt(model, steps);
  if (node === undefined) return undefined;
  const history: Provenance[] = [];
  let current: Pick<Replaced, 'node'> & Partial<Replaced> = { node };
  for (;;) {
    const { was, note } = current.node;
    const at = positionOf(current.node);
    history.unshift({
      value: plain(current.node),
      ...(at === undefined ? {} : { at }),
      ...(note === undefined ? {} : { note }),
      ...(was === undefined ? {} : { why: was.why }),
    });
    if (was === undefined) return history;
    current = was;
  }
}

/** The history of a value as text, one line for each source; undefined when there is no such path. */
export function explainValue(project: Project, path: string): string | undefined {
  const history = project.loaded?.provenanceOf(path);
  const winner = history?.at(-1);
  if (history === undefined || winner === undefined) return undefined;
  const lines = [`${path} = ${shown(winner.value)}`];
  for (const [index, source] of history.entries()) {
    const mark = source === winner ? `   <- wins: ${reason(history)}` : '';
    lines.push(`  ${index + 1}. ${placeOf(source)}: ${shown(source.value)}${mark}`);
    for (const use of usesOf(source)) lines.push(`     ${variableLine(use, project)}`);
  }
  lines.push(...memberLines(project, path, winner.value));
  return `${lines.join('\n')}\n`;
}

const reasons: Readonly<Record<NonNullable<Provenance['why']>, string>> = {
  file: 'the later file wins',
  extends: 'what a service says itself wins over what it extends',
  'merge-key': 'what a mapping says itself wins over what << merges into it',
  'env-file': 'what the service itself says wins over its files of variables',
  'label-file': 'what the service itself says wins over its files of labels',
  repeat: 'it takes the place of an earlier entry for the same thing',
};

function reason(history: readonly Provenance[]): string {
  const [last, before] = [history.at(-1), history.at(-2)];
  if (last?.why === undefined) return last?.at === undefined ? 'nothing else is written' : 'the only source';
  const isOneFile = last.why === 'file' && before?.at?.file === last.at?.file;
  return isOneFile ? 'the later document of the file wins' : reasons[last.why];
}

const mostMembers = 100;

/** Where the parts of a mapping or a list come from, each with the path that tells more. */
function memberLines(project: Project, path: string, value: unknown): readonly string[] {
  if (typeof value !== 'object' || value === null) return [];
  const isList = Array.isArray(value);
  const paths = Object.keys(value).map((key) => (isList ? `${path}[${key}]` : `${path}.${key}`));
  const lines = paths.slice(0, mostMembers).flatMap((member) => {
    const source = project.loaded?.provenanceOf(member)?.at(-1);
    return source === undefined ? [] : [`  ${member}: ${placeOf(source)}`];
  });
  const more = paths.length - mostMembers;
  return more > 0 ? [...lines, `  and ${more} more`] : lines;
}

/** What to try instead of a path that leads nowhere: the nearest key of the deepest part that exists. */
export function pathHint(project: Project, path: string): string {
  const form = 'paths look like services.web.environment.PORT or services.web.ports[0]';
  const cut = Math.max(path.lastIndexOf('.'), path.lastIndexOf('['));
  if (cut <= 0) return nearest(path, sections, (section) => `did you mean ${section}?`) ?? form;
  const parent = path.slice(0, cut);
  const value = project.loaded?.provenanceOf(parent)?.at(-1)?.value;
  if (value === undefined) return pathHint(project, parent);
  if (typeof value !== 'object' || value === null) return `${parent} is ${shown(value)}`;
  if (Array.isArray(value)) return `${parent} has ${value.length} entries, counted from 0`;
  const keys = Object.keys(value);
  const similar = nearest(path.slice(cut + 1), keys, (key) => `did you mean ${parent}.${key}?`);
  return (
    similar ?? (keys.length === 0 ? `${parent} is empty` : `${parent} has ${keys.slice(0, 20).join(', ')}`)
  );
}

const sections = ['services', 'networks', 'volumes', 'secrets', 'configs', 'models', 'jobs'];

function placeOf(source: Provenance): string {
  if (source.at !== undefined) return showPosition(source.at);
  return source.note ?? 'not written anywhere';
}

function showPosition(at: Position): string {
  return `${at.file}:${at.line}:${at.column}`;
}

function usesOf(source: Provenance): string[] {
  const note = source.note ?? '';
  if (note.startsWith(variableNote)) return [note.slice(variableNote.length)];
  if (!note.startsWith(templateNote)) return [];
  return [...new Set(variablesOf(note.slice(templateNote.length)).map(({ name }) => name))];
}

/** Starts the note of a value that was expanded from a template, or taken from a variable. */
const templateNote = 'from ';
const variableNote = 'from the variable ';

function variableLine(name: string, project: Project): string {
  const variable = project.loaded?.variable(name);
  if (variable === undefined) return `${name} is not set`;
  const place = variable.at === undefined ? 'the environment of the shell' : showPosition(variable.at);
  return `${name}=${variable.value} from ${place}`;
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length > 200 ? `${text.slice(0, 197)}...` : text;
}
