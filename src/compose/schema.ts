// Checks a document against compose.schema.json and words what is wrong with it.
import type { ErrorCode } from '../errors.ts';
import { nameHint, nearest, synonymOf, typeHint } from './hints.ts';
import { DOCUMENT, type Row, TYPE } from './schema-rows.ts';
import { described, expected, listed, ownKeys, quoted } from './schema-words.ts';
import { joinPath } from './tree.ts';

export type PathStep = string | number;

/** One violation of the schema, at a place in the document. */
export interface SchemaIssue {
  readonly path: readonly PathStep[];
  /** The keyword of the schema that was violated. */
  readonly keyword: string;
  readonly message: string;
  readonly code: ErrorCode;
  readonly hint?: string;
  /** The mistake is in the key that the path ends with, not in its value. */
  readonly onKey?: boolean;
}

/** Issues after which the check ends: a file with so many is not read line by line. */
const maxIssues = 1000;

/** Everything in which a document (JSON values, after interpolation) breaks the schema, in its order. */
export function validateDocument(value: unknown): readonly SchemaIssue[] {
  const check = new Check();
  check.document(value);
  return check.issues;
}

class Check {
  readonly issues: SchemaIssue[] = [];
  readonly #path: PathStep[] = [];
  /** The rows above the current one, the document's first. */
  readonly #above: Row[] = [];

  document(value: unknown): void {
    if (isMapping(value) && this.#firstFormat(value)) return;
    this.#value(value, DOCUMENT);
  }

  #value(value: unknown, row: Row): void {
    if (this.issues.length >= maxIssues) return;
    const type = typeOf(value);
    if ((row.types & type) === 0) this.#wrongType(value, row);
    else if (type === TYPE.string) {
      if (row.enum !== undefined || row.pattern !== undefined) this.#string(value as string, row);
    } else if (type === TYPE.object) this.#mapping(value as Record<string, unknown>, row);
    else if (type === TYPE.array) this.#list(value as readonly unknown[], row);
    else if (row.minimum !== undefined && (type & (TYPE.integer | TYPE.fraction)) !== 0) {
      this.#number(value as number, row, row.minimum);
    }
  }

