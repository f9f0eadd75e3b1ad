// Mounts of a service with their sources; configs, secrets, and the files of /etc.
import { describe, expect, test } from 'vitest';
import type { Mount } from '../../src/compose/project.ts';
import { hostsHeader, objectFilesOf, resolverOf } from '../../src/containers/files.ts';
import { type MountWorld, resolveMounts, volumesWanted } from '../../src/containers/mounts.ts';
import { service } from './world.ts';

const WORLD: MountWorld = {
  imageVolumes: [],
  volume: ({ key, target }) => ({
    name: key ?? `anonymous${target}`,
    source: { kind: 'directory', path: `/v/${key ?? 'a'}` },
  }),
  image: (name) => (name === 'gone' ? undefined : { id: `sha256:${name}`, layers: [`/layers/${name}`] }),
  inherited: [],
  position: (index) => ({ file: 'compose.yaml', line: index + 1, column: 1 }),
};
const resolve = (volumes: readonly Mount[], world: Partial<MountWorld> = {}, tmpfs: readonly string[] = []) =>
  resolveMounts(service({ volumes, tmpfs }), { ...WORLD, ...world });

describe('mounts', () => {
  test('bind', () => {
    const long: Mount = {
      type: 'bind',
      source: '/s',
      target: '/t',
      read_only: true,
      bind: { create_host_path: false, propagation: 'rslave', recursive: 'readonly' },
    };
    expect(resolve([long])).toEqual([
      {
        type: 'bind',
        source: '/s',
        target: '/t',
        readOnly: true,
        createSource: false,
        propagation: 'rslave',
        recursive: 'readonly',
        at: { file: 'compose.yaml', line: 1, column: 1 },
      },
    ]);
    expect(resolve([{ type: 'bind', source: '/s', target: '/t' }])).toMatchObject([{ createSource: true }]);
  });

  test.each([
    ['/', 'is the root of the container'],
    ['/a/..', 'is the root of the container'],
    ['v:/data', 'is no absolute path'],
    ['/proc', 'is inside /proc'],
    ['/x/../proc//self/', 'is inside /proc'],
    ['/proc/sys', 'is inside /proc'],
  ])('are refused on %s, also when the image asks', (target, reason) => {
    const expected = expect.objectContaining({
      code: 'invalid-value',
      message: `nothing can be mounted on ${JSON.stringify(target)}: it ${reason}`,
    });
    const at = expect.objectContaining({ at: { file: 'compose.yaml', line: 1, column: 1 } });
    expect(() => resolve([{ type: 'bind', source: '/s', target }])).toThrow(expected);
    expect(() => resolve([{ type: 'volume', target }])).toThrow(at);
    expect(() => resolve([], {}, [target])).toThrow(`it ${target.startsWith('v:') ? 'is' : reason}`);
    expect(() => resolve([], { imageVolumes: [target] })).toThrow(expected);
  });

  test('may cover what lxcfs covers, and /proc by itself', () => {
    const volumes: Mount[] = [
      { type: 'bind', source: '/var/lib/lxcfs/proc/meminfo', target: '/proc/meminfo' },
      { type: 'bind', source: '/proc', target: '/proc' },
      { type: 'bind', source: '/s', target: '/process' },
    ];
    expect(resolve(volumes)).toHaveLength(3);
  });

  test('volumes, named and anonymous', () => {
    const volumes: Mount[] = [
      { type: 'volume', source: 'data', target: '/d', volume: { nocopy: true, subpath: 'x' } },
      { type: 'volume', target: '/a' },
    ];
    expect(resolve(volumes)).toMatchObject([
      { name: 'data', anonymous: false, noCopy: true, subpath: 'x' },
      { name: 'anonymous/a', anonymous: true, noCopy: false },
    ]);
    expect(volumesWanted(service({ volumes, tmpfs: ['/t:size=1'] }), ['/d/', '/i', '/t'])).toEqual([
      { key: 'data', target: '/d' },
      { target: '/a' },
      { target: '/i' },
    ]);
  });

  test('tmpfs, long and short', () => {
    expect(resolve([{ type: 'tmpfs', target: '/l', tmpfs: { size: '1024', mode: 0o1770 } }])).toMatchObject([
      { options: ['nosuid', 'nodev', 'noexec', 'size=1024', 'mode=1770'] },
    ]);
    expect(resolve([], {}, ['/s:size=64m,exec,ro', '/p'])).toMatchObject([
      { target: '/s', readOnly: true, options: ['nosuid', 'nodev', 'size=64m'] },
      { target: '/p', readOnly: false, options: ['nosuid', 'nodev', 'noexec'] },
    ]);
  });

  test('image', () => {
    expect(resolve([{ type: 'image', source: 'i', target: '/i', image: { subpath: 'x' } }])).toEqual([
      { type: 'image', name: 'i', id: 'sha256:i', lower: ['/layers/i'], target: '/i', subpath: 'x' },
    ]);
    expect(() => resolve([{ type: 'image', source: 'gone', target: '/i' }])).toThrow(
      expect.objectContaining({ code: 'image-not-found' }),
    );
  });

  test('the service wins over volumes_from and the image', () => {
    const inherited = resolve([
      { type: 'bind', source: '/other', target: '/t' },
      { type: 'bind', source: '/other', target: '/o' },
    ]);
    const mounts = resolve([{ type: 'bind', source: '/mine', target: '/t/' }], {
      inherited,
      imageVolumes: ['/t', '/i'],
    });
    expect(mounts.map((mount) => [mount.target, mount.type === 'bind' ? mount.source : mount.type])).toEqual([
      ['/i', 'volume'],
      ['/t/', '/mine'],
      ['/o', '/other'],
    ]);
  });

  test('what Linux does not have is refused', () => {
    expect(() => resolve([{ type: 'npipe', source: 'x', target: '/x' }])).toThrow(
      expect.objectContaining({ code: 'unsupported' }),
    );
  });
});

