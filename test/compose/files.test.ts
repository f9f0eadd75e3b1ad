// Which files make a project, what it is called, and where its variables come from.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { directory, failure, load, serviceFile, warnings } from './fixture.ts';

const service = (name: string): string => `services: { ${name}: { image: x } }`;
const names = (files: Record<string, string>, options = {}): string[] =>
  Object.keys(load(files, options).project.services);

describe('files', () => {
  it('are found by name, in order, with their override', () => {
    const files = {
      'docker-compose.yml': service('old'),
      'compose.yml': service('a'),
      'compose.override.yml': service('b'),
    };
    expect(names(files)).toEqual(['a', 'b']);
    expect(warnings(files)[0]).toContain('found multiple config files');
  });

  it('are found in a directory above, which is the project then', () => {
    const cwd = directory({ 'compose.yaml': service('a'), '.env': 'A=project', 'sub/.env': 'A=here' });
    const { project } = load('', { cwd: join(cwd, 'sub') });
    expect([project.workingDir, project.name, project.environment.A]).toEqual([cwd, 'proj', 'here']);
  });

  it('given by flags replace those, in their order', () => {
    const files = { 'a.yaml': service('a'), 'sub/b.yaml': service('b'), 'compose.yaml': service('c') };
    expect(names(files, { files: ['a.yaml', 'sub/b.yaml'] })).toEqual(['a', 'b']);
  });

  it('may come from standard input', () => {
    expect(names({}, { files: ['-'], readStdin: () => service('in') })).toEqual(['in']);
  });

  it('may come from the environment, or from .env', () => {
    const files = { 'a.yaml': service('a'), 'b.yaml': service('b'), '.env': 'COMPOSE_FILE=a.yaml' };
    expect(names(files)).toEqual(['a']);
    const env = { COMPOSE_FILE: 'b.yaml;a.yaml', COMPOSE_PATH_SEPARATOR: ';' };
    expect(names(files, { env })).toEqual(['a', 'b']);
  });

  it('start relative paths from --project-directory', () => {
    const cwd = directory({ 'sub/c.yaml': serviceFile('build: ./x') });
    const { project } = load('', { cwd, files: ['sub/c.yaml'], projectDirectory: 'other' });
    expect([project.name, project.services.web?.build?.context]).toEqual(['other', `${cwd}/other/x`]);
  });

  it.each<[string, Record<string, string>, object, string]>([
    ['no file', {}, {}, 'file-not-found'],
    ['a missing file', { 'compose.yaml': '' }, { files: ['no.yaml'] }, 'file-not-found'],
    ['a directory', { 'd/x': '' }, { files: ['d'] }, 'file-unreadable'],
    ['an empty file', { 'compose.yaml': '# nothing\n' }, {}, 'missing-key'],
    ['a list', { 'compose.yaml': '- a' }, {}, 'wrong-type'],
    ['a repository', {}, { files: ['https://example.org/x.git'] }, 'unsupported'],
    ['a missing env file', { 'compose.yaml': service('a') }, { envFiles: ['no.env'] }, 'file-not-found'],
    ['a broken .env', { 'compose.yaml': service('a'), '.env': 'A="' }, {}, 'env-file'],
  ])('%s is refused', (_name, files, options, code) => {
    expect(failure(files, options).codes).toEqual([code]);
  });
});

