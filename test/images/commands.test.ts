// The commands about images as a user types them, against registries that the test runs.
import { randomBytes } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import * as http from 'node:http';
import * as https from 'node:https';
import { connect } from 'node:net';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { hasBusybox, isRoot, needing } from '../support/machine.ts';
import { Stack } from '../support/stack.ts';
import { makeCertificates, PASSWORD, TestRegistry, USER } from './registry-server.ts';
import { sha256, tar } from './world.ts';

const LAYER = tar({ name: 'bin/', type: '5', mode: 0o755 }, { name: 'bin/sh', content: 'x'.repeat(5000) });
const IMAGE = { layers: [gzipSync(LAYER)], diffIds: [sha256(LAYER)] };
const needs = { root: isRoot, 'busybox-static': hasBusybox };

/** A proxy that keeps what it was asked for, in both ways of asking, with TLS when told; every host is `target`. */
async function startProxy(target: string, certificates?: string) {
  const asked: string[] = [];
  const tunnels: Duplex[] = [];
  const [, port] = target.split(':');
  const server =
    certificates === undefined
      ? http.createServer()
      : https.createServer({
          key: readFileSync(join(certificates, 'server.key')),
          cert: readFileSync(join(certificates, 'server.crt')),
        });
  server.on('request', (request: http.IncomingMessage, response: http.ServerResponse) => {
    asked.push(`${request.method} ${request.url}`);
    const { pathname, search } = new URL(request.url ?? '/', 'http://nowhere');
    const { method, headers } = request;
    const forward = http.request({ host: '127.0.0.1', port, method, path: pathname + search, headers });
    forward.on('response', (answer) => {
      response.writeHead(answer.statusCode ?? 500, answer.headers);
      answer.pipe(response);
    });
    request.pipe(forward);
  });
  server.on('connect', (request: http.IncomingMessage, socket: Duplex) => {
    asked.push(`CONNECT ${request.url}`);
    const there = connect(Number(port), '127.0.0.1', () => socket.write('HTTP/1.1 200 OK\r\n\r\n'));
    tunnels.push(socket, there);
    there.on('error', () => socket.destroy());
    socket.on('error', () => there.destroy());
    socket.pipe(there).pipe(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (typeof address !== 'object' || address === null) throw new Error('no address');
  return {
    asked,
    url: `${certificates === undefined ? 'http' : 'https'}://127.0.0.1:${address.port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      for (const tunnel of tunnels) tunnel.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function stackOf(image: string, env: Readonly<Record<string, string>> = {}): Stack {
  return new Stack({
    compose: `services:\n  app:\n    image: ${image}\n`,
    env: { NO_PROXY: '', no_proxy: '', ...env },
  });
}

describe.skipIf(!isRoot)(needing('login and logout', { root: isRoot }), () => {
  it.each(['basic', 'token'] as const)('keeps a %s login that works, and forgets it', async (auth) => {
    await using registry = await new TestRegistry({ auth }).listen();
    registry.put('app', 'latest', IMAGE);
    const name = `${registry.host}/app`;
    await using stack = stackOf(name, {});
    const env = { DOCKER_CONFIG: join(stack.root, 'docker') };
    await using user = stackOf(name, env);
    const login = (password: string) =>
      user.start(['login', '-u', USER, '--password-stdin', registry.host], { input: `${password}\n` }).ended;
    expect((await user.run('pull', '-q')).code).toBe(1);
    expect((await login('wrong')).code).toBe(1);
    expect(existsSync(join(env.DOCKER_CONFIG, 'config.json'))).toBe(false);
    expect(await login(PASSWORD)).toMatchObject({ code: 0, stdout: 'Login Succeeded\n' });
    const { auths } = JSON.parse(readFileSync(join(env.DOCKER_CONFIG, 'config.json'), 'utf8'));
    expect(Object.keys(auths)).toEqual([registry.host]);
    await user.ok('pull', '-q');
    expect(await user.ok('logout', registry.host)).toContain('Removing');
    expect(await user.ok('logout', registry.host)).toContain('Not logged in');
    registry.put('app', 'latest', { ...IMAGE, schema2: true });
    expect((await user.run('pull', '-q')).stderr).toContain('login');
  });

  it('leaves the password to a credential helper', async () => {
    await using registry = await new TestRegistry({ auth: 'basic' }).listen();
    registry.put('app', 'latest', IMAGE);
    await using place = stackOf('x');
    const kept = join(place.root, 'kept');
    const script = `#!/bin/sh
case $1 in
store) cat > ${kept} ;;
get) [ -e ${kept} ] && exec cat ${kept}; echo credentials not found in native keychain; exit 1 ;;
erase) rm -f ${kept} ;;
esac
`;
    writeFileSync(join(place.root, 'docker-credential-test'), script);
    chmodSync(join(place.root, 'docker-credential-test'), 0o755);
    writeFileSync(join(place.root, 'config.json'), '{"credsStore":"test"}');
    const env = { DOCKER_CONFIG: place.root, PATH: `${place.root}:${process.env.PATH}` };
    await using user = stackOf(`${registry.host}/app`, env);
    const { code } = await user.start(['login', '-u', USER, '--password-stdin', registry.host], {
      input: PASSWORD,
    }).ended;
    expect(code).toBe(0);
    expect(JSON.parse(readFileSync(kept, 'utf8'))).toEqual({
      ServerURL: registry.host,
      Username: USER,
      Secret: PASSWORD,
    });
    expect(readFileSync(join(place.root, 'config.json'), 'utf8')).not.toContain('auths');
    await user.ok('pull', '-q');
    await user.ok('logout', registry.host);
    expect(existsSync(kept)).toBe(false);
  });
});

describe.skipIf(!isRoot)(needing('on the way to a registry', { root: isRoot }), () => {
  it('goes through HTTP_PROXY to an insecure registry of the configuration, not where NO_PROXY says', async () => {
    await using registry = await new TestRegistry().listen();
    registry.put('app', 'latest', IMAGE);
    await using proxy = await startProxy(registry.host);
    await using stack = stackOf('registry.test:5000/app');
    const file = join(stack.root, 'registries.json');
    writeFileSync(file, '{"insecure":["registry.test:5000"]}');
    // TLS is tried first, through the same proxy, which this server does not speak
    const env = { TSCOMPOSE_REGISTRIES: file, HTTP_PROXY: proxy.url, HTTPS_PROXY: proxy.url };
    await using proxied = stackOf('registry.test:5000/app', env);
    await proxied.ok('pull', '-q');
    expect(proxy.asked).toContain('HEAD http://registry.test:5000/v2/app/manifests/latest');
    const before = proxy.asked.length;
    await using direct = stackOf('registry.test:5000/app', { ...env, NO_PROXY: '.test' });
    expect((await direct.run('pull', '-q')).code).toBe(1);
    expect(proxy.asked).toHaveLength(before);
  });

  it('asks HTTPS_PROXY for a tunnel, and trusts the CA of certs.d', async () => {
    await using place = stackOf('x');
    if (!makeCertificates(place.root)) return;
    await using registry = await new TestRegistry({ tls: place.root }).listen();
    registry.put('app', 'latest', IMAGE);
    await using proxy = await startProxy(registry.host);
    const env = { HTTPS_PROXY: proxy.url, HOME: place.root };
    await using user = stackOf('registry.test:5443/app', env);
    expect((await user.run('pull', '-q')).stderr).toContain('CA');
    const dir = join(place.root, '.docker/certs.d/registry.test:5443');
    mkdirSync(dir, { recursive: true });
    writeFileSync(join(dir, 'ca.crt'), readFileSync(join(place.root, 'ca.crt')));
    await user.ok('pull', '-q');
    expect(new Set(proxy.asked)).toEqual(new Set(['CONNECT registry.test:5443']));
  });

  it('speaks TLS with a proxy that has it, and says which proxies it does not understand', async () => {
    await using place = stackOf('x');
    if (!makeCertificates(place.root)) return;
    await using plain = await new TestRegistry().listen();
    await using secure = await new TestRegistry({ tls: place.root }).listen();
    for (const registry of [plain, secure]) registry.put('app', 'latest', IMAGE);
    const file = join(place.root, 'registries.json');
    writeFileSync(file, '{"insecure":["registry.test:5000"]}');
    for (const registry of [plain, secure]) {
      await using proxy = await startProxy(registry.host, place.root);
      const env = {
        HTTP_PROXY: proxy.url,
        HTTPS_PROXY: proxy.url,
        SSL_CERT_FILE: join(place.root, 'ca.crt'),
        TSCOMPOSE_REGISTRIES: file,
      };
      await using user = stackOf('registry.test:5000/app', env);
      await user.ok('pull', '-q');
      const [method, what] =
        registry === plain ? ['HEAD', 'http://registry.test'] : ['CONNECT', 'registry.test'];
      expect(proxy.asked.some((line) => line.startsWith(`${method} ${what}`))).toBe(true);
    }
    await using lost = stackOf('registry.test/app', { ALL_PROXY: 'socks5://127.0.0.1:1' });
    expect((await lost.run('pull', '-q')).stderr).toContain('a proxy of the kind socks5://');
  });

  it('tells progress as lines and as JSON documents', async () => {
    await using registry = await new TestRegistry().listen();
    registry.put('app', 'latest', IMAGE);
    await using stack = stackOf(`${registry.host}/app`);
    const digest = sha256(IMAGE.layers[0] ?? '').slice(7, 19);
    const { stderr } = await stack.run('--progress', 'json', 'pull');
    const events = stderr
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(events[0]).toEqual({ id: 'app', status: 'Working', text: 'Pulling' });
    expect(events).toContainEqual(
      expect.objectContaining({
        id: digest,
        parent_id: 'app',
        status: 'Done',
        text: 'Complete',
        percent: 100,
      }),
    );
    expect(events.at(-1)).toEqual({ id: 'app', status: 'Done', text: 'Pulled' });
    await stack.ok('image', 'rm', `${registry.host}/app`);
    const plain = (await stack.run('--progress', 'plain', 'pull')).stderr;
    expect(plain).toMatch(new RegExp(`^ app Pulling\\n app ${digest} Downloading .*B\\n`));
    expect(plain).toMatch(/ app Pulled .*B in .*s\n$/);
    expect((await stack.run('pull')).stderr).toBe(' app Pulling\n app Pulled (nothing new)\n');
  });

  it('tells how far the layers are that `up` pulls, as lines, documents and a drawing', async () => {
    const layer = tar({ name: 'noise', content: randomBytes(3_000_000) });
    const image = { layers: [layer], diffIds: [sha256(layer)] };
    const digest = sha256(layer).slice(7, 19);
    await using registry = await new TestRegistry({
      fault: ({ path, method }) =>
        method === 'GET' && path.includes(digest) ? { kind: 'late', ms: 600 } : undefined,
    }).listen();
    registry.put('app', 'latest', image);
    const name = `Image ${registry.host}/app`;
    const up = async (progress: string) => {
      await using stack = stackOf(`${registry.host}/app`);
      return (await stack.run('--progress', progress, 'up', '--no-start')).stderr;
    };
    const documents = (await up('json'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    const parts = documents.filter((document) => document.parent_id === name && document.id === digest);
    expect(parts.map(({ text }) => text)).toEqual(expect.arrayContaining(['Downloading', 'Complete']));
    expect(parts.at(-1)).toMatchObject({ current: layer.length, total: layer.length, percent: 100 });
    expect(await up('plain')).toMatch(
      new RegExp(`${name}  ${digest} Downloading 3MB\\n(.*\\n)* ${name}  Pulled 3MB in `),
    );
    const drawn = await up('tty');
    expect(drawn).toMatch(new RegExp(`${name}  Pulling  [\\d.]+[kM]B / 3MB [\\d.]+k?M?B/s`));
    expect(drawn).toMatch(new RegExp(`${digest} Downloading +\\[=+ +\\] 1\\.\\d+MB`));
  });
});

describe.skipIf(Object.values(needs).includes(false))(needing('images of a project', needs), () => {
  it('pushes what was committed, in pieces when asked, and runs it frozen', async () => {
    await using registry = await new TestRegistry().listen();
    const busybox = tar(
      { name: 'bin/', type: '5', mode: 0o755 },
      { name: 'bin/sh', mode: 0o755, content: readFileSync('/bin/busybox') },
    );
    registry.put('box', '1', { layers: [gzipSync(busybox)], diffIds: [sha256(busybox)] });
    await using stack = new Stack({
      compose: `services:
  app:
    image: ${registry.host}/box:\${TAG:-1}
    command: [/bin/sh, -c, "cat /made || echo nothing; exec sleep 1000"]
    init: true
    stop_grace_period: 0s
`,
    });
    await stack.ok('up', '-d');
    await stack.ok('exec', '-T', 'app', '/bin/sh', '-c', 'echo by hand > /made');
    await stack.ok('commit', 'app', `${registry.host}/box:2`);
    await stack.ok('image', 'push', '-q', '--chunk-size', '100000', `${registry.host}/box:2`);
    expect(registry.manifests.has('box:2')).toBe(true);
    await stack.ok('push', 'app');
    writeFileSync(join(stack.dir, '.env'), 'TAG=2\n');
    expect((await stack.run('up', '-d', '--frozen')).stderr).toContain('lock update');
    await stack.ok('lock', 'update');
    const digest = registry.manifests.get('box:2');
    registry.manifests.set('box:2', registry.manifests.get('box:1') ?? { type: '', bytes: Buffer.alloc(0) });
    await stack.ok('down');
    await stack.ok('system', 'prune', '-af');
    expect(await stack.ok('image', 'ls', '-q')).toBe('');
    await stack.ok('up', '-d', '--frozen');
    expect(await stack.ok('exec', '-T', 'app', '/bin/sh', '-c', 'cat /made')).toBe('by hand\n');
    expect((await stack.ps())[0]?.Image).toContain(sha256(digest?.bytes ?? ''));
  });

  it('keeps images that are mounted, also when their name went to another', async () => {
    await using registry = await new TestRegistry().listen();
    const data = (text: string) => {
      const layer = tar({ name: 'text', content: text });
      return { layers: [gzipSync(layer)], diffIds: [sha256(layer)] };
    };
    registry.put('data', 'latest', data('old'));
    await using stack = new Stack({
      compose: `services:
  app:
    image: host
    command: sleep 1000
    init: true
    stop_grace_period: 0s
    volumes:
      - { type: image, source: "${registry.host}/data", target: /mnt }
`,
    });
    await stack.ok('up', '-d');
    const read = () => stack.ok('exec', '-T', 'app', 'cat', '/mnt/text');
    expect(await read()).toBe('old');
    const [id = ''] = (await stack.ok('image', 'ls', '-q', '--no-trunc')).split('\n');
    const active = async () =>
      JSON.parse((await stack.ok('system', 'df', '--format', 'json')).split('\n')[0] ?? '');
    expect(await active()).toMatchObject({ Type: 'Images', TotalCount: '1', Active: '1' });
    registry.put('data', 'latest', data('new'));
    await stack.ok('image', 'pull', '-q', `${registry.host}/data`);
    expect(await active()).toMatchObject({ TotalCount: '2', Active: '1' });
    const refused = await stack.run('image', 'rm', id);
    expect([refused.code, refused.stderr]).toEqual([1, expect.stringContaining('a container uses image')]);
    expect(await stack.ok('image', 'prune', '-af')).toContain(`Untagged: ${registry.host}/data:latest`);
    expect(await read()).toBe('old');
    await stack.ok('restart');
    expect(await read()).toBe('old');
    await stack.ok('down');
    expect(await stack.ok('image', 'prune', '-f')).toContain(`Deleted: ${id}`);
    expect(await active()).toMatchObject({ TotalCount: '0', Size: '0B' });
  });

  it('says what it leaves out, lists images as wide as Compose does, and fails to copy with 1', async () => {
    await using registry = await new TestRegistry().listen();
    const box = tar(
      { name: 'bin/', type: '5', mode: 0o755 },
      { name: 'bin/sh', mode: 0o755, content: readFileSync('/bin/busybox') },
      { name: 'dir/', type: '5', mode: 0o755 },
    );
    registry.put('box', '1', { layers: [gzipSync(box)], diffIds: [sha256(box)] });
    const name = `${registry.host}/box`;
    await using stack = new Stack({
      compose: `services:\n  app: { image: "${name}:1", command: [/bin/sh, -c, "exec sleep 1000"], init: true, stop_grace_period: 0s }\n`,
    });
    await stack.ok('up', '-d');
    const { size } = statSync('/bin/busybox');
    const [row] = JSON.parse(await stack.ok('images', '--format', 'json'));
    expect(row).toMatchObject({ Repository: name, Tag: '1', Size: size });
    const [head = '', line = ''] = (await stack.ok('images')).split('\n');
    expect(head).toMatch(/^CONTAINER {11}REPOSITORY +TAG {17}PLATFORM {12}IMAGE ID {12}SIZE {16}CREATED$/);
    expect(line.indexOf(name)).toBe(20);
    expect((await stack.run('pull', '--policy', 'missing')).stderr).toBe(
      ' app Skipped - Image is already present locally\n',
    );
    expect((await stack.run('push')).stderr).toContain(' app Skipped - Image is not built here');
    expect((await stack.run('push', 'app')).stderr).toMatch(/ Already exists .*\n app Pushed\n$/);
    await stack.ok('image', 'tag', `${name}:1`, `${registry.host}/fork:1`);
    const mounted = await stack.run('image', 'push', `${registry.host}/fork:1`);
    expect(mounted.stderr).toContain('Mounted from another repository');
    writeFileSync(join(stack.dir, 'file'), 'x');
    mkdirSync(join(stack.dir, 'directory'));
    for (const [from, to] of [
      ['app:/nothing', '.'],
      ['file', 'app:/no/such/place'],
      ['directory', 'app:/bin/sh'],
    ] as const) {
      const { code, stderr } = await stack.run('cp', from, to);
      expect([code, stderr]).toEqual([1, expect.stringContaining('error[copy]')]);
    }
    await stack.ok('cp', 'file', 'app:/dir/');
    expect(await stack.ok('exec', '-T', 'app', '/bin/sh', '-c', 'cat /dir/file')).toBe('x');
  });

  it('prunes what is stopped and unused, and nothing that is needed', async () => {
    await using registry = await new TestRegistry().listen();
    registry.put('app', 'latest', IMAGE);
    await using stack = new Stack({
      compose:
        'services:\n  app:\n    image: host\n    command: sleep 1000\n    init: true\n    stop_grace_period: 0s\n',
    });
    await stack.ok('image', 'pull', '-q', `${registry.host}/app`);
    await stack.ok('up', '-d');
    expect(await stack.ok('system', 'prune', '-f')).toContain('reclaimed space: 0B');
    expect(await stack.ps()).toHaveLength(1);
    expect(await stack.ok('image', 'ls', '-q')).not.toBe('');
    await stack.ok('stop');
    const said = await stack.ok('system', 'prune', '-af', '--volumes');
    expect(said).toContain(`Untagged: ${registry.host}/app:latest`);
    expect(said).toContain(`${stack.project}_default`);
    expect(await stack.ps()).toEqual([]);
    expect(await stack.ok('system', 'check')).toBe('0 blobs and 0 layers checked, 0 damaged\n');
  });
});
