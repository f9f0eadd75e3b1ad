// Real compose files and seeded mutations of them, for tests that try what nobody wrote.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';

const root = join(import.meta.dirname, '../..');
/** Recorded cases of the reference, where they are present. */
export const shared = process.env.TSCOMPOSE_SHARED ?? join(root, '../shared');

let texts: readonly string[] | undefined;

/** The project's examples and inline files, and the recorded cases where they are present. */
export function corpus(): readonly string[] {
  texts ??= [...files(join(root, 'examples')), ...files(join(shared, 'conformance/cases'))]
    .map((file) => readFileSync(file, 'utf8'))
    .filter((text) => !text.startsWith('\uFEFF'))
    .concat(inline);
  return texts;
}

function files(directory: string): string[] {
  if (statSync(directory, { throwIfNoEntry: false }) === undefined) return [];
  return readdirSync(directory, { recursive: true, encoding: 'utf8' })
    .filter((name) => /\.ya?ml$/.test(name))
    .map((name) => join(directory, name))
    .filter((path) => statSync(path).isFile());
}

const inline = [
  `name: shop
x-common: &common
  restart: unless-stopped
  logging: { driver: local, options: { max-size: "10m" } }
services:
  web:
    <<: *common
    image: nginx:\${TAG:-1.27}
    ports: ["127.0.0.1:8080:80", { target: 443, published: 8443 }]
    depends_on: { api: { condition: service_healthy } }
    volumes: [ "./site:/usr/share/nginx/html:ro" ]
  api:
    <<: [*common]
    build:
      context: ./api
      args:
        - VERSION=\${VERSION?set it}
    environment:
      DATABASE_URL: postgres://app:\${PASSWORD:-secret}@db/app
      EMPTY:
    healthcheck:
      test: ["CMD-SHELL", "curl -fs localhost || exit 1"]
      interval: 10s
    command: >
      serve --port 80
      --verbose
  db:
    image: postgres:17
    profiles: [ data ]
    volumes:
    - data:/var/lib/postgresql/data
    secrets: [pw]
    deploy: { resources: { limits: { cpus: "0.5", memory: 64M } } }
volumes:
  data:
secrets:
  pw: { file: ./pw.txt }
`,
  `version: "3.8"
services:
  a:
    image: !override x
    ports: !reset []
    extends: { service: b }
    networks: { default: { aliases: [ q ] } }
  b:
    image: y
    extra_hosts: [ "h:1.2.3.4" ]
    entrypoint: |
      sh -c "echo 'hi'"
networks:
  default: { ipam: { config: [ { subnet: 10.0.0.0/24 } ] } }
`,
];

/** A number below a bound. */
type Next = (bound: number) => number;

/** Numbers below a bound, always the same ones for a seed. */
export function random(seed: number): Next {
  let state = seed;
  return (bound) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % bound;
  };
}

const pieces = [
  ' ',
  '  ',
  '\n',
  ': ',
  ':',
  '- ',
  '-',
  '#',
  ' #',
  '"',
  "'",
  '|',
  '>',
  '|-\n',
  '>-\n',
  '{',
  '}',
  '[',
  ']',
  ',',
  '&a ',
  '*a',
  '!reset ',
  '!override ',
  '!!str ',
  '<<: *a',
  '\t',
  '? ',
  '---\n',
  '...\n',
  '%',
  '@',
  '\\',
  '\n\n',
  '\n   x',
  'a: b',
  '~',
  '${',
  '}',
  '$',
  '$$',
  '${A:-',
  '${A:?b}',
  '0',
  '-1',
  '1e9',
  '99999999999999999999',
  'null',
  'true',
  '2024-01-01',
  'extends: ',
  'include: ',
  'services:',
  'x-',
  '\u0000',
  '\ud800',
  '\u{1F600}',
  '""',
  '{}',
  '[]',
];

/** A text with one to three random changes; long ones are cut first. */
export function mutate(text: string, next: Next): string {
  let result = text;
  if (result.length > 6000) {
    const middle = next(result.length - 3000);
    result = result.slice(result.lastIndexOf('\n', middle) + 1, middle + 2500);
  }
  for (let rounds = next(3) + 1; rounds > 0; rounds--) {
    const at = next(result.length + 1);
    const kind = next(4);
    const from = next(result.length + 1);
    if (kind === 0) result = result.slice(0, at) + result.slice(at + next(4) + 1);
    else if (kind === 1)
      result = result.slice(0, at) + result.slice(from, from + next(30)) + result.slice(at);
    else result = result.slice(0, at) + pieces[next(pieces.length)] + result.slice(at);
  }
  return result;
}

/** A place in plain data: a container and the key or index of one value in it. */
interface Spot {
  readonly holder: Record<string, unknown> | unknown[];
  readonly key: string | number;
}

/** What stands where something else is expected. */
const strangers: readonly (() => unknown)[] = [
  () => null,
  () => '',
  () => 'x',
  () => 'true',
  () => '${A}',
  () => '${NONE}',
  () => 'service:',
  () => '0',
  () => 0,
  () => -1,
  () => 1.5,
  () => 65536,
  () => 1e21,
  () => true,
  () => false,
  () => [],
  () => [null],
  () => [''],
  () => ['x', 'x'],
  () => [[]],
  () => [{}],
  () => ({}),
  () => ({ x: null }),
  () => ({ '': '' }),
  () => ({ x: {} }),
  () => ({ 'x-x': 1 }),
  () => ({ __proto__: null, constructor: 'x', toString: {} }),
];

