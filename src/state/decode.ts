// Border guards for JSON: each takes `unknown` and returns a checked value, or throws naming the field.

export type JsonObject = Readonly<Record<string, unknown>>;

export function asObject(value: unknown, what: string): JsonObject {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new TypeError(`${what} is no object`);
  return value as JsonObject;
}

export function asString(value: unknown, what: string): string {
  if (typeof value !== 'string') throw new TypeError(`${what} is no string`);
  return value;
}

export function asNumber(value: unknown, what: string): number {
  if (typeof value !== 'number') throw new TypeError(`${what} is no number`);
  return value;
}

export function asBoolean(value: unknown, what: string): boolean {
  if (typeof value !== 'boolean') throw new TypeError(`${what} is no boolean`);
  return value;
}

export function asArray<T>(value: unknown, what: string, item: (value: unknown, what: string) => T): T[] {
  if (!Array.isArray(value)) throw new TypeError(`${what} is no list`);
  return value.map((entry, index) => item(entry, `${what}[${index}]`));
}

export function asDict<T>(
  value: unknown,
  what: string,
  item: (value: unknown, what: string) => T,
): Record<string, T> {
  const object = asObject(value, what);
  // An object without a prototype takes a thousand keys in a tenth of the time, and any key.
  const dict: Record<string, T> = Object.create(null);
  for (const key of Object.keys(object)) dict[key] = item(object[key], `${what}.${key}`);
  return dict;
}

/** `{ [key]: item(object[key]) }`, or `{}` when the key is absent: for optional properties. */
export function optional<K extends string, T>(
  object: JsonObject,
  key: K,
  item: (value: unknown, what: string) => T,
): { readonly [P in K]?: T } {
  const value = object[key];
  return value === undefined ? {} : ({ [key]: item(value, key) } as { readonly [P in K]?: T });
}
