// Which variables a document uses, for `config --variables`.
import { variablesOf } from './template.ts';

/** A variable of a document, with the names of the reference. */
export interface UsedVariable {
  readonly name: string;
  readonly default_value: string;
  readonly presence_value: string;
  readonly required: boolean;
}

/** The variables of all strings of a document, by name; the first default of several is told. */
export function collectVariables(document: unknown): UsedVariable[] {
  const found = new Map<string, UsedVariable>();
  collect(document, found);
  return [...found.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
}

function collect(value: unknown, found: Map<string, UsedVariable>): void {
  if (typeof value === 'string') for (const use of variablesOf(value)) add(use, found);
  else if (typeof value === 'object' && value !== null)
    for (const entry of Object.values(value)) collect(entry, found);
}

function add(use: ReturnType<typeof variablesOf>[number], found: Map<string, UsedVariable>): void {
  const before = found.get(use.name);
  const kind = use.operator.at(-1);
  found.set(use.name, {
    name: use.name,
    default_value: before?.default_value || (kind === '-' ? use.argument : ''),
    presence_value: before?.presence_value || (kind === '+' ? use.argument : ''),
    required: before?.required === true || kind === '?',
  });
}
