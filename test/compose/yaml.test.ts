// YAML as the reference reads it, and that the fast parser reads what the `yaml` package reads.
import { describe, expect, it } from 'vitest';
import { parseCommon } from '../../src/compose/parse.ts';
import { makeReport } from '../../src/compose/report.ts';
import { resolvePlain } from '../../src/compose/scalar.ts';
import { parseAny, parseSource } from '../../src/compose/source.ts';
import { keyPositionOf, makeSource, type Node, plain, positionOf } from '../../src/compose/tree.ts';
import { printYaml } from '../../src/compose/yaml.ts';
import { ComposeError } from '../../src/errors.ts';
import { corpus, mutate, random } from './mutations.ts';

function read(text: string): unknown[] {
  const report = makeReport();
  const documents = parseSource('x.yaml', text, report).map((document) => plain(document));
  report.finish();
  return documents;
}

function mistake(text: string): { code: string; at: string } {
  try {
    read(text);
  } catch (error) {
    if (error instanceof ComposeError)
      return { code: error.code, at: `${error.at?.line}:${error.at?.column}` };
    throw error;
  }
  throw new Error('the text was accepted');
}

describe('a plain scalar', () => {
  it.each<[string, unknown]>([
    ['', null],
    ['~', null],
    ['Null', null],
    ['True', true],
    ['yes', 'yes'],
    ['017', 15],
    ['0o17', 15],
    ['0x1F', 31],
    ['0b101', 5],
    ['-0b101', -5],
    ['1_000', 1000],
    ['08', 8],
    ['+12', 12],
    ['1e3', 1000],
    ['.5', 0.5],
    ['.inf', Number.POSITIVE_INFINITY],
    ['190:20', '190:20'],
    ['1.2.3', '1.2.3'],
    ['-', '-'],
    ['9007199254740993', 9007199254740993n],
    ['18446744073709551615', 18446744073709551615n],
    ['18446744073709551616', 18446744073709552000],
  ])('%j', (text, expected) => {
    expect(resolvePlain(text).value).toBe(expected);
  });

  it.each([
    ['2024-01-31', 'timestamp'],
    ['2024-01-31T10:00:00Z', 'timestamp'],
    ['2024-02-30', 'string'],
    ['2024-13-01', 'string'],
  ])('%s is a %s', (text, type) => {
    expect(resolvePlain(text).type).toBe(type);
  });
});

describe('a document', () => {
  it.each<[string, string, unknown]>([
    [
      'anchors and merge keys',
      'a: &a {x: 1, y: 1}\nb: {<<: *a, y: 2}\nc: {<<: [*a, {z: 3}]}',
      { a: { x: 1, y: 1 }, b: { y: 2, x: 1 }, c: { x: 1, y: 1, z: 3 } },
    ],
    [
      'block scalars',
      'a: |\n  x\n   y\n\nb: >-\n  x\n  y\n\n  z\nc: |2+\n   x\n\n',
      { a: 'x\n y\n', b: 'x y\nz', c: ' x\n\n' },
    ],
    ['quotes', "a: \"x\\ty\\u0041\"\nb: 'it''s'", { a: 'x\tyA', b: "it's" }],
    ['flow over lines', 'a: [x,\n  {y: 1, z},\n]', { a: ['x', { y: 1, z: null }] }],
    ['lists at the column of their key', 'a:\n- x\n- y: 1\n  z: 2\nb: 1', { a: ['x', { y: 1, z: 2 }], b: 1 }],
    ['plain text over lines', 'a: one\n  two\n\n  three', { a: 'one two\nthree' }],
    ['tags', 'a: !!str 1\nb: !!int "2"\nc: !x y', { a: '1', b: 2, c: 'y' }],
  ])('%s', (_name, text, expected) => {
    expect(read(text)).toEqual([expected]);
  });

  it('may be one of several, or none', () => {
    expect(read('a: 1\n---\nb: 2\n')).toEqual([{ a: 1 }, { b: 2 }]);
    expect(read('# nothing\n')).toEqual([]);
    expect(read('---\n')).toEqual([null]);
  });

  it('knows where keys and values are', () => {
    const [root] = parseSource('x.yaml', 'a:\n  b: "c"\n', makeReport());
    const value = root?.kind === 'map' ? root.entries.get('a') : undefined;
    const leaf = value?.kind === 'map' ? value.entries.get('b') : undefined;
    expect(positionOf(leaf)).toEqual({ file: 'x.yaml', line: 2, column: 6, endColumn: 9 });
    expect(keyPositionOf(leaf)).toEqual({ file: 'x.yaml', line: 2, column: 3, endColumn: 4 });
  });

  it.each([
    ['a: 1\na: 2', 'duplicate-key', '2:1'],
    ['a: {b: 1, b: 2}', 'duplicate-key', '1:11'],
    ['1: a', 'yaml-syntax', '1:1'],
    ['a: {true: b}', 'yaml-syntax', '1:5'],
    ['? [a]\n: b', 'yaml-syntax', '1:3'],
    ['a: "b', 'yaml-syntax', '1:4'],
    ['a: b\n c: d', 'yaml-syntax', '2:2'],
    ['a: *b', 'yaml-syntax', '1:4'],
    ['a: &a [*a]', 'yaml-syntax', '1:8'],
    ['a: {<<: b}', 'yaml-syntax', '1:9'],
    ['a: !!int b', 'yaml-syntax', '1:10'],
    ['a: "\u0001"', 'yaml-syntax', '1:5'],
    ['a:\n\tb: c', 'yaml-syntax', '2:1'],
  ])('%j is refused', (text, code, at) => {
    expect(mistake(text)).toEqual({ code, at });
  });
});

