// Prints plain data as JSON, letter by letter as the reference does.

/** A JSON document; mappings are objects or, where order matters, Maps. */
export function printJson(value: unknown): string {
  return `${print(value, '')}\n`;
}

function print(value: unknown, indent: string): string {
  if (typeof value === 'string') return quote(value);
  if (typeof value === 'number') return printNumber(value);
  if (typeof value === 'bigint') return String(value);
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const inner = `${indent}  `;
  if (Array.isArray(value))
    return enclose(
      '[]',
      value.map((item) => print(item, inner)),
      indent,
    );
  const entries = value instanceof Map ? [...(value as ReadonlyMap<string, unknown>)] : Object.entries(value);
  return enclose(
    '{}',
    entries.map(([key, item]) => `${quote(key)}: ${print(item, inner)}`),
    indent,
  );
}

function enclose(brackets: string, items: readonly string[], indent: string): string {
  if (items.length === 0) return brackets;
  const lines = items.map((item) => `\n${indent}  ${item}`).join(',');
  return `${brackets.charAt(0)}${lines}\n${indent}${brackets.charAt(1)}`;
}

/** Signs of HTML are escaped too. */
function quote(text: string): string {
  return JSON.stringify(text).replace(
    /[<>&\u2028\u2029]/g,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

function printNumber(value: number): string {
  return Number.isFinite(value) ? String(value) : 'null';
}
