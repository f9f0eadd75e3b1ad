// Guesses at what the author of a file meant.
import { describe, expect, it } from 'vitest';
import { parseAllDocuments } from 'yaml';
import { editDistance, nearest, synonymOf, unsetVariableHint } from '../../src/compose/hints.ts';
import { syntaxHint } from '../../src/compose/syntax.ts';

describe('nearest', () => {
  it.each([
    ['enviroment', 'environment'],
    ['imgae', 'image'],
    ['Image', 'image'],
    ['env-file', 'env_file'],
    ['volume', 'volumes'],
    ['healtcheck', 'healthcheck'],
    ['zzz', undefined],
    ['', undefined],
  ])('%s', (word, expected) => {
    expect(nearest(word, ['image', 'environment', 'env_file', 'volumes', 'healthcheck', 'tty'])).toBe(
      expected,
    );
  });

  it('prefers the closest', () => {
    expect(nearest('port', ['post', 'ports', 'part'])).toBe('ports');
  });
});

it('counts a swap of neighbours as one edit', () => {
  expect(editDistance('imgae', 'image')).toBe(1);
  expect(editDistance('kitten', 'sitting')).toBe(3);
  expect(editDistance('', 'abc')).toBe(3);
});

it('knows other names only where they lead somewhere', () => {
  expect(synonymOf('cmd', ['command'])).toBe('command');
  expect(synonymOf('restartPolicy', ['restart'])).toBe('restart');
  expect(synonymOf('cmd', ['image'])).toBeUndefined();
  expect(synonymOf('constructor', ['image'])).toBeUndefined();
});

describe('syntaxHint', () => {
  const hintFor = (yaml: string): string | undefined => {
    const documents = parseAllDocuments(yaml, { prettyErrors: false });
    const error = 'empty' in documents ? undefined : documents.flatMap((document) => document.errors)[0];
    if (error === undefined) throw new Error('the YAML is fine');
    return syntaxHint(error.message, yaml, yaml.slice(0, error.pos[0]).split('\n').length);
  };

  it.each([
    ['a tab', 'services:\n\tweb:\n\t\timage: x\n', 'a tab indents'],
    ['a colon without space', 'services:\n  web:\n    image:nginx\n    tty: true\n', 'after the colon'],
    ['a list on the line of its key', 'services:\n  web:\n    ports: - 80:80\n', 'on a line of its own'],
    ['a colon in a value', 'services:\n  web:\n    command: echo a: b: c\n', 'colon and a space'],
    ['an unclosed quote', 'services:\n  web:\n    image: "nginx\n', 'not closed'],
    ['a reserved sign', 'services:\n  web:\n    image: @foo\n', 'starts with @'],
    ['bad indentation', 'services:\n  web:\n    image: x\n   tty: true\n', 'indented alike'],
    ['a bad escape', 'services:\n  web:\n    image: "C:\\path"\n', 'single quotes'],
    ['a merge conflict', 'services:\n<<<<<<< HEAD\n  a: 1\n=======\n  a: 2\n>>>>>>> x\n', 'merge conflict'],
  ])('%s', (_name, yaml, expected) => {
    expect(hintFor(yaml)).toContain(expected);
  });

  it('is silent about what it does not know', () => {
    expect(syntaxHint('something else', 'a: 1\n', 1)).toBeUndefined();
  });
});

describe('unsetVariableHint', () => {
  it('finds it in a file for containers', () => {
    const files = [{ service: 'web', file: './web.env', names: new Set(['TOKEN']) }];
    expect(unsetVariableHint('TOKEN', [], files)).toContain(
      'only the containers of web get; put it into .env',
    );
  });

  it('finds what was meant', () => {
    expect(unsetVariableHint('POSTGRES_PASWORD', ['POSTGRES_PASSWORD'])).toBe(
      'did you mean POSTGRES_PASSWORD?',
    );
  });

  it('else tells how to set it and how to write a dollar sign', () => {
    expect(unsetVariableHint('a1b', ['HOME'])).toMatch(/\$\{a1b:-…\}.*\$\$/);
  });
});
