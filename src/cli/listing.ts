// Rows as --format wants them: a table, a table of chosen fields, JSON, or a Go template.
import { table } from './output.ts';
import { compileTemplate, templateFields } from './template.ts';

/** What templates and JSON see; methods of a row can be called from a template only. */
export type Row = Readonly<Record<string, unknown>>;

export interface Column {
  readonly title: string;
  readonly field: string;
}

export interface ListingOptions {
  readonly format: string | undefined;
  /** Columns of the plain table. */
  readonly columns: readonly Column[];
  /** Titles of fields that a table template may name, where they are not the field in capitals. */
  readonly titles?: Readonly<Record<string, string>>;
  /** One JSON document per line, or one array. */
  readonly json: 'lines' | 'array';
  /** Least width of a column of the plain table. */
  readonly minWidth?: number;
}

/** The whole text for standard output. */
export function renderListing(rows: readonly Row[], options: ListingOptions): string {
  const { format = 'table', columns, minWidth } = options;
  if (format === 'json') return renderJson(rows, options.json);
  if (format === 'table' || format === '') {
    const cells = rows.map((row) => columns.map(({ field }) => String(row[field] ?? '')));
    return table(
      columns.map(({ title }) => title),
      cells,
      minWidth,
    );
  }
  if (format.startsWith('table ')) return renderChosen(rows, format.slice('table '.length), options);
  const template = compileTemplate(format);
  return rows.map((row) => `${template(row)}\n`).join('');
}

function renderJson(rows: readonly Row[], shape: 'lines' | 'array'): string {
  if (shape === 'array') return `${JSON.stringify(rows)}\n`;
  return rows.map((row) => `${JSON.stringify(row)}\n`).join('');
}

function renderChosen(rows: readonly Row[], text: string, options: ListingOptions): string {
  const template = compileTemplate(text);
  const header = templateFields(text).map(
    (field) => options.titles?.[field] ?? titleOf(field, options.columns),
  );
  return table(
    header,
    rows.map((row) => template(row).split('\t')),
    options.minWidth,
  );
}

function titleOf(field: string, columns: readonly Column[]): string {
  return columns.find((column) => column.field === field)?.title ?? field.toUpperCase();
}
