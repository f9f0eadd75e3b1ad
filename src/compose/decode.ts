// Turns nodes into the typed values of a Project: numbers, sizes and durations in canonical form, zeros left out.
import { listNote, printScalar } from './canonical.ts';
import { toBoolean } from './interpolate.ts';
import type { Report } from './report.ts';
import { type MapNode, type Node, plain, setKey, textOf } from './tree.ts';
import { float32, parseBytes, parseDuration, printDuration } from './units.ts';

export interface Decoding {
  readonly report: Report;
  readonly path: (string | number)[];
}

/** The value of a node, undefined when the attribute is to be left out. */
export type Codec = (node: Node | undefined, decoding: Decoding) => unknown;

/** Decoded attributes, while they are put together. */
export type Values = Record<string, unknown>;

/** Reports a value that its attribute cannot have. */
export function invalid(node: Node, problem: string, decoding: Decoding, hint?: string): undefined {
  const place = decoding.path.map((step) => (typeof step === 'number' ? `[${step}]` : step)).join('.');
  const message = `${place.replaceAll('.[', '[')}: ${problem}`;
  decoding.report.error('invalid-value', message, { node, path: [...decoding.path], hint });
  return undefined;
}

function inside<T>(decoding: Decoding, step: string | number, run: () => T): T {
  decoding.path.push(step);
  const result = run();
  decoding.path.pop();
  return result;
}

/** Whether nothing is written, or null. */
export const isAbsent = (node: Node | undefined): boolean =>
  node === undefined || (node.kind === 'scalar' && node.value === null);

/** A codec for values that are there and not null. */
export function present(decode: (node: Node, decoding: Decoding) => unknown): Codec {
  return (node, decoding) => (node === undefined || isAbsent(node) ? undefined : decode(node, decoding));
}

/** Leaves the zero value of a type out. */
export const unless =
  (zero: unknown, codec: Codec): Codec =>
  (node, decoding) => {
    const value = codec(node, decoding);
    return value === zero ? undefined : value;
  };

export const anyText: Codec = present((node) => printScalar(node));
export const str: Codec = unless('', anyText);

/** A boolean that is printed even when false. */
export const optionalBool: Codec = present((node, decoding) => {
  if (node.kind !== 'scalar') return undefined;
  if (typeof node.value === 'boolean') return node.value;
  const truth = typeof node.value === 'string' ? toBoolean(node.value, node, decoding.report) : undefined;
  return truth ?? invalid(node, `"${String(node.value)}" is neither true nor false`, decoding);
});
export const bool: Codec = unless(false, optionalBool);

/** A whole number that is printed even when zero. */
export const optionalInt: Codec = present((node, decoding) => {
  const value = node.kind === 'scalar' ? node.value : undefined;
  if (typeof value === 'number') return Math.trunc(value);
  if (typeof value === 'bigint') return Number(value);
  if (typeof value === 'string' && /^[-+]?\d+$/.test(value)) return Number(value);
  return invalid(node, `"${String(value)}" is not a whole number`, decoding);
});
export const int: Codec = unless(0, optionalInt);

/** A whole number that is not negative, printed even when zero. */
export const optionalUnsigned: Codec = (node, decoding) => {
  const value = optionalInt(node, decoding);
  if (node === undefined || typeof value !== 'number' || value >= 0) return value;
  return invalid(node, `${value} must not be negative`, decoding);
};
export const unsigned: Codec = unless(0, optionalUnsigned);

/** A number of single precision. */
export const float: Codec = unless(
  0,
  present((node, decoding) => {
    const value = node.kind === 'scalar' ? node.value : undefined;
    const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
    if (typeof number === 'number' && !Number.isNaN(number)) return float32(number);
    return invalid(node, `"${String(value)}" is not a number`, decoding);
  }),
);

/** A size, printed as a decimal string; fractions written as numbers are ignored like in the reference. */
export const optionalBytes: Codec = present((node, decoding) => {
  if (node.kind !== 'scalar') return undefined;
  if (typeof node.value === 'string') {
    const bytes = parseBytes(node.value);
    if (bytes !== undefined) return bytes.toString();
    const hint = 'a size is a number with a unit: 1048576, 512k, 64m, 2g';
    return invalid(node, `invalid size "${node.value}"`, decoding, hint);
  }
  return node.type === 'int' ? String(node.value) : '0';
});
export const bytes: Codec = unless('0', optionalBytes);

