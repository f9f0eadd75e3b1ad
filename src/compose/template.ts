// Variables in strings: `$V`, `${V}`, `${V:-d}`, `${V-d}`, `${V:?e}`, `${V?e}`, `${V:+r}`, `${V+r}`, nested, and `$$`.

/** What a variable holds; undefined when it is not set. */
export type Lookup = (name: string) => string | undefined;

export type TemplateProblem =
  | { readonly kind: 'syntax'; readonly text: string; readonly offset: number }
  | { readonly kind: 'limit' }
  | { readonly kind: 'required'; readonly variable: string; readonly reason: string };

/** Carries a problem out of nested templates. */
export class TemplateError extends Error {
  readonly problem: TemplateProblem;

  constructor(problem: TemplateProblem) {
    super(describe(problem));
    this.name = 'TemplateError';
    this.problem = problem;
  }
}

function describe(problem: TemplateProblem): string {
  if (problem.kind === 'limit') return `more than ${maxReferences} variables in one value`;
  if (problem.kind === 'syntax') return `invalid interpolation format: ${problem.text}`;
  const reason = problem.reason === '' ? '' : `: ${problem.reason}`;
  return `required variable ${problem.variable} is missing a value${reason}`;
}

/** One use of a variable, as `config --variables` lists it. */
export interface VariableUse {
  readonly name: string;
  readonly operator: string;
  readonly argument: string;
}

const name = /[_a-zA-Z][_a-zA-Z0-9]*/y;
const operator = /:?[-+?]/y;
const maxDepth = 100;
const maxReferences = 100_000;

interface Expansion {
  readonly lookup: Lookup;
  readonly onUnset: (name: string) => void;
  readonly depth: number;
  /** How many references were seen, nested ones included. */
  readonly count: { references: number };
}

/** Replaces the variables of a string; throws TemplateError for bad syntax and missing required values. */
export function substitute(template: string, lookup: Lookup, onUnset: (name: string) => void): string {
  return expand(template, { lookup, onUnset, depth: 0, count: { references: 0 } });
}

function expand(template: string, expansion: Expansion): string {
  let result = '';
  let done = 0;
  for (let at = template.indexOf('$'); at >= 0; at = template.indexOf('$', done)) {
    result += template.slice(done, at);
    const found = reference(template, at);
    expansion.count.references += 1;
    if (expansion.count.references > maxReferences) throw new TemplateError({ kind: 'limit' });
    if (found === undefined) result += '$';
    else result += found.text ?? expandReference(found, expansion);
    done = found?.end ?? at + 1;
  }
  return result + template.slice(done);
}

interface Reference {
  /** Literal text instead of a variable, for `$$`. */
  readonly text?: string;
  readonly name: string;
  readonly operator: string;
  readonly argument: string;
  readonly end: number;
}

/** The reference that starts at a dollar sign; undefined when the sign is literal. */
function reference(template: string, at: number): Reference | undefined {
  const next = template[at + 1];
  if (next === '$') return { text: '$', name: '', operator: '', argument: '', end: at + 2 };
  if (next === '{') return braced(template, at);
  const named = match(name, template, at + 1);
  if (named === '') return undefined;
  return { name: named, operator: '', argument: '', end: at + 1 + named.length };
}

function braced(template: string, at: number): Reference {
  const named = match(name, template, at + 2);
  const afterName = at + 2 + named.length;
  if (named !== '' && template[afterName] === '}') {
    return { name: named, operator: '', argument: '', end: afterName + 1 };
  }
  const op = named === '' ? '' : match(operator, template, afterName);
  const start = afterName + op.length;
  const close = op === '' ? -1 : closingBrace(template, at);
  if (close < start)
    throw new TemplateError({ kind: 'syntax', text: template.slice(at, at + 200), offset: at });
  return { name: named, operator: op, argument: template.slice(start, close), end: close + 1 };
}

/** Index of the brace that balances the first one, or the last one of the line when none does; else -1. */
function closingBrace(template: string, from: number): number {
  let open = 0;
  let last = -1;
  for (let i = from; i < template.length && template[i] !== '\n'; i++) {
    if (template[i] === '}') {
      last = i;
      open -= 1;
      if (open === 0) return i;
    } else if (template[i] === '{') {
      open += 1;
      // The reference never looks at the character after an opening brace.
      if (template[i + 1] === '}') last = i + 1;
      if (template[i + 1] !== '\n') i += 1;
    }
  }
  return last;
}

function match(pattern: RegExp, text: string, at: number): string {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0] ?? '';
}

function expandReference(found: Reference, expansion: Expansion): string {
  const value = expansion.lookup(found.name);
  if (found.operator === '') {
    if (value === undefined) expansion.onUnset(found.name);
    return value ?? '';
  }
  if (expansion.depth >= maxDepth)
    throw new TemplateError({ kind: 'syntax', text: found.argument.slice(0, 200), offset: 0 });
  const argument = expand(found.argument, { ...expansion, depth: expansion.depth + 1 });
  const present = value !== undefined && (value !== '' || !found.operator.startsWith(':'));
  switch (found.operator.at(-1)) {
    case '-':
      return present ? value : argument;
    case '+':
      return present ? argument : (value ?? '');
    default:
      if (!present) throw new TemplateError({ kind: 'required', variable: found.name, reason: argument });
      return value;
  }
}

/** The variables that a string uses, nested ones included; strings with bad syntax have none. */
export function variablesOf(template: string): VariableUse[] {
  const uses: VariableUse[] = [];
  try {
    collect(template, uses, 0);
  } catch (error) {
    if (!(error instanceof TemplateError)) throw error;
  }
  return uses;
}

function collect(template: string, uses: VariableUse[], depth: number): void {
  let done = 0;
  for (let at = template.indexOf('$'); at >= 0 && depth <= maxDepth; at = template.indexOf('$', done)) {
    const found = reference(template, at);
    done = found?.end ?? at + 1;
    if (found === undefined || found.text !== undefined) continue;
    uses.push({ name: found.name, operator: found.operator, argument: found.argument });
    collect(found.argument, uses, depth + 1);
  }
}
