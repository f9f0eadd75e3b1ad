// The order of keys and the letters of what `config` prints.
import { expect, it } from 'vitest';
import { printJson } from '../../src/compose/json.ts';
import { printDocument, printProject } from '../../src/compose/print.ts';
import { collectVariables, printedVariable } from '../../src/compose/variables.ts';
import { load } from './fixture.ts';

const keysOf = (text: string): string[] =>
  text.split('\n').map((line) => line.replace(/^["']?(.*?)["']?:.*$/, '$1'));

it('sorts names by letter in JSON, and by the numbers in them in YAML', () => {
  const names = [
    's10',
    's9',
    'S1',
    's',
    's1b',
    's1-b',
    '10',
    '9',
    '_a',
    'a.b',
    'aB',
    'ab',
    'a01',
    'a1',
    'a100',
    'a1000',
  ];
  const document = Object.fromEntries(names.map((name) => [name, 1]));
  const json = Object.keys(document).sort();
  expect([...printDocument(document, 'json').matchAll(/"(.*)":/g)].map(([, key]) => key)).toEqual(json);
  expect(keysOf(printDocument(document, 'yaml').trimEnd())).toEqual([
    '_a',
    '9',
    '10',
    'S1',
    'a.b',
    'a1',
    'a01',
    'a100',
    'a1000',
    'aB',
    'ab',
    's',
    's1b',
    's1-b',
    's9',
    's10',
  ]);
});

it('keeps the order of attributes, also in services that are called like one', () => {
  const text = `
services:
  labels: { x-b: 1, x-a: 2, user: u, image: b, build: { target: t, context: /c }, labels: { z: 1, a: 2 } }
  args: { image: c, environment: { B: 1, a: 1, A2: 1, A10: 1 } }
`;
  const printed = printProject(load(text).project, 'yaml');
  const keys = keysOf(printed).map((key) => key.trim());
  expect(keys.slice(0, 9)).toEqual([
    'name',
    'services',
    'args',
    'environment',
    'A2',
    'A10',
    'B',
    'a',
    'image',
  ]);
  expect(keys.filter((key) => /^(?:x-|build|context|target|user|z|labels)/.test(key))).toEqual([
    'labels',
    'build',
    'context',
    'target',
    'labels',
    'z',
    'user',
    'x-a',
    'x-b',
  ]);
});

it('escapes signs of HTML in JSON, and prints numbers as they are', () => {
  expect(printJson({ '<': ['a && b', 1.5, 123456789012345678n, null, true, [], {}] })).toBe(
    '{\n  "\\u003c": [\n    "a \\u0026\\u0026 b",\n    1.5,\n    123456789012345678,\n    null,\n    true,\n    [],\n    {}\n  ]\n}\n',
  );
});

it('prints in YAML only what has something in it', () => {
  const text = `
services:
  web:
    image: a
    deploy: {}
    blkio_config: { weight_device: [{ path: /dev/a, weight: 5 }] }
    ulimits: { nofile: { soft: 1, hard: 2, x-a: 1 } }
    gpus: [{ driver: d, x-a: 1 }]
    develop: { watch: [{ path: /a, action: rebuild, x-w: 1 }] }
    post_start: [{ command: null, user: u }]
`;
  expect(printProject(load(text).project, 'yaml')).toBe(`name: proj
services:
  web:
    develop:
      watch:
        - path: /a
          action: rebuild
          x-w: 1
    blkio_config:
      weight_device:
        - path: /dev/a
          weight: 5
    deploy: {}
    gpus:
      - driver: d
        count: -1
    image: a
    networks:
      default: null
    ulimits:
      nofile:
        soft: 1
        hard: 2
    post_start:
      - user: u
networks:
  default:
    name: proj_default
`);
});

it('prints empty lists of extensions as null in JSON', () => {
  const { project } = load('services: { a: { image: b } }\nx-a: { b: [], c: [[]] }');
  expect(JSON.parse(printProject(project, 'json'))['x-a']).toEqual({ b: null, c: [null] });
  expect(printProject(project, 'yaml')).toMatch(/x-a:\n {2}b: \[\]\n {2}c:\n {4}- \[\]\n$/);
});

it('lists variables with the names of the reference', () => {
  const [variable] = collectVariables({ a: '${A:-1}' });
  const used = variable ?? expect.fail('no variable was found');
  expect(printDocument({ A: printedVariable(used, 'json') }, 'json')).toBe(
    '{\n  "A": {\n    "Name": "A",\n    "DefaultValue": "1",\n    "PresenceValue": "",\n    "Required": false\n  }\n}\n',
  );
  expect(printDocument({ A: printedVariable(used, 'yaml') }, 'yaml')).toBe(
    'A:\n  name: A\n  defaultvalue: "1"\n  presencevalue: ""\n  required: false\n',
  );
});