describe('the project name', () => {
  const named = (text: string): string => `name: ${text}\n${service('a')}`;

  it.each<[string, string, object, string]>([
    ['the directory', service('a'), {}, 'proj'],
    ['the file', named('From File!'), {}, 'fromfile'],
    ['the environment over the file', named('file'), { env: { COMPOSE_PROJECT_NAME: 'env' } }, 'env'],
    [
      'the flag over both',
      named('file'),
      { projectName: 'flag', env: { COMPOSE_PROJECT_NAME: 'env' } },
      'flag',
    ],
    ['variables', named('"a-${B}"'), { env: { B: 'c' } }, 'a-c'],
  ])('comes from %s', (_name, file, options, expected) => {
    expect(load(file, options).project.name).toBe(expected);
  });

  it('is a variable of the files', () => {
    const file = `name: one\n${serviceFile('hostname: "${COMPOSE_PROJECT_NAME}"')}`;
    expect(load(file).project.services.web?.hostname).toBe('one');
  });

  it.each([
    [{ projectName: 'Bad Name' }, service('a')],
    [{ env: { COMPOSE_PROJECT_NAME: 'Bad' } }, service('a')],
    [{}, named('"${NOPE}"')],
  ])('is refused: %j', (options, file) => {
    expect(failure(file, options).codes).toEqual(['project-name']);
  });
});

describe('variables', () => {
  const file = serviceFile('hostname: "${A:-unset}"');
  const hostname = (files: Record<string, string>, options = {}): string | undefined =>
    load({ 'compose.yaml': file, ...files }, options).project.services.web?.hostname;

  it('of the shell win over .env', () => {
    expect(hostname({ '.env': 'A=file' })).toBe('file');
    expect(hostname({ '.env': 'A=file' }, { env: { A: 'shell' } })).toBe('shell');
  });

  it('come from --env-file instead, the last one winning', () => {
    const files = { '.env': 'A=no', 'a.env': 'A=a\nB=b', 'b.env': 'A=${B}2' };
    expect(hostname(files, { envFiles: ['a.env', 'b.env'] })).toBe('b2');
    expect(hostname(files, { env: { COMPOSE_ENV_FILES: 'b.env,a.env' } })).toBe('a');
  });

  it('do not come from .env when that is turned off', () => {
    expect(hostname({ '.env': 'A=file' }, { env: { COMPOSE_DISABLE_ENV_FILE: '1' } })).toBe('unset');
  });

  it('do not come from a directory called .env', () => {
    const cwd = directory({ 'compose.yaml': file });
    mkdirSync(join(cwd, '.env'));
    expect(load('', { cwd }).project.services.web?.hostname).toBe('unset');
  });
});

describe('a file of an old format', () => {
  it('with a version is read with one warning', () => {
    const { project, warnings: found } = load(`version: "2.4"\n${serviceFile('mem_limit: 1k')}`);
    expect(project.services.web?.mem_limit).toBe('1024');
    expect(found).toMatchObject([{ code: 'deprecated', at: { line: 1, column: 1 } }]);
  });

  const first = `
web:
  build: .
  dockerfile: Alt
  links: [db]
  volumes_from: [db, other]
  net: "container:db"
  log_driver: syslog
  log_opt: { tag: x }
db:
  image: postgres
  volumes: ["pg:/data"]
  volume_driver: flocker
`;

  it.each([
    ['fig.yml', {}],
    ['fig.yaml', {}],
    ['docker-compose.yml', { legacy: true }],
  ])('called %s is converted: %j', (name, options) => {
    const { project } = load({ [name]: first }, { consistency: false, ...options });
    expect(project.services.web).toMatchObject({
      build: { dockerfile: 'Alt' },
      links: ['db'],
      volumes_from: ['db', 'container:other'],
      network_mode: 'service:db',
      logging: { driver: 'syslog', options: { tag: 'x' } },
      depends_on: { db: { restart: true } },
    });
    expect(project.volumes.pg).toEqual({ name: 'pg', driver: 'flocker' });
  });

  it('may extend files of the same format', () => {
    const files = {
      'fig.yml': 'web: { extends: { file: common.yml, service: base }, links: [db] }\ndb: { image: d }\n',
      'common.yml': 'base: { image: b, log_driver: syslog }\n',
    };
    expect(load(files).project.services.web).toMatchObject({ image: 'b', logging: { driver: 'syslog' } });
  });

  it('is refused under any other name, with a hint', () => {
    const { codes, error } = failure(first);
    expect(codes[0]).toBe('legacy-format');
    expect(error.hint).toContain('--legacy');
  });
});