  #mapping(value: Readonly<Record<string, unknown>>, row: Row): void {
    for (const key of row.required) if (!Object.hasOwn(value, key)) this.#missingKey(key, row);
    if (row.properties === undefined && row.patterns.length === 0) return;
    for (const key of Object.keys(value)) {
      const next = row.properties?.[key] ?? rowByPattern(key, row);
      if (next !== undefined) this.#step(key, value[key], next, row);
      else if (row.closed && this.issues.length < maxIssues) this.#unknownKey(key, value[key], row);
    }
  }

  #list(value: readonly unknown[], row: Row): void {
    const { items } = row;
    if (items) for (let index = 0; index < value.length; index++) this.#step(index, value[index], items, row);
    if (row.unique) this.#repeats(value);
  }

  #step(key: PathStep, value: unknown, next: Row, row: Row): void {
    this.#path.push(key);
    this.#above.push(row);
    this.#value(value, next);
    this.#above.pop();
    this.#path.pop();
  }

  #string(value: string, row: Row): void {
    if (row.enum && !row.enum.includes(value)) {
      this.#report('enum', 'invalid-value', `must be one of ${listed(row.enum)}, not ${quoted(value)}`, {
        hint: meantOf(value, row.enum),
      });
    }
    if (row.pattern !== undefined && !row.pattern.test(value)) {
      this.#report('pattern', 'invalid-value', `has the invalid value ${quoted(value)}`, {
        hint:
          row.example === undefined
            ? `it has to match ${row.pattern.source}`
            : `accepted are for example ${row.example}`,
      });
    }
  }

  #number(value: number, row: Row, minimum: number): void {
    const { maximum } = row;
    if (value >= minimum && (maximum === undefined || value <= maximum)) return;
    const range = maximum === undefined ? `at least ${minimum}` : `between ${minimum} and ${maximum}`;
    this.#report(value < minimum ? 'minimum' : 'maximum', 'invalid-value', `must be ${range}, not ${value}`);
  }

  #repeats(value: readonly unknown[]): void {
    if (value.length < 2) return;
    const seen = new Map<string, number>();
    value.forEach((item, index) => {
      const key = identity(item);
      const first = seen.get(key);
      if (first === undefined) seen.set(key, index);
      else this.#repeated(index, first);
    });
  }

  #repeated(index: number, first: number): void {
    const list = joinPath(this.#path);
    this.issues.push({
      path: [...this.#path, index],
      keyword: 'uniqueItems',
      code: 'invalid-value',
      message: `${list}[${index}] is the same as ${list}[${first}]; entries of this list may not repeat`,
      hint: 'remove one of them',
    });
  }

  #missingKey(key: string, row: Row): void {
    const wanted = row.properties?.[key];
    const example = wanted?.example ?? wanted?.enum?.[0];
    this.#report('required', 'missing-key', `needs the key ${quoted(key)}`, {
      hint: `add it${example === undefined ? '' : `, for example \`${key}: ${example}\``}`,
      onKey: typeof this.#path.at(-1) === 'string',
    });
  }

  #wrongType(value: unknown, row: Row): void {
    const inList = typeof this.#path.at(-1) === 'number';
    const key = this.#path.at(inList ? -2 : -1);
    const { string, array, object, any } = TYPE;
    this.#report('type', 'wrong-type', `must be ${expected(row)}, not ${described(value)}`, {
      hint: typeHint(value, {
        key: typeof key === 'string' ? key : undefined,
        inList,
        string: (row.types & string) !== 0,
        boolean: (row.types & TYPE.boolean) !== 0 && (row.types & (TYPE.integer | TYPE.fraction)) === 0,
        list: (row.types & array) !== 0,
        mapping: (row.types & object) !== 0 && row.types !== any,
        example: row.example ?? (inList ? this.#above.at(-1)?.example : undefined),
      }),
    });
  }

  #unknownKey(key: string, value: unknown, row: Row): void {
    this.#path.push(key);
    const place = this.#path.length === 1 ? 'a Compose file' : joinPath(this.#path.slice(0, -1));
    if (row.properties) {
      this.#report(
        'additionalProperties',
        'unknown-key',
        `is not known: ${place} has no key ${quoted(key)}`,
        {
          hint: this.#keyHint(key, row, value),
          onKey: true,
        },
      );
    } else {
      const { message, hint } = nameHint(key);
      this.#report('additionalProperties', 'invalid-value', message, { hint, onKey: true });
    }
    this.#path.pop();
  }

  /** The key that was probably meant, or the place where this one belongs. */
  #keyHint(key: string, row: Row, value: unknown): string {
    const known = Object.keys(row.properties ?? {});
    const guess = (word: string): string => `did you mean \`${word}\`?`;
    const meant = synonymOf(key, known, (word) => `\`${word}\` is the key for that`);
    return (
      strangeBlank(key) ??
      this.#nestedSection() ??
      this.#resourceKey(key, known) ??
      nearest(key, known, guess, 0) ??
      meant ??
      this.#looseService(key, value) ??
      this.#placeOf(key, row) ??
      nearest(key, known, guess) ??
      ownKeys(known)
    );
  }

  /** A key of a network or volume that stands in a service. */
  #resourceKey(key: string, known: readonly string[]): string | undefined {
    if (this.#path[0] !== 'services' || this.#path.length !== 3 || known.includes(key)) return undefined;
    const section = RESOURCE_KEYS[key];
    return section === undefined ? undefined : `\`${key}\` belongs at the top of the file, into ${section}`;
  }

  /** A section such as `volumes:` that stands among the services. */
  #nestedSection(): string | undefined {
    const [section, name] = this.#path;
    if (section !== 'services' || this.#path.length !== 3 || typeof name !== 'string') return undefined;
    if (DOCUMENT.properties?.[name] === undefined) return undefined;
    return `\`${name}:\` is taken for a service here; it belongs at the top of the file: indent it less`;
  }

  /** A service that stands beside `services:`. */
  #looseService(key: string, value: unknown): string | undefined {
    if (this.#path.length !== 1 || !looksLikeService(key, value)) return undefined;
    return 'this looks like a service: indent it below `services:`';
  }

  #placeOf(key: string, row: Row): string | undefined {
    for (let level = this.#above.length - 1; level >= 0; level--) {
      if (this.#above[level]?.properties?.[key] === undefined) continue;
      const parent = joinPath(this.#path.slice(0, level));
      return `\`${key}\` belongs ${parent === '' ? 'at the top of the file' : `directly into ${parent}`}; indent it less`;
    }
    const inner = this.#below(key, row);
    return inner === undefined ? undefined : `\`${key}\` belongs under \`${inner}\``;
  }

  /** Dotted path to the nearest section below the row that has the key. */
  #below(key: string, row: Row): string | undefined {
    let level: readonly { readonly path: string; readonly row: Row }[] = [{ path: '', row }];
    for (let depth = 0; depth < 3; depth++) {
      level = level.flatMap((entry) =>
        Object.entries(entry.row.properties ?? {}).map(([name, inner]) => ({
          path: entry.path === '' ? name : `${entry.path}.${name}`,
          row: inner,
        })),
      );
      const found = level.find((entry) => entry.row.properties?.[key] !== undefined);
      if (found) return found.path;
    }
    return undefined;
  }

  /** Files of the first format have their services at the top level: one mistake, not one for each. */
  #firstFormat(value: Readonly<Record<string, unknown>>): boolean {
    const names = Object.keys(value).filter(
      (key) => DOCUMENT.properties?.[key] === undefined && looksLikeService(key, value[key]),
    );
    const [first] = names;
    if (first === undefined || Object.hasOwn(value, 'services')) return false;
    this.issues.push({
      path: [first],
      keyword: 'additionalProperties',
      code: 'legacy-format',
      message: `${listed(names, 'and')} ${names.length === 1 ? 'stands' : 'stand'} at the top level, where services are not looked for`,
      hint: 'indent services under `services:`; a file of the first format is read when it is called fig.yml, or with --legacy',
      onKey: true,
    });
    this.#value(Object.fromEntries(Object.entries(value).filter(([key]) => !names.includes(key))), DOCUMENT);
    return true;
  }

  #report(
    keyword: string,
    code: ErrorCode,
    predicate: string,
    more: { readonly hint?: string | undefined; readonly onKey?: boolean } = {},
  ): void {
    const subject = this.#path.length === 0 ? 'the document' : joinPath(this.#path);
    this.issues.push({
      path: [...this.#path],
      keyword,
      code,
      message: `${subject} ${predicate}`,
      ...(more.hint === undefined ? {} : { hint: more.hint }),
      ...(more.onKey ? { onKey: true } : {}),
    });
  }
}