/** A duration that is printed even when zero. */
export const optionalDuration: Codec = present((node, decoding) => {
  const text = printScalar(node) ?? '';
  const value = parseDuration(text);
  if (value !== undefined) return printDuration(value);
  const hint = 'a duration has units and no blanks: 500ms, 30s, 1m30s, 2h';
  return invalid(node, `invalid duration "${text}"`, decoding, hint);
});
export const duration: Codec = unless('0s', optionalDuration);

/** A list, left out when empty. */
export const listOf = (item: Codec): Codec =>
  present((node, decoding) => {
    if (node.kind !== 'list' || node.items.length === 0) return undefined;
    const values = node.items.map((entry, index) => inside(decoding, index, () => item(entry, decoding)));
    return Object.freeze(values.map((value) => value ?? ''));
  });

export const strings: Codec = listOf(anyText);

/** A string or a list of strings. */
export const stringOrList: Codec = (node, decoding) => {
  const single = textOf(node);
  return single === undefined ? strings(node, decoding) : Object.freeze([single]);
};

/** A mapping, left out when empty; null entries become `absent`. */
export const mapOfValues = (item: Codec, absent?: unknown): Codec =>
  present((node, decoding) => {
    if (node.kind !== 'map') return undefined;
    const result: Values = {};
    let count = 0;
    for (const [key, entry] of node.entries) {
      // Extensions are no members of a mapping that was written as one.
      if (key.startsWith('x-') && node.note !== listNote) continue;
      const value = inside(decoding, key, () => item(entry, decoding));
      if (value === undefined && absent === undefined) continue;
      setKey(result, key, value === undefined ? absent : value);
      count += 1;
    }
    return count === 0 ? undefined : Object.freeze(result);
  });

/** Text by name, nothing for null. */
export const texts: Codec = mapOfValues(anyText, '');
/** Text by name, null where no value is given. */
export const nullableTexts: Codec = mapOfValues(anyText, null);

export interface StructOptions {
  /** Printed even when nothing is written. */
  readonly always?: boolean;
  /** What attributes that every such mapping has are when they are missing or empty; that is not printed. */
  readonly otherwise?: Readonly<Record<string, unknown>>;
  /** Whether extensions are kept; they are unless the reference drops them. */
  readonly extensible?: boolean;
}

interface Field {
  readonly name: string;
  readonly codec: Codec;
  /** Has a value even when nothing is written. */
  readonly isAlways: boolean;
}

/** A mapping of known attributes, in the order of the reference; extensions are kept aside, not enumerable. */
export function struct(fields: Readonly<Record<string, Codec>>, options: StructOptions = {}): Codec {
  let table: readonly Field[] | undefined;
  const otherwise = Object.entries(options.otherwise ?? {});
  return (node, decoding) => {
    if (node === undefined || isAbsent(node)) return options.always === true ? Object.freeze({}) : undefined;
    if (node.kind !== 'map') return undefined;
    table ??= Object.entries(fields).map(([name, codec]) => {
      return { name, codec, isAlways: codec(undefined, decoding) !== undefined };
    });
    const values = decodeFields(node, table, decoding);
    if (options.extensible !== false) keepExtensions(values, node);
    for (const [name, value] of otherwise) {
      // Not enumerable: what is empty is not printed, but code that reads it finds what its type promises.
      if (!Object.hasOwn(values, name)) Object.defineProperty(values, name, { value });
    }
    return Object.freeze(values);
  };
}

function decodeFields(node: MapNode, fields: readonly Field[], decoding: Decoding): Values {
  const result: Values = {};
  for (const { name, codec, isAlways } of fields) {
    const entry = node.entries.get(name);
    if (entry === undefined && !isAlways) continue;
    decoding.path.push(name);
    const value = codec(entry, decoding);
    decoding.path.pop();
    if (value !== undefined) result[name] = value;
  }
  return result;
}

/** Keeps the extensions of a mapping with its values, where only those see them who ask. */
export function keepExtensions(values: Values, node: MapNode): Values {
  const extensions = extensionsOf(node);
  return extensions === undefined
    ? values
    : Object.defineProperty(values, 'extensions', { value: extensions });
}

/** The `x-` attributes of a mapping. */
export function extensionsOf(node: MapNode): Values | undefined {
  let result: Values | undefined;
  for (const [key, value] of node.entries) {
    if (!key.startsWith('x-')) continue;
    result ??= {};
    setKey(result, key, plain(value, true));
  }
  return result === undefined ? undefined : Object.freeze(result);
}
