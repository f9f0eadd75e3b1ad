// Turns compose.schema.json into the table that src/compose/schema.ts walks (src/compose/validator.generated.ts).
//
// Why a table and no generated code: every choice in the Compose schema is between JSON types, so all
// branches of a `oneOf` fit into one row and nothing is ever tried twice. The table is a tenth of the size
// of generated functions, is read by JSON.parse, and knows the keys and examples that error messages want.
// A schema that does not fit is refused here, never read loosely.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const TYPE_BITS = { null: 1, boolean: 2, integer: 4, number: 12, string: 16, array: 32, object: 64 };
const ANNOTATIONS = ['title', 'description', 'default', 'deprecated', 'examples', '$schema', '$id', '$defs'];
const CONSTRAINTS = {
  type: [],
  oneOf: [],
  $ref: [],
  properties: ['object'],
  patternProperties: ['object'],
  additionalProperties: ['object'],
  required: ['object'],
  items: ['array'],
  uniqueItems: ['array'],
  enum: ['string'],
  pattern: ['string'],
  minimum: ['number', 'integer'],
  maximum: ['number', 'integer'],
};

/** The table of a schema as JSON text: rows that point at earlier rows by number; the last is the document. */
function compileSchema(schema) {
  const compiler = new Compiler(schema);
  compiler.row(schema, '#');
  return JSON.stringify(compiler.rows);
}

class Compiler {
  constructor(root) {
    this.root = root;
    this.rows = [];
    this.numbers = new Map();
    this.open = [];
  }

  /** The number of the row for a schema; equal rows are stored once. */
  row(schema, where) {
    const row = { types: 0 };
    this.add(row, schema, where);
    const example = exampleOf(schema);
    if (example !== undefined) row.example = example;
    const key = JSON.stringify(row);
    const known = this.numbers.get(key);
    if (known !== undefined) return known;
    this.numbers.set(key, this.rows.length);
    return this.rows.push(row) - 1;
  }

  add(row, schema, where) {
    this.check(schema, where);
    if (schema.$ref !== undefined) {
      if (this.open.includes(schema.$ref)) throw new Error(`${where}: recursion is not supported`);
      this.open.push(schema.$ref);
      const target = this.resolve(schema.$ref);
      this.add(row, target, schema.$ref);
      if (row.example === undefined && target.examples) row.example = exampleOf(target);
      this.open.pop();
      return;
    }
    if (schema.oneOf !== undefined) {
      for (const [index, branch] of schema.oneOf.entries()) this.add(row, branch, `${where}/oneOf/${index}`);
      return;
    }
    const types = typesOf(schema);
    if ((row.types & types) !== 0) throw new Error(`${where}: branches overlap in their types`);
    row.types |= types;
    if (schema.properties) row.properties = this.each(schema.properties, `${where}/properties`);
    const patterns = Object.entries(this.each(schema.patternProperties ?? {}, `${where}/patternProperties`));
    if (patterns.length > 0) row.patterns = patterns;
    if (schema.additionalProperties === false) row.closed = true;
    if (schema.items) row.items = this.row(schema.items, `${where}/items`);
    if (schema.uniqueItems) row.unique = true;
    for (const name of ['required', 'enum', 'pattern', 'minimum', 'maximum']) {
      if (schema[name] !== undefined) row[name] = schema[name];
    }
  }

  each(schemas, where) {
    const numbered = Object.entries(schemas).map(([name, schema]) => [
      name,
      this.row(schema, `${where}/${name}`),
    ]);
    return Object.fromEntries(numbered);
  }

  check(schema, where) {
    for (const name of Object.keys(schema)) {
      if (ANNOTATIONS.includes(name)) continue;
      const needs = CONSTRAINTS[name];
      if (!needs) throw new Error(`${where}: keyword ${name} is not supported`);
      if (needs.length > 0 && !needs.some((type) => typesOf(schema) & TYPE_BITS[type])) {
        throw new Error(`${where}: ${name} without type ${needs.join(' or ')}`);
      }
      if (
        (name === '$ref' || name === 'oneOf') &&
        Object.keys(schema).some((other) => other !== name && other in CONSTRAINTS)
      ) {
        throw new Error(`${where}: constraints beside ${name}`);
      }
    }
    if (schema.additionalProperties !== undefined && schema.additionalProperties !== false) {
      throw new Error(`${where}: additionalProperties can only be false`);
    }
    if (
      schema.enum &&
      (schema.type !== 'string' || !schema.enum.every((value) => typeof value === 'string'))
    ) {
      throw new Error(`${where}: enum is for strings`);
    }
  }

  resolve(reference) {
    const steps = reference.slice(2).split('/');
    const found = steps.reduce((value, step) => value?.[step], this.root);
    if (found === undefined) throw new Error(`${reference} leads nowhere`);
    return found;
  }
}

function typesOf(schema) {
  if (schema.type === undefined) return Object.keys(schema).some((name) => name in CONSTRAINTS) ? 0 : 127;
  return [schema.type].flat().reduce((bits, type) => bits | TYPE_BITS[type], 0);
}

function exampleOf(schema) {
  if (schema.examples === undefined) return undefined;
  const wanted = schema.pattern === undefined ? schema.examples.slice(0, 1) : schema.examples;
  return wanted.map(flow).join(', ');
}

/** A value in YAML's flow style, quoted only where YAML needs it. */
function flow(value) {
  if (Array.isArray(value)) return `[${value.map(flow).join(', ')}]`;
  if (value !== null && typeof value === 'object' && Object.keys(value).length > 0) {
    return `{ ${Object.entries(value)
      .map(([key, entry]) => `${key}: ${flow(entry)}`)
      .join(', ')} }`;
  }
  if (typeof value !== 'string') return JSON.stringify(value);
  const plain =
    /^[A-Za-z./][\w./:-]*$|^\d+[a-zA-Z][\w.]*$/.test(value) &&
    !/^(true|false|null|yes|no|on|off|y|n)$/i.test(value);
  return plain ? value : JSON.stringify(value);
}

/** The text of src/compose/validator.generated.ts. */
function generateValidator(schema) {
  const table = compileSchema(schema).replaceAll('\\', '\\\\').replaceAll("'", "\\'");
  return `// Made by scripts/build-schema.mjs from compose.schema.json; not to be edited.\n\n/** Rows of the schema, as JSON. */\nexport const SCHEMA_TABLE =\n  '${table}';\n`;
}

/** Writes the validator's table, or only compares it; returns whether it is (or was) out of date. */
export function buildSchema(root, { write = true } = {}) {
  const schema = JSON.parse(readFileSync(`${root}/compose.schema.json`, 'utf8'));
  const target = `${root}/src/compose/validator.generated.ts`;
  const text = generateValidator(schema);
  if (readIfThere(target) === text) return false;
  if (write) writeFileSync(target, text);
  return true;
}

function readIfThere(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const write = !process.argv.includes('--check');
  const stale = buildSchema(fileURLToPath(new URL('..', import.meta.url)), { write });
  if (stale) console.log(`validator.generated.ts ${write ? 'written' : 'is older than compose.schema.json'}`);
  if (stale && !write) process.exitCode = 1;
}