/** Keys that only networks or volumes have, and where these are declared. */
const RESOURCE_KEYS: Readonly<Record<string, string>> = {
  attachable: '`networks: { NAME: { … } }`',
  driver_opts: '`networks: { NAME: { … } }` or `volumes: { NAME: { … } }`',
  enable_ipv6: '`networks: { NAME: { … } }`',
  external: '`networks: { NAME: { … } }` or `volumes: { NAME: { … } }`',
  internal: '`networks: { NAME: { … } }`',
  ipam: '`networks: { NAME: { … } }`',
  subnet: '`networks: { NAME: { ipam: { config: [{ … }] } } }`',
};

/** Blanks that look like those of the indentation, and are letters to YAML. */
function strangeBlank(key: string): string | undefined {
  const blank = /^[\u00a0\u1680\u2000-\u200b\u202f\u205f\u3000\ufeff]/.exec(key)?.[0];
  if (blank === undefined) return undefined;
  const code = blank.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0');
  return `the blank before it is U+${code}, which YAML takes for a letter: indent with ordinary spaces`;
}

/** The word of a list that was meant: the nearest, or the only one that ends with what was written. */
function meantOf(value: string, words: readonly string[]): string | undefined {
  const [longer, ...others] = words.filter((word) => word.endsWith(`_${value}`));
  if (longer !== undefined && others.length === 0) return `did you mean ${longer}?`;
  return nearest(value, words, (word) => `did you mean ${word}?`);
}

function isMapping(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function rowByPattern(key: string, row: Row): Row | undefined {
  for (const pattern of row.patterns) if (pattern.name.test(key)) return pattern.row;
  return undefined;
}

function looksLikeService(name: string, value: unknown): boolean {
  if (name.startsWith('x-') || !isMapping(value)) return false;
  const service = DOCUMENT.properties?.services?.patterns[0]?.row.properties;
  return Object.keys(value).some((key) => service?.[key] !== undefined);
}

function typeOf(value: unknown): number {
  if (value === null) return TYPE.null;
  if (typeof value === 'string') return TYPE.string;
  if (typeof value === 'boolean') return TYPE.boolean;
  if (typeof value === 'number') return typeOfNumber(value);
  if (Array.isArray(value)) return TYPE.array;
  return typeof value === 'object' && !(value instanceof Date) ? TYPE.object : 0;
}

function typeOfNumber(value: number): number {
  if (!Number.isFinite(value)) return 0;
  return Number.isInteger(value) ? TYPE.integer : TYPE.fraction;
}

/** Equal for values that are equal as JSON, whatever the order of their keys. */
function identity(value: unknown): string {
  if (typeof value !== 'object' || value === null) return `${typeof value} ${value}`;
  return JSON.stringify(value, (_key, inner: unknown) =>
    isMapping(inner) ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1))) : inner,
  );
}
