// The table that was made of compose.schema.json, joined so that it can be walked.
import { InternalError } from '../errors.ts';
import { SCHEMA_TABLE } from './validator.generated.ts';

/** One place of the schema; all branches of a choice together, because they differ in type. */
export interface Row {
  /** Accepted types, a sum of the bits in TYPE. */
  readonly types: number;
  readonly properties: Readonly<Record<string, Row>> | undefined;
  readonly patterns: readonly { readonly name: RegExp; readonly row: Row }[];
  /** No keys beside those of properties and patterns. */
  readonly closed: boolean;
  readonly required: readonly string[];
  readonly items: Row | undefined;
  readonly unique: boolean;
  readonly enum: readonly string[] | undefined;
  readonly pattern: RegExp | undefined;
  readonly minimum: number | undefined;
  readonly maximum: number | undefined;
  /** A good value, as it is written in YAML. */
  readonly example: string | undefined;
}

/** A row as the generated table has it: other rows by number, expressions as text, defaults left out. */
interface StoredRow extends Partial<Omit<Row, 'properties' | 'patterns' | 'items' | 'pattern'>> {
  readonly types: number;
  readonly properties?: Readonly<Record<string, number>>;
  readonly patterns?: readonly (readonly [string, number])[];
  readonly items?: number;
  readonly pattern?: string;
}

/** Bits for the types of JSON; numbers are integers or have a fraction. */
export const TYPE = {
  null: 1,
  boolean: 2,
  integer: 4,
  fraction: 8,
  string: 16,
  array: 32,
  object: 64,
  any: 127,
};
const NONE: readonly never[] = [];
/** The row of the whole document. */
export const DOCUMENT = linkRows(JSON.parse(SCHEMA_TABLE) as readonly StoredRow[]);

/** Joins the rows; each refers only to earlier ones, and the last is the document. */
function linkRows(stored: readonly StoredRow[]): Row {
  const rows: Row[] = [];
  const expressions = new Map<string, RegExp>();
  const expression = (text: string): RegExp => {
    const made = expressions.get(text) ?? new RegExp(text, 'u');
    expressions.set(text, made);
    return made;
  };
  const row = (number: number): Row => {
    const found = rows[number];
    if (!found) throw new InternalError(`row ${number} of the schema is missing`);
    return found;
  };
  for (const entry of stored) {
    rows.push({
      types: entry.types,
      properties: entry.properties && linkProperties(entry.properties, row),
      patterns:
        entry.patterns?.map(([name, number]) => ({ name: expression(name), row: row(number) })) ?? NONE,
      closed: entry.closed === true,
      required: entry.required ?? NONE,
      items: entry.items === undefined ? undefined : row(entry.items),
      unique: entry.unique === true,
      enum: entry.enum,
      pattern: entry.pattern === undefined ? undefined : expression(entry.pattern),
      minimum: entry.minimum,
      maximum: entry.maximum,
      example: entry.example,
    });
  }
  return row(rows.length - 1);
}

function linkProperties(
  numbers: Readonly<Record<string, number>>,
  row: (number: number) => Row,
): Record<string, Row> {
  const properties: Record<string, Row> = Object.create(null);
  for (const name of Object.keys(numbers)) properties[name] = row(numbers[name] ?? -1);
  return properties;
}
