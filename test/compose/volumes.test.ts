// Mounts of a service and the volumes of a project.
import { describe, expect, it } from 'vitest';
import { config, directory, failure, load, serviceFile, web, webOf } from './fixture.ts';

const named = 'volumes:\n  data: {}\n';

describe('a mount', () => {
  it.each<[string, object]>([
    ['data:/d', { type: 'volume', source: 'data', target: '/d', volume: {} }],
    [
      'data:/d/../e/:ro,nocopy',
      { type: 'volume', source: 'data', target: '/e', read_only: true, volume: { nocopy: true } },
    ],
    ['/anonymous', { type: 'volume', target: '/anonymous', volume: {} }],
    ['v:/v', { type: 'volume', target: 'v:/v', volume: {} }],
    [
      '/host:/c:rshared,Z',
      {
        type: 'bind',
        source: '/host',
        target: '/c',
        bind: { propagation: 'rshared', selinux: 'Z', create_host_path: true },
      },
    ],
    ['~/x:/c', { type: 'bind', source: '/home/u/x', target: '/c', bind: { create_host_path: true } }],
    [
      '/abs/../x/:/c:cached',
      { type: 'bind', source: '/abs/../x/', target: '/c', bind: { create_host_path: true } },
    ],
  ])('%s', (spec, expected) => {
    const file = `${serviceFile(`volumes: ["${spec}"]`)}${named}`;
    expect(webOf(file, { env: { HOME: '/home/u' } }).volumes).toEqual([expected]);
  });

  it('starts relative paths from the project directory', () => {
    const cwd = directory(serviceFile('volumes: ["./a/../b:/b", { type: bind, source: c, target: /c }]'));
    expect(load('', { cwd }).project.services.web?.volumes?.map(({ source }) => source)).toEqual([
      `${cwd}/b`,
      `${cwd}/c`,
    ]);
  });

  it('keeps only what the long syntax says', () => {
    const tmpfs = 'volumes: [{ type: tmpfs, target: /t, tmpfs: { size: 1k, mode: 0755 } }]';
    expect(web(tmpfs).volumes).toEqual([{ type: 'tmpfs', target: '/t', tmpfs: { size: '1024', mode: 493 } }]);
    const bind = 'volumes: [{ type: bind, source: /a, target: /b, bind: { create_host_path: false } }]';
    expect(web(bind).volumes).toEqual([{ type: 'bind', source: '/a', target: '/b', bind: {} }]);
  });

  it('replaces an earlier one with the same target in its place', () => {
    expect(web('volumes: ["/a:/x", "/b:/y", "/c:/x:ro"]').volumes).toMatchObject([
      { source: '/c', target: '/x', read_only: true },
      { source: '/b', target: '/y' },
    ]);
  });

  it.each([
    [':/x', 'invalid-value'],
    ['aa:bb:cc:dd', 'invalid-value'],
    ['data:/d', 'undefined-reference'],
  ])('refuses %s', (spec, code) => {
    expect(failure(serviceFile(`volumes: ["${spec}"]`))).toMatchObject({
      codes: [code],
      places: ['compose.yaml:4:15'],
    });
  });

  it('refuses two mounts on one target', () => {
    const { codes } = failure(serviceFile('tmpfs: /x\nvolumes: ["/a:/x"]'));
    expect(codes).toEqual(['conflicting-keys']);
  });
});

describe('a volume of the project', () => {
  const file = (volumes: string): string =>
    `${serviceFile('command: x')}volumes:\n${volumes.replace(/^/gm, '  ')}\n`;

  it('is named after the project, or as it says', () => {
    const { volumes } = config(file('a:\nb: { name: own }\nc: { external: true }'));
    expect(volumes).toEqual({
      a: { name: 'proj_a' },
      b: { name: 'own' },
      c: { name: 'c', external: true },
    });
  });

  it('binds a device relative to the project', () => {
    const cwd = directory(file('a: { driver: local, driver_opts: { type: none, o: bind, device: ./d } }'));
    expect(load('', { cwd }).project.volumes.a?.driver_opts?.device).toBe(`${cwd}/d`);
  });

  it('takes the old form of external names with a warning', () => {
    const { project, warnings } = load(file('a: { external: { name: b } }'));
    expect(project.volumes.a).toEqual({ name: 'b', external: true });
    expect(warnings).toMatchObject([{ code: 'deprecated', at: { line: 6 } }]);
  });

  it.each([
    ['a: { external: true, driver: x }', 'conflicting-keys'],
    ['a: { name: x, external: { name: y } }', 'conflicting-keys'],
    ['a: { drivr: x }', 'unknown-key'],
  ])('refuses %s', (volumes, code) => {
    expect(failure(file(volumes)).codes).toContain(code);
  });

  it('is left out when no active service uses it', () => {
    const { project } = load(file('a: {}'), { allResources: false });
    expect(project.volumes).toEqual({});
    expect(Object.keys(project.loaded?.declared.volumes ?? {})).toEqual(['a']);
  });
});
