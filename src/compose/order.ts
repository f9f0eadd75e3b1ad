// The order of keys in what `config` prints: attributes as the reference has them, names sorted its way.

/** Compares two keys. */
type Compare = (a: string, b: string) => number;

/** Attributes whose value is a mapping by names that the author chose. */
const byName = new Set([
  'additional_contexts',
  'annotations',
  'args',
  'aux_addresses',
  'configs',
  'depends_on',
  'driver_opts',
  'environment',
  'jobs',
  'labels',
  'models',
  'networks',
  'options',
  'secrets',
  'services',
  'storage_opt',
  'sysctls',
  'ulimits',
  'volumes',
]);

/** JSON: by code points. */
const byLetter: Compare = (a, b) => (a < b ? -1 : a > b ? 1 : 0);

/** YAML: digits count as numbers, other signs come before letters. */
const byNumber: Compare = (a, b) => {
  const at = firstDifference(a, b);
  if (at === a.length || at === b.length) return a.length - b.length;
  const [left, right] = [a.charAt(at), b.charAt(at)];
  const [isLeftLetter, isRightLetter] = [isLetter(left), isLetter(right)];
  if (isLeftLetter && isRightLetter) return byLetter(left, right);
  if (isLeftLetter || isRightLetter) {
    // Behind a digit a letter ends the number, which is smaller than a longer one.
    const isAfterDigit = at > 0 && isDigit(a.charAt(at - 1));
    return isLeftLetter === isAfterDigit ? -1 : 1;
  }
  const [leftDigits, rightDigits] = [digitsAt(a, at), digitsAt(b, at)];
  const counts = left === '0' || right === '0' ? isInsideNumber(a, at) : false;
  const lead = counts ? '1' : '';
  const difference = BigInt(`${lead}${leftDigits}` || '0') - BigInt(`${lead}${rightDigits}` || '0');
  if (difference !== 0n) return difference < 0n ? -1 : 1;
  return leftDigits.length - rightDigits.length || byLetter(left, right);
};

function firstDifference(a: string, b: string): number {
  let at = 0;
  while (at < a.length && at < b.length && a[at] === b[at]) at += 1;
  return at;
}

const isLetter = (character: string): boolean => /\p{L}/u.test(character);
const isDigit = (character: string): boolean => /\p{Nd}/u.test(character);
const digitsAt = (text: string, at: number): string => /^[0-9]*/.exec(text.slice(at))?.[0] ?? '';
/** Whether a digit other than zero stands right before a place, zeros between them. */
const isInsideNumber = (text: string, at: number): boolean => /[1-9]0*$/.test(text.slice(0, at));

/** How a format differs in what it prints. */
interface Style {
  readonly compare: Compare;
  /** What an empty list of an extension is printed as. */
  readonly emptyList: readonly never[] | null;
}

const styles: Readonly<Record<'json' | 'yaml', Style>> = {
  json: { compare: byLetter, emptyList: null },
  yaml: { compare: byNumber, emptyList: [] },
};

/** A project's document with all mappings as Maps, in the order in which they are printed. */
export function inOrder(document: Readonly<Record<string, unknown>>, format: 'json' | 'yaml'): unknown {
  const style = styles[format];
  if (format === 'yaml') return struct(document, style);
  return mapEntries(sortedEntries(document, style), (value, key) => attribute(key, value, style));
}

/** Plain data with all mappings as Maps, sorted. */
export function sorted(value: unknown, format: 'json' | 'yaml'): unknown {
  return sortedBy(value, styles[format], false);
}

function sortedBy(value: unknown, style: Style, isExtension: boolean): unknown {
  if (Array.isArray(value)) {
    if (isExtension && value.length === 0) return style.emptyList;
    return value.map((item) => sortedBy(item, style, isExtension));
  }
  // A Map has its order.
  if (typeof value !== 'object' || value === null || value instanceof Map) return value;
  return mapEntries(sortedEntries(value, style), (item, key) =>
    sortedBy(item, style, isExtension || key.startsWith('x-')),
  );
}

type Entry = readonly [string, unknown];

function mapEntries(
  entries: readonly Entry[],
  change: (value: unknown, key: string) => unknown,
): ReadonlyMap<string, unknown> {
  return new Map(entries.map(([key, value]) => [key, change(value, key)]));
}

function sortedEntries(value: object, { compare }: Style): readonly Entry[] {
  return Object.entries(value).sort(([a], [b]) => compare(a, b));
}

/** A mapping of attributes, which keep their order; extensions have none and come last. */
function struct(value: unknown, style: Style): unknown {
  if (Array.isArray(value)) return value.map((item) => struct(item, style));
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value);
  const isExtension = ([key]: Entry): boolean => key.startsWith('x-');
  const attributes = entries.filter((entry) => !isExtension(entry));
  const extensions = sortedEntries(Object.fromEntries(entries.filter(isExtension)), style);
  return mapEntries([...attributes, ...extensions], (item, key) => attribute(key, item, style));
}

/** The value of an attribute. */
function attribute(key: string, value: unknown, style: Style): unknown {
  if (key.startsWith('x-')) return sortedBy(value, style, true);
  const isByName = byName.has(key) && typeof value === 'object' && value !== null && !Array.isArray(value);
  return isByName
    ? mapEntries(sortedEntries(value, style), (item) => struct(item, style))
    : struct(value, style);
}