describe('configs and secrets', () => {
  const at = { file: 'compose.yaml', line: 9, column: 7 };
  const files = (attributes: Parameters<typeof service>[0], missing = false) =>
    objectFilesOf({
      project: {
        configs: { c: { name: 'c', content: 'text' }, x: { name: 'x', external: true } },
        secrets: {
          f: { name: 'f', file: '/f' },
          e: { name: 'e', environment: 'E' },
          u: { name: 'u', environment: 'U' },
        },
        environment: { E: 'value' },
        positionOf: () => at,
      },
      serviceName: 'web',
      service: service(attributes),
      readFile: () => Buffer.from('file'),
      exists: () => !missing,
      store: (kind) => `/store/${kind}`,
    });

  test('a file is bound as it is, unless owner or mode are asked for', () => {
    expect(files({ secrets: [{ source: 'f' }] }).binds).toMatchObject([
      { source: '/f', target: '/run/secrets/f', readOnly: true },
    ]);
    expect(files({ secrets: [{ source: 'f', target: 'g', uid: '5', mode: '0400' }] }).contents).toEqual([
      { target: '/run/secrets/g', content: Buffer.from('file'), uid: 5, gid: 0, mode: 0o400 },
    ]);
  });

  test('content and environment are files of the container', () => {
    expect(
      files({ configs: [{ source: 'c' }], secrets: [{ source: 'e', target: '/abs' }] }).contents,
    ).toMatchObject([
      { target: '/c', content: Buffer.from('text'), mode: 0o444 },
      { target: '/abs', content: Buffer.from('value') },
    ]);
  });

  test('what cannot be had is an error at its place', () => {
    const error = (code: string) => expect.objectContaining({ code, at });
    expect(() => files({ secrets: [{ source: 'f' }] }, true)).toThrow(error('bind-source-missing'));
    expect(() => files({ secrets: [{ source: 'u' }] })).toThrow(error('required-variable'));
    expect(() => files({ configs: [{ source: 'x' }] }, true)).toThrow(error('file-not-found'));
    expect(() => files({ configs: [{ source: 'no' }] })).toThrow(error('undefined-reference'));
  });
});

test('hosts: loopback, extra_hosts, own addresses', () => {
  const wish = {
    service: service({
      extra_hosts: ['db=192.0.2.1', 'db=2001:db8::1', 'gw=host-gateway'],
      domainname: 'example.org',
    }),
    hostname: 'web',
    addresses: ['10.0.0.2'],
    hostGateways: ['10.0.0.1'],
  };
  expect(hostsHeader(wish).split('\n').slice(6)).toEqual([
    '192.0.2.1\tdb',
    '2001:db8::1\tdb',
    '10.0.0.1\tgw',
    '10.0.0.2\tweb.example.org web',
    '',
  ]);
  expect(() => hostsHeader({ ...wish, hostGateways: [] })).toThrow(
    expect.objectContaining({ code: 'invalid-value' }),
  );
});

test('resolv.conf', () => {
  const machine = '# comment\nnameserver 192.0.2.1 # x\nsearch a.example\noptions edns0\n';
  expect(resolverOf(service(), machine, true)).toEqual({
    text: 'nameserver 127.0.0.11\nsearch a.example\noptions edns0 ndots:0\n',
    upstream: ['192.0.2.1'],
  });
  expect(
    resolverOf(service({ dns: ['192.0.2.9'], dns_search: ['.'], dns_opt: ['ndots:3'] }), machine, false),
  ).toEqual({
    text: 'nameserver 192.0.2.9\noptions ndots:3\n',
    upstream: [],
  });
});