/** A document of the corpus as plain data, undefined when it is not one. */
function document(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = parse(text, { merge: true, logLevel: 'silent' });
    const isMapping = typeof value === 'object' && value !== null && !Array.isArray(value);
    return isMapping ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/** Every place of a document, the deeper ones too. */
function spotsOf(value: unknown, spots: Spot[] = []): Spot[] {
  if (typeof value !== 'object' || value === null) return spots;
  const holder = value as Record<string, unknown> | unknown[];
  for (const key of Array.isArray(holder) ? holder.keys() : Object.keys(holder)) {
    spots.push({ holder, key });
    spotsOf(Reflect.get(holder, key), spots);
  }
  return spots;
}

function pickFrom<T>(values: readonly T[], next: Next): T | undefined {
  return values[next(Math.max(values.length, 1))];
}

const read = ({ holder, key }: Spot): unknown => Reflect.get(holder, key);
const write = ({ holder, key }: Spot, value: unknown): boolean =>
  Reflect.defineProperty(holder, key, { value, writable: true, enumerable: true, configurable: true });

function remove({ holder, key }: Spot): void {
  if (Array.isArray(holder)) holder.splice(Number(key), 1);
  else Reflect.deleteProperty(holder, key);
}

const inText = (value: unknown): string =>
  typeof value === 'object' && value !== null ? JSON.stringify(value) : String(value);

/** A value of another shape that says the same: text for a number, a list of one, a mapping of names. */
function reshaped(value: unknown, next: Next): unknown {
  if (Array.isArray(value)) {
    const named = Object.fromEntries(value.map((item, index) => [inText(item), next(2) ? null : index]));
    return [named, value[0], [...value, ...value], JSON.stringify(value), [value]][next(5)];
  }
  if (typeof value === 'object' && value !== null) {
    const entries = Object.entries(value);
    const [first] = entries;
    return [entries.map(([key, item]) => `${key}=${inText(item)}`), Object.keys(value), first?.[1], [value]][
      next(4)
    ];
  }
  const text = inText(value);
  return [text, Number(text), [value], { [text]: null }, `\${A:-${text}}`][next(5)];
}

/** A document with one to four changes of its structure; parts of another one stand where they do not belong. */
function mutateStructure(own: Record<string, unknown>, other: Record<string, unknown>, next: Next): void {
  for (let rounds = next(4) + 1; rounds > 0; rounds--) {
    const spots = spotsOf(own);
    const spot = pickFrom(spots, next);
    if (spot === undefined) return;
    const others = spotsOf(other);
    const kind = next(8);
    if (kind === 0) write(spot, pickFrom(strangers, next)?.());
    else if (kind === 1) write(spot, reshaped(read(spot), next));
    else if (kind === 2) remove(spot);
    else if (kind === 3) {
      const like = others.filter(({ key }) => key === spot.key);
      const source = pickFrom(like, next);
      if (source !== undefined) write(spot, structuredClone(read(source)));
    } else if (kind === 4) {
      const source = pickFrom(others, next);
      if (source !== undefined) write(spot, structuredClone(read(source)));
    } else if (kind === 5) {
      const source = pickFrom(others, next);
      if (source !== undefined)
        write(
          { holder: spot.holder, key: Array.isArray(spot.holder) ? spot.key : source.key },
          structuredClone(read(source)),
        );
    } else if (kind === 6) {
      const here = spots.filter(({ key }) => key === spot.key);
      const source = pickFrom(here, next);
      if (source !== undefined) write(spot, structuredClone(read(source)));
    } else write(spot, { extends: pickFrom(['x', { file: 'base.yaml', service: 'web' }, {}], next) });
  }
}

/** A text whose structure was changed, printed as YAML or JSON; sometimes its letters are changed too. */
export function mutateTree(texts: readonly string[], next: Next): string {
  const own = document(pickFrom(texts, next) ?? '');
  const other = document(pickFrom(texts, next) ?? '');
  if (own === undefined || other === undefined) return mutate(pickFrom(texts, next) ?? '', next);
  mutateStructure(own, other, next);
  const text = next(4) === 0 ? JSON.stringify(own) : stringify(own, { aliasDuplicateObjects: next(2) === 0 });
  return next(5) === 0 ? mutate(text, next) : text;
}

/** A project of several files that override, extend and include each other, all of them mutants. */
export function mutateFiles(texts: readonly string[], next: Next): Readonly<Record<string, string>> {
  const names = ['compose.yaml', 'compose.override.yaml', 'base.yaml', 'part.yaml'];
  const files: Record<string, string> = { '.env': mutate('A=a\nB="${A}x"\nCOMPOSE_PROFILES=x\n', next) };
  for (const name of names) {
    const value = document(mutateTree(texts, next)) ?? {};
    if (next(3) === 0 && name !== 'part.yaml') value.include = include(next);
    const services = Object.entries(value.services ?? {});
    for (const [key, service] of services.slice(0, 3)) {
      if (typeof service !== 'object' || service === null || next(2) === 0) continue;
      if (next(3) === 0) Object.assign(service, { env_file: pickFrom(['.env', { path: '.env' }], next) });
      const target = next(4) === 0 ? key : (pickFrom(services, next)?.[0] ?? '');
      const file = pickFrom(['base.yaml', 'part.yaml', undefined], next);
      Object.assign(service, { extends: file === undefined ? target : { file, service: target } });
    }
    files[name] = stringify(value);
  }
  return files;
}

function include(next: Next): unknown {
  const whole = { path: ['part.yaml', 'base.yaml'], project_directory: '.', env_file: '.env' };
  return pickFrom<unknown>(
    [['part.yaml'], [whole], [{ path: 'part.yaml' }, 'base.yaml'], [{}], 'part.yaml'],
    next,
  );
}
