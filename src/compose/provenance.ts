// Where a value came from: every place that set it, in order, which one won, and why.
import type { Position } from '../errors.ts';
import { fileNote } from './envfiles.ts';
import type { Project, Provenance } from './project.ts';
import { variablesOf } from './template.ts';
import { type Node, nodeAt, parsePath, plain, positionOf } from './tree.ts';

/** The history of a value, oldest first; undefined when there is no such path. */
export function provenance(model: Node, path: string): readonly Provenance[] | undefined {
  const steps = parsePath(model, path);
  const node = steps === undefined ? undefined : nodeAt(model, steps);
  if (node === undefined) return undefined;
  const history: Provenance[] = [];
  for (let current: Node | undefined = node; current !== undefined; current = current.was) {
    const at = positionOf(current);
    history.unshift({
      value: plain(current),
      ...(at === undefined ? {} : { at }),
      ...(current.note === undefined ? {} : { note: current.note }),
    });
  }
  return history;
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
  return `${lines.join('\n')}\n`;
}

function reason(history: readonly Provenance[]): string {
  const [last, before] = [history.at(-1), history.at(-2)];
  if (before === undefined) return last?.at === undefined ? 'nothing else is written' : 'the only source';
  if (before.note === fileNote) return 'what the service itself says wins over its files of variables';
  if (before.at?.file === last?.at?.file) return 'the later value wins over what it repeats or extends';
  return 'the later file wins';
}

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
