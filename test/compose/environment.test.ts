// Env files in Compose's dialect, and the environment of a service.
import { describe, expect, it } from 'vitest';
import { type EnvEntry, parseEnvFile, parseRawEnvFile } from '../../src/compose/dotenv.ts';
import { failure, load, serviceFile, webOf } from './fixture.ts';

function parse(content: string, outer: Readonly<Record<string, string>> = {}): Record<string, string> {
  const found = new Map<string, EnvEntry>();
  parseEnvFile('.env', content, found, { lookup: (name) => outer[name], onUnset: () => undefined });
  return Object.fromEntries([...found].map(([name, { value }]) => [name, value]));
}

describe('an env file', () => {
  it.each<[string, string, Record<string, string>]>([
    ['plain', 'A=1\nB = 2 \n\n# c\nC=3 # comment\nD=a#b', { A: '1', B: '2', C: '3', D: 'a#b' }],
    ['export and YAML style', 'export A=1\nB: 2', { A: '1', B: '2' }],
    ['single quotes', "A='$X \\n # y'\nB='it\\'s'", { A: '$X \\n # y', B: "it's" }],
    ['double quotes', 'A="a\\nb\\t\\"c\\" \\$X \\\\"', { A: 'a\nb\t"c" $X \\' }],
    ['several lines', 'A="one\ntwo"\nB=3', { A: 'one\ntwo', B: '3' }],
    ['variables', 'A=1\nB=${A}2\nC="$A"\nD=${NO:-d}\nE=$$A', { A: '1', B: '12', C: '1', D: 'd', E: '$A' }],
    ['CRLF and BOM', '\uFEFFA=1\r\nB="2"\r\n', { A: '1', B: '2' }],
    ['empty values', 'A=\nB=""\nC=', { A: '', B: '', C: '' }],
    ['the last of several', 'A=1\nA=2', { A: '2' }],
    ['odd names', 'a.b-c[0]=1', { 'a.b-c[0]': '1' }],
  ])('%s', (_name, content, expected) => {
    expect(parse(content)).toEqual(expected);
  });

  it('takes a name without value from outside, or leaves it out', () => {
    expect(parse('IN\nOUT\nLAST', { IN: 'x', LAST: 'y' })).toEqual({ IN: 'x', LAST: 'y' });
  });

  it('prefers what is set outside when it expands', () => {
    expect(parse('A=1\nB=$A', { A: 'outer' })).toEqual({ A: '1', B: 'outer' });
  });

  it.each([
    ['A="x\ny', 1],
    ['\n\nA B=1', 3],
    ['A=1\n!=2', 2],
    ['A=${', 1],
    ['A=${B:?no}', 1],
  ])('%j is refused', (content, line) => {
    expect(() => parse(content)).toThrow(
      expect.objectContaining({ code: 'env-file', at: expect.objectContaining({ line }) }),
    );
  });

  it('in raw format keeps everything after the sign', () => {
    const found = new Map<string, EnvEntry>();
    parseRawEnvFile('.env', 'A="x" # y $B\n# c\nB=\nC', found, (name) => `${name}!`);
    expect([...found].map(([name, { value }]) => [name, value])).toEqual([
      ['A', '"x" # y $B'],
      ['B', ''],
      ['C', 'C!'],
    ]);
  });
});

describe('the environment of a service', () => {
  it('puts what it says over its env files, in their order', () => {
    const files = {
      'compose.yaml': serviceFile('env_file: [a.env, { path: b.env }]\nenvironment: { C: own }'),
      'a.env': 'A=a\nB=a\nC=a',
      'b.env': 'B=b$A',
    };
    expect(webOf(files).environment).toEqual({ A: 'a', B: 'ba', C: 'own' });
  });

  it('inherits variables without a value', () => {
    const body = 'environment: [FROM_SHELL, NOT_SET, "EMPTY="]';
    expect(webOf(serviceFile(body), { env: { FROM_SHELL: 's' } }).environment).toEqual({
      FROM_SHELL: 's',
      NOT_SET: null,
      EMPTY: '',
    });
  });

  it('prints scalars as their YAML value', () => {
    const body =
      'environment: { A: 1.50, B: 2.0, C: 1e21, D: 0x1F, E: 017, F: 1_000, G: yes, H: True, I: 190:20, J: 12345678901234567890 }';
    expect(webOf(serviceFile(body)).environment).toEqual({
      A: '1.5',
      B: '2',
      C: '1e+21',
      D: '31',
      E: '15',
      F: '1000',
      G: 'yes',
      H: 'true',
      I: '190:20',
      J: '12345678901234567890',
    });
  });

  it('does without a file that is not required', () => {
    expect(webOf(serviceFile('env_file: [{ path: no.env, required: false }]'))).toEqual({});
    const { codes, places } = failure(serviceFile('env_file: no.env'));
    expect([codes, places]).toEqual([['file-not-found'], ['compose.yaml:4:15']]);
  });

  it('reads raw files, and refuses other formats', () => {
    const file = (format: string): Record<string, string> => ({
      'compose.yaml': serviceFile(`env_file: [{ path: a.env, format: ${format} }]`),
      'a.env': 'A="$X"',
    });
    expect(webOf(file('raw')).environment).toEqual({ A: '"$X"' });
    expect(failure(file('toml')).codes).toEqual(['invalid-value']);
  });

  it('keeps the files when they are not to be read', () => {
    const { project } = load(serviceFile('env_file: no.env'), { resolveEnv: false });
    expect(project.services.web?.environment).toBeUndefined();
  });

  it('takes labels from files below its own', () => {
    const files = { 'compose.yaml': serviceFile('label_file: l\nlabels: { A: own }'), l: 'A=1\nB=2' };
    expect(webOf(files).labels).toEqual({ A: 'own', B: '2' });
  });

  it('does not look at files of services that no profile enables', () => {
    const { project } = load(serviceFile('profiles: [off]\nenv_file: no.env'));
    expect(Object.keys(project.disabledServices)).toEqual(['web']);
  });
});
