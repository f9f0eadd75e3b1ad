// Prints plain data as YAML, in the style of the reference: two spaces, lists indented, text quoted when it must be.

type Values = Readonly<Record<string, unknown>>;

/** A YAML document that reads back as the same data. */
export function printYaml(value: unknown): string {
  if (isScalar(value)) return `${printScalar(value, '')}\n`;
  const lines: string[] = [];
  if (Array.isArray(value)) printList(value, '', lines);
  else printMap(value as Values, '', lines);
  return `${lines.join('\n')}\n`;
}

/** Whether a value fits behind its key: a scalar or an empty container. */
function isScalar(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return true;
  return Array.isArray(value) ? value.length === 0 : Object.keys(value).length === 0;
}

function printMap(value: Values, indent: string, lines: string[]): void {
  for (const [key, entry] of Object.entries(value)) {
    const head = `${indent}${printText(key, indent, true)}:`;
    if (isScalar(entry)) lines.push(`${head} ${printScalar(entry, indent)}`);
    else {
      lines.push(head);
      printInner(entry, indent, lines);
    }
  }
}

function printInner(value: unknown, indent: string, lines: string[]): void {
  if (Array.isArray(value)) printList(value, `${indent}  `, lines);
  else printMap(value as Values, `${indent}  `, lines);
}

function printList(value: readonly unknown[], indent: string, lines: string[]): void {
  for (const item of value) {
    if (isScalar(item)) {
      lines.push(`${indent}- ${printScalar(item, indent)}`);
      continue;
    }
    const inner: string[] = [];
    if (Array.isArray(item)) printList(item, `${indent}  `, inner);
    else printMap(item as Values, `${indent}  `, inner);
    // The first line of the item starts behind the dash.
    const [first = '', ...rest] = inner;
    lines.push(`${indent}- ${first.slice(indent.length + 2)}`, ...rest);
  }
}

function printScalar(value: unknown, indent: string): string {
  if (typeof value === 'string') return printText(value, indent, false);
  if (value === null || value === undefined) return 'null';
  if (Array.isArray(value)) return '[]';
  if (typeof value === 'object') return value instanceof Date ? `"${value.toISOString()}"` : '{}';
  if (typeof value === 'number' && !Number.isFinite(value)) {
    return Number.isNaN(value) ? '.nan' : value > 0 ? '.inf' : '-.inf';
  }
  return String(value);
}

const wordsOfOtherTypes = /^(?:~|null|true|false|yes|no|on|off|y|n|[-+]?\.(?:inf|nan))$/i;
const likeNumberOrDate = /^[-+.]?\d[\d_.,:xXoObBeE+\-a-fA-FTtZ]*$/;
const startsLikeSyntax = /^[\s\-?:,[\]{}#&*!|>'"%@`]|^$/;
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what has to be escaped
const needsEscape = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u2028\u2029\ufeff\ud800-\udfff]/;

function printText(text: string, indent: string, isKey: boolean): string {
  if (!isKey && text.includes('\n') && canBeBlock(text)) return block(text, indent);
  if (needsEscape.test(text) || text.includes('\n') || text.includes('\t')) return quoteDouble(text);
  if (wordsOfOtherTypes.test(text) || likeNumberOrDate.test(text)) return `"${text}"`;
  const isPlain = !startsLikeSyntax.test(text) && !/: |:$| #|\s$/.test(text) && text !== '<<';
  // A dash before a letter starts no list.
  if (isPlain || (/^-[^\s\d.-]/.test(text) && !/: |:$| #|\s$/.test(text))) return text;
  return `'${text.replaceAll("'", "''")}'`;
}

function quoteDouble(text: string): string {
  const escaped = JSON.stringify(text).replace(
    /[\u007f-\u009f\u2028\u2029\ufeff]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
  return escaped;
}

/** Block style cannot show trailing blanks, odd characters or text that starts with a blank. */
function canBeBlock(text: string): boolean {
  return !needsEscape.test(text) && !/^[\s]|[ \t]\n|[ \t]$|\t/.test(text);
}

function block(text: string, indent: string): string {
  const end = /\n*$/.exec(text)?.[0].length ?? 0;
  const chomp = end === 0 ? '-' : end === 1 ? '' : '+';
  const body = end === 0 ? text : text.slice(0, -1);
  const lines = body.split('\n').map((line) => (line === '' ? '' : `${indent}  ${line}`));
  return `|${chomp}\n${lines.join('\n')}`;
}
