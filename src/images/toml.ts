// The part of TOML that registries.conf uses: tables, arrays of tables, strings, booleans, numbers and lists of strings.

export type TomlValue = string | boolean | number | readonly TomlValue[] | TomlTable | TomlTable[];
export interface TomlTable {
  [key: string]: TomlValue;
}

/** Reads a file; throws TypeError with the line when it is not understood. */
export function parseToml(text: string): TomlTable {
  const root: TomlTable = {};
  let table = root;
  const lines = joinLists(text.split('\n'));
  for (const [number, raw] of lines) {
    const line = withoutComment(raw).trim();
    if (line === '') continue;
    const section = /^(\[\[?)([^\]]+)\]\]?$/.exec(line);
    if (section) {
      table = openTable(root, splitKey(section[2] ?? ''), section[1] === '[[');
      continue;
    }
    const equals = line.indexOf('=');
    if (equals < 0) throw new TypeError(`line ${number}: no value`);
    const [key = ''] = splitKey(line.slice(0, equals));
    table[key] = parseValue(line.slice(equals + 1).trim(), number);
  }
  return root;
}

/** A list may go over several lines. */
function joinLists(lines: readonly string[]): [number, string][] {
  const joined: [number, string][] = [];
  let open = '';
  for (const [index, line] of lines.entries()) {
    const all = open === '' ? line : `${open} ${withoutComment(line)}`;
    const value = withoutComment(all).trim();
    const isOpen = /=\s*\[/.test(value) && !value.endsWith(']');
    if (isOpen) open = withoutComment(all);
    else {
      joined.push([index + 1, all]);
      open = '';
    }
  }
  return joined;
}

function withoutComment(line: string): string {
  let quote = '';
  for (const [index, character] of [...line].entries()) {
    if (quote === '' && character === '#') return line.slice(0, index);
    if (quote === '' && (character === '"' || character === "'")) quote = character;
    else if (character === quote) quote = '';
  }
  return line;
}

function splitKey(text: string): string[] {
  return [...text.trim().matchAll(/"([^"]*)"|'([^']*)'|([^.\s]+)/g)].map(
    ([, double, single, bare]) => double ?? single ?? bare ?? '',
  );
}

function openTable(root: TomlTable, path: readonly string[], isArray: boolean): TomlTable {
  let table = root;
  for (const [depth, key] of path.entries()) {
    const last = depth === path.length - 1;
    const present = table[key];
    if (Array.isArray(present)) {
      if (last && isArray) present.push({});
      table = asTable(present.at(-1));
    } else if (present === undefined) {
      const made: TomlTable = {};
      table[key] = last && isArray ? [made] : made;
      table = made;
    } else table = asTable(present);
  }
  return table;
}

function asTable(value: TomlValue | undefined): TomlTable {
  if (typeof value === 'object' && !Array.isArray(value)) return value as TomlTable;
  throw new TypeError('a value is used as a table');
}

function parseValue(text: string, line: number): TomlValue {
  if (text === 'true' || text === 'false') return text === 'true';
  if (/^[+-]?\d+$/.test(text)) return Number(text);
  if (/^"(?:[^"\\]|\\.)*"$/.test(text)) return JSON.parse(text);
  if (/^'[^']*'$/.test(text)) return text.slice(1, -1);
  if (text.startsWith('[') && text.endsWith(']'))
    return [...text.slice(1, -1).matchAll(/"(?:[^"\\]|\\.)*"|'[^']*'|[^\s,]+/g)].map(([item]) =>
      parseValue(item, line),
    );
  throw new TypeError(`line ${line}: ${text} is not understood`);
}