/** Values with their places, as text; what is empty has no place of its own. */
function dump(node: Node): string {
  const place = node.kind === 'scalar' && (node.value === null || node.value === '') ? '' : node.at?.start;
  const head = `${node.kind}@${place}/${node.key?.start}${node.mark ?? ''}`;
  if (node.kind === 'scalar') return `${head}=${typeof node.value}:${String(node.value)}`;
  if (node.kind === 'list') return `${head}[${node.items.map(dump).join()}]`;
  return `${head}{${[...node.entries].map(([key, value]) => `${JSON.stringify(key)}:${dump(value)}`).join()}}`;
}

function outcome(read: () => readonly Node[] | undefined): string | undefined {
  try {
    return read()?.map(dump).join('\n');
  } catch (error) {
    if (error instanceof ComposeError) return error.code;
    throw error;
  }
}

/** Whether the fast parser did it; what it did has to be what the package does. */
function agrees(text: string): boolean {
  const source = makeSource('x.yaml', text);
  const findings = makeReport();
  const fast = outcome(() => {
    const common = parseCommon(source, findings);
    findings.finish();
    return 'documents' in common ? common.documents : undefined;
  });
  if (fast === undefined) return false;
  const report = makeReport();
  const slow = outcome(() => {
    const documents = parseAny(source, report);
    report.finish();
    return documents;
  });
  expect(fast, text).toBe(slow);
  return true;
}

describe('the fast parser', () => {
  it('agrees with the package on real files, and does nearly all of them', () => {
    const done = corpus().filter(agrees).length;
    expect(done / corpus().length).toBeGreaterThan(0.9);
  });

  it('agrees with the package on mutated files, where it does not leave them to it', () => {
    const next = random(20260101);
    const texts = corpus();
    for (let round = 0; round < 3000; round++) agrees(mutate(texts[next(texts.length)] ?? '', next));
  });
});

describe('a text is printed as the reference prints it', () => {
  it.each([
    ['', '""'],
    [' a', `' a'`],
    ['a ', `'a '`],
    ['-a', '-a'],
    ['--silent', '--silent'],
    ['- a', `'- a'`],
    ['---a', `'---a'`],
    ['?a', '?a'],
    [':a', ':a'],
    ['a:', `'a:'`],
    ['a #b', `'a #b'`],
    ["'a'", `'''a'''`],
    [']', `']'`],
    ['a,b]', 'a,b]'],
    ['{{.Name}}', `'{{.Name}}'`],
    ['5054', '"5054"'],
    ['1_000', '"1_000"'],
    ['0o17', '"0o17"'],
    ['0o8', '0o8'],
    ['1e999', '1e999'],
    ['._5', '._5'],
    ['127.0.0.1', '127.0.0.1'],
    ['22:22', '"22:22"'],
    ['80:80', '80:80'],
    ['1:2.5', '"1:2.5"'],
    ['2024-01-01', '"2024-01-01"'],
    ['2024-02-30', '2024-02-30'],
    ['null', '"null"'],
    ['True', '"True"'],
    ['tRUE', 'tRUE'],
    ['yes', '"yes"'],
    ['yES', 'yES'],
    ['n', '"n"'],
    ['a\tb', '"a\\tb"'],
    ['a\r', '"a\\r"'],
    ['a\\b', 'a\\b'],
    ['\u0001\u001b\u007f', '"\\x01\\e\\x7F"'],
    ['\u00a0é中', '\u00a0é中'],
    ['\u0085', '"\\N"'],
    ['a\ufeffb', '"a\\uFEFFb"'],
    ['\u{1F600}', '"\\U0001F600"'],
    ['a\nb', '|-\n  a\n  b'],
    ['a\n', '|\n  a'],
    ['\n', '|2+\n'],
    ['\na', '|2-\n\n  a'],
    ['a\n\nb\n', '|\n  a\n\n  b'],
    ['a\n\n', '|+\n  a\n'],
    [' a\nb', '|2-\n   a\n  b'],
    ['a \nb', '"a \\nb"'],
    ['a\nb ', '"a\\nb "'],
    ['a\tb\nc', '|-\n  a\tb\n  c'],
  ])('%j', (text, expected) => {
    expect(printYaml(text)).toBe(`${expected}\n`);
  });

  it('as a key', () => {
    const keys = { '': 1, n: 2, '<<': 3, 'a\nb\n': 4, 'x: y': 5, ['k'.repeat(129)]: 6 };
    expect(printYaml(keys)).toBe(
      `"": 1\n"n": 2\n'<<': 3\n? |\n  a\n  b\n: 4\n'x: y': 5\n? ${'k'.repeat(129)}\n: 6\n`,
    );
  });
});

it('what is printed as YAML reads back', () => {
  const values = [
    '',
    ' a',
    'a ',
    'a: b',
    'a #b',
    '#',
    '-',
    '- a',
    '-a',
    '1',
    '1.0',
    '1e3',
    '0x1',
    'true',
    'No',
    '~',
    'null',
    '2024-01-01',
    '190:20',
    '*a',
    '&a',
    '!a',
    '%',
    '@',
    '`',
    "'",
    '"',
    '{',
    '[',
    ']',
    ',',
    '?',
    '? a',
    ':',
    'a:',
    'x\ny',
    'x\n',
    '\nx',
    ' x\ny',
    'x \ny',
    'x\n\n',
    'x\ty',
    '\u0001',
    '\u2028',
    'ü',
    '<<',
    '=',
    '...',
    '---',
    '$$',
    '.5',
    '+1',
    '1_000',
    'a\r\nb',
    '\ud800',
  ];
  const keys = Object.fromEntries(values.map((value, index) => [value, index]));
  const document = { values, keys, nested: [[1, [2]], { a: { b: [] }, c: {} }, null, 1.5, true] };
  expect(read(printYaml(document))).toEqual([document]);
});
