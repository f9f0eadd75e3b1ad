// Which variables a document uses, for `config --variables`.
import { variablesOf } from './template.ts';

/** A variable of a document. */
export interface UsedVariable {
  readonly name: string;
  readonly defaultValue: string;
  readonly presenceValue: string;
  readonly required: boolean;
}

/** A variable with the names that the reference prints in a format. */
export function printedVariable(
  { name, defaultValue, presenceValue, required }: UsedVariable,
  format: 'json' | 'yaml',
): ReadonlyMap<string, unknown> {
  const words = ['Name', 'DefaultValue', 'PresenceValue', 'Required'];
  const values = [name, defaultValue, presenceValue, required];
  return new Map(words.map((word, index) => [format === 'json' ? word : word.toLowerCase(), values[index]]));
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
    defaultValue: before?.defaultValue || (kind === '-' ? use.argument : ''),
    presenceValue: before?.presenceValue || (kind === '+' ? use.argument : ''),
    required: before?.required === true || kind === '?',
  });
}
