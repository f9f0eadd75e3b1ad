// Included projects: their directory, their environment, and what conflicts.
import { describe, expect, it } from 'vitest';
import { directory, failure, load, serviceFile } from './fixture.ts';

const included = 'services: { inner: { image: "$TAG", volumes: ["./v:/v"] } }\n';

describe('include', () => {
  it('loads a file with its own directory and environment', () => {
    const cwd = directory({
      'compose.yaml': `include: [sub/compose.yaml]\n${serviceFile('hostname: "$TAG"')}`,
      'sub/compose.yaml': included,
      'sub/.env': 'TAG=sub',
    });
    const { services } = load('', { cwd }).project;
    expect(services.inner).toMatchObject({ image: 'sub', volumes: [{ source: `${cwd}/sub/v` }] });
    expect(services.web?.hostname).toBeUndefined();
  });

  it('takes several paths, a directory and env files', () => {
    const cwd = directory({
      'compose.yaml': `include: [{ path: [sub/a.yaml, sub/b.yaml], project_directory: ., env_file: [x.env] }]\n${serviceFile('tty: true')}`,
      'sub/a.yaml': included,
      'sub/b.yaml': 'services: { inner: { hostname: b } }',
      'x.env': 'TAG=x',
    });
    const { inner } = load('', { cwd, env: {} }).project.services;
    expect(inner).toMatchObject({ image: 'x', hostname: 'b', volumes: [{ source: `${cwd}/v` }] });
  });

  it('lets the outer environment win, and variables be inherited from the inner one', () => {
    const files = {
      'compose.yaml': `include: [s/c.yaml]\n${serviceFile('tty: true')}`,
      's/c.yaml': 'services: { inner: { image: "$TAG", environment: [ONLY] } }',
      's/.env': 'TAG=inner\nONLY=here',
    };
    expect(load(files, { env: { TAG: 'outer' } }).project.services.inner).toMatchObject({
      image: 'outer',
      environment: { ONLY: 'here' },
    });
  });

  it('may be changed by a second file, but not by its own', () => {
    const base = { 'a.yaml': 'services: { web: { image: a } }', 'compose.yaml': 'include: [a.yaml]\n' };
    const changed = { ...base, 'compose.override.yaml': 'services: { web: { image: b } }' };
    expect(load(changed).project.services.web?.image).toBe('b');
    const conflict = { ...base, 'compose.yaml': 'include: [a.yaml]\nservices: { web: { image: b } }' };
    expect(failure(conflict)).toMatchObject({ codes: ['include'], places: ['compose.yaml:2:18'] });
  });

  it('of the same file twice is fine', () => {
    const files = {
      'compose.yaml': 'include: [a.yaml, a.yaml]',
      'a.yaml': 'services: { web: { image: a } }',
    };
    expect(Object.keys(load(files).project.services)).toEqual(['web']);
  });

  it.each<[string, Record<string, string>, string, string]>([
    [
      'a cycle',
      { 'compose.yaml': 'include: [a.yaml]', 'a.yaml': 'include: [compose.yaml]' },
      'include',
      'a.yaml:1:11',
    ],
    [
      'a file that is not there',
      { 'compose.yaml': 'include: [a.yaml]' },
      'file-not-found',
      'compose.yaml:1:11',
    ],
    [
      'an env file that is not there',
      { 'compose.yaml': 'include: [{ path: a.yaml, env_file: e }]', 'a.yaml': '{}' },
      'file-not-found',
      'compose.yaml:1:37',
    ],
    ['text instead of a list', { 'compose.yaml': 'include: a.yaml' }, 'wrong-type', 'compose.yaml:1:10'],
    [
      'a git repository',
      { 'compose.yaml': 'include: ["git@example.org:a/b.git"]' },
      'unsupported',
      'compose.yaml:1:11',
    ],
    [
      'an artifact',
      { 'compose.yaml': 'include: ["oci://example.org/a"]' },
      'unsupported',
      'compose.yaml:1:11',
    ],
    [
      'a mistake in the included file',
      { 'compose.yaml': 'include: [a.yaml]', 'a.yaml': 'services: { a: { nope: 1 } }' },
      'unknown-key',
      'a.yaml:1:18',
    ],
  ])('%s is refused', (_name, files, code, place) => {
    expect(failure(files)).toMatchObject({ codes: [code], places: [place] });
  });
});
