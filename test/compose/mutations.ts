// Real compose files and seeded mutations of them, for tests that try what nobody wrote.
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

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

/** Numbers below a bound, always the same ones for a seed. */
export function random(seed: number): (bound: number) => number {
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
export function mutate(text: string, next: (bound: number) => number): string {
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
