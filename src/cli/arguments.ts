// argv against a table of options: combined short flags, --flag=value, repeated ones, `--`.
import { ComposeError, InternalError } from '../errors.ts';
import type { Arguments, OptionSpec } from './command.ts';
import { nearest } from './nearest.ts';

export interface ParseOptions {
  /** Name of the command for messages, for example `tscompose up`. */
  readonly owner: string;
  readonly options: readonly OptionSpec[];
  /** The first positional ends the options. */
  readonly stopsAtPositional?: boolean;
}

export interface Parsed {
  readonly args: Arguments;
  /** Index into argv of the first positional, or its length; meaningful with `stopsAtPositional`. */
  readonly end: number;
}

type Value = boolean | string | number | string[];

const TRUE = new Set(['true', '1', 't', 'T', 'TRUE', 'True']);
const FALSE = new Set(['false', '0', 'f', 'F', 'FALSE', 'False']);

/** Parses argv; throws `usage` for what the table does not know. */
export function parseArguments(argv: readonly string[], options: ParseOptions): Parsed {
  const values = new Map<string, Value>();
  const positionals: string[] = [];
  const cursor = { index: 0 };
  const next = () => argv[++cursor.index];
  for (; cursor.index < argv.length; cursor.index++) {
    const word = argv[cursor.index] ?? '';
    if (word === '--') {
      positionals.push(...argv.slice(cursor.index + 1));
      break;
    }
    if (word.startsWith('--')) readLong(word, options, values, next);
    else if (word.startsWith('-') && word !== '-') readShort(word, options, values, next);
    else if (options.stopsAtPositional) {
      positionals.push(...argv.slice(cursor.index));
      break;
    } else positionals.push(word);
  }
  checkExclusions(options, values);
  return { args: argumentsOf(options, values, positionals), end: cursor.index };
}

type Next = () => string | undefined;

function readLong(word: string, options: ParseOptions, values: Map<string, Value>, next: Next): void {
  const equals = word.indexOf('=');
  const name = equals < 0 ? word.slice(2) : word.slice(2, equals);
  const spec = options.options.find((option) => option.name === name);
  if (!spec) throw unknownOption(`--${name}`, options);
  if (equals >= 0) store(spec, `--${name}`, word.slice(equals + 1), values, options);
  else if (spec.type === 'boolean') values.set(spec.name, true);
  else store(spec, `--${name}`, wanted(next(), `--${name}`, options), values, options);
}

function readShort(word: string, options: ParseOptions, values: Map<string, Value>, next: Next): void {
  for (let at = 1; at < word.length; at++) {
    const letter = word[at] ?? '';
    const spec = options.options.find((option) => option.short === letter);
    if (!spec) throw unknownOption(`-${letter}`, options, word);
    const rest = word.slice(at + 1);
    if (spec.type === 'boolean' && !rest.startsWith('=')) {
      values.set(spec.name, true);
      continue;
    }
    const text = rest.startsWith('=') ? rest.slice(1) : rest || wanted(next(), `-${letter}`, options);
    store(spec, `-${letter}`, text, values, options);
    return;
  }
}

function wanted(text: string | undefined, shown: string, options: ParseOptions): string {
  if (text === undefined) throw usage(`option ${shown} needs a value`, options);
  return text;
}

function store(
  spec: OptionSpec,
  shown: string,
  text: string,
  values: Map<string, Value>,
  options: ParseOptions,
): void {
  if (spec.choices && !spec.choices.includes(text)) {
    throw usage(`option ${shown} accepts ${spec.choices.join(', ')}, not ${JSON.stringify(text)}`, options);
  }
  values.set(spec.name, decode(spec, shown, text, values.get(spec.name), options));
}

function decode(
  spec: OptionSpec,
  shown: string,
  text: string,
  before: Value | undefined,
  options: ParseOptions,
): Value {
  switch (spec.type) {
    case 'boolean':
      if (TRUE.has(text)) return true;
      if (FALSE.has(text)) return false;
      throw usage(`option ${shown} is true or false, not ${JSON.stringify(text)}`, options);
    case 'number':
      if (/^[+-]?\d+$/.test(text)) return Number(text);
      throw usage(`option ${shown} needs a whole number, not ${JSON.stringify(text)}`, options);
    case 'list':
      return [...(Array.isArray(before) ? before : []), text];
    case 'string':
      return text;
  }
}

function checkExclusions(options: ParseOptions, values: Map<string, Value>): void {
  for (const spec of options.options) {
    if (!isOn(values.get(spec.name))) continue;
    const other = spec.excludes?.find((name) => isOn(values.get(name)));
    if (other !== undefined) throw usage(`--${spec.name} and --${other} cannot be combined`, options);
  }
}

function isOn(value: Value | undefined): boolean {
  return value !== undefined && value !== false;
}

function argumentsOf(
  options: ParseOptions,
  values: ReadonlyMap<string, Value>,
  positionals: readonly string[],
): Arguments {
  const get = (name: string, type: OptionSpec['type']): Value | undefined => {
    const spec = options.options.find((option) => option.name === name);
    if (spec?.type !== type) throw new InternalError(`${options.owner} has no ${type} option --${name}`);
    return values.get(name);
  };
  return {
    positionals,
    flag: (name) => get(name, 'boolean') === true,
    text: (name) => asText(get(name, 'string')),
    number: (name) => asNumber(get(name, 'number')),
    list: (name) => asList(get(name, 'list')),
    given: (name) => values.has(name),
  };
}

const asText = (value: Value | undefined) => (typeof value === 'string' ? value : undefined);
const asNumber = (value: Value | undefined) => (typeof value === 'number' ? value : undefined);
const asList = (value: Value | undefined): readonly string[] => (Array.isArray(value) ? value : []);

function unknownOption(shown: string, options: ParseOptions, within?: string): ComposeError {
  const names = options.options.filter((option) => !option.hidden).map((option) => `--${option.name}`);
  const close = shown.startsWith('--') ? nearest(shown, names) : undefined;
  const place = within !== undefined && within !== shown ? ` in ${within}` : '';
  return usage(`unknown option ${shown}${place}`, options, close && `did you mean ${close}?`);
}

function usage(message: string, options: ParseOptions, hint?: string): ComposeError {
  return new ComposeError('usage', message, { hint: hint ?? `see \`${options.owner} --help\`` });
}
