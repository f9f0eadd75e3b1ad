// Services that extend others, of the same file and of other files.
import { describe, expect, it } from 'vitest';
import { directory, failure, load, webOf } from './fixture.ts';

describe('extends', () => {
  it('puts a service on top of another one', () => {
    const file = `
services:
  base: { image: base, environment: [A=1], ports: ["80"], depends_on: [dep] }
  dep: { image: dep }
  web: { extends: base, image: app, environment: { B: 2 } }
`;
    expect(webOf(file)).toEqual({
      environment: { A: '1', B: '2' },
      ports: [{ mode: 'ingress', target: 80, protocol: 'tcp' }],
      depends_on: { dep: { condition: 'service_started', required: true } },
    });
  });

  it('follows chains through files and re-bases their paths', () => {
    const cwd = directory({
      'compose.yaml': 'services: { web: { extends: { file: lib/a.yaml, service: a } } }',
      'lib/a.yaml': 'services: { a: { extends: { file: deep/b.yaml, service: b }, volumes: ["./a:/a"] } }',
      'lib/deep/b.yaml':
        'services: { b: { image: app, build: ./ctx, env_file: e.env, volumes: ["./b:/b"] } }',
      'lib/deep/e.env': 'E=1',
    });
    const { web } = load('', { cwd }).project.services;
    expect(web?.build?.context).toBe(`${cwd}/lib/deep/ctx`);
    expect(web?.volumes?.map(({ source }) => source)).toEqual([`${cwd}/lib/deep/b`, `${cwd}/lib/a`]);
    expect(web?.environment).toEqual({ E: '1' });
  });

  it('does not take over what is reset', () => {
    const file =
      'services: { base: { image: b, ports: ["80"], hostname: h }, web: { extends: base, ports: !reset [] } }';
    expect(webOf(file)).toEqual({ image: 'b', hostname: 'h' });
  });

  it('tells services of one name in several files apart', () => {
    const files = {
      'compose.yaml':
        'services: { web: { extends: { file: a.yaml, service: s } }, two: { extends: { file: b.yaml, service: s } } }',
      'a.yaml': 'services: { s: { extends: t }, t: { image: a } }',
      'b.yaml': 'services: { s: { extends: t }, t: { image: b } }',
    };
    const { web, two } = load(files).project.services;
    expect([web?.image, two?.image]).toEqual(['a', 'b']);
  });

  it('leaves the base as it was', () => {
    const file =
      'services: { base: { image: b, labels: { a: b } }, web: { extends: base, labels: { a: c } } }';
    expect(load(file).project.services.base?.labels).toEqual({ a: 'b' });
  });

  it.each<[string, Record<string, string>, string, string]>([
    [
      'a service that is not there',
      { 'compose.yaml': 'services: { web: { extends: nope } }' },
      'extends',
      'compose.yaml:1:29',
    ],
    [
      'a file that is not there',
      { 'compose.yaml': 'services: { web: { extends: { file: b.yaml, service: x } } }' },
      'file-not-found',
      'compose.yaml:1:37',
    ],
    [
      'a service that the file has not',
      {
        'compose.yaml': 'services: { web: { extends: { file: b.yaml, service: x } } }',
        'b.yaml': 'services: {}',
      },
      'extends',
      'compose.yaml:1:54',
    ],
    [
      'itself',
      { 'compose.yaml': 'services: { a: { extends: b }, b: { extends: a } }' },
      'extends',
      'compose.yaml:1:27',
    ],
    [
      'a remote file',
      { 'compose.yaml': 'services: { a: { extends: { file: "https://x/y.yaml", service: a } } }' },
      'unsupported',
      'compose.yaml:1:35',
    ],
  ])('of %s is refused', (_name, files, code, place) => {
    expect(failure(files)).toMatchObject({ codes: [code], places: [place] });
  });
});
