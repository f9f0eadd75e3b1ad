// Commands on one stack as a user types them: what their options do, one by one.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { freePort, isRoot, needing } from '../support/machine.ts';
import { CLI, Stack } from '../support/stack.ts';

const LONG_MS = 120_000;
const idle = 'image: host, init: true, command: [sleep, infinity]';

/** Runs a shell command line in which `tscompose` is ours. */
function shell(
  stack: Stack,
  line: string,
): { readonly code: number | null; readonly out: string; readonly err: string } {
  const functions = `tscompose() { '${process.execPath}' '${CLI}' "$@"; }`;
  const options = { cwd: stack.dir, env: stack.env, encoding: 'utf8', timeout: 40_000 } as const;
  const { status, stdout, stderr } = spawnSync('bash', ['-c', `${functions}\n${line}`], options);
  return { code: status, out: stdout, err: stderr };
}

describe.skipIf(!isRoot)(needing('exec', { root: isRoot }), () => {
  let stack: Stack;
  beforeAll(async () => {
    stack = new Stack({
      compose: `services:\n  web: { ${idle}, scale: 2, environment: { A: file }, working_dir: /usr }\n  off: { ${idle} }\n`,
    });
    await stack.ok('up', '-d', 'web');
  });
  afterAll(() => stack[Symbol.asyncDispose]());

  it.each([
    [['web', 'sh', '-c', 'echo $A $PWD $(id -u); exit 3'], 3, 'file /usr 0\n'],
    [['-e', 'A=mine', '-e', 'B=', 'web', 'sh', '-c', 'echo $A-$B'], 0, 'mine-\n'],
    [['-u', 'nobody', 'web', 'id', '-un'], 0, 'nobody\n'],
    [['-u', '1234:56', 'web', 'sh', '-c', 'id -u; id -g'], 0, '1234\n56\n'],
    [['-w', '/etc', 'web', 'pwd'], 0, '/etc\n'],
    [['--index', '2', 'web', 'sh', '-c', 'getent hosts $HOSTNAME | grep -o web-2'], 0, 'web-2\n'],
    [['web', 'sh', '-c', 'grep CapEff /proc/self/status'], 0, 'CapEff:\t00000000a80425fb\n'],
    [['web', 'sh', '-c', 'kill -TERM $$'], 143, ''],
    [['web', 'sh', '-c', 'tty'], 1, 'not a tty\n'],
  ])('-T %j', async (args, code, stdout) => {
    expect(await stack.run('exec', '-T', ...args)).toMatchObject({ code, stdout });
  });

  it('--privileged has more rights than the container', async () => {
    const capabilities = 'grep CapEff /proc/self/status';
    const own = await stack.ok('exec', '-T', 'web', 'sh', '-c', capabilities);
    expect(await stack.ok('exec', '-T', '--privileged', 'web', 'sh', '-c', capabilities)).not.toBe(own);
  });

  it.each([
    [['web', 'nosuch'], 127, /^error\[command-not-found\]: "nosuch"/],
    [['web', '/etc/passwd'], 126, /^error\[command-not-executable\]: "\/etc\/passwd"/],
    [['-u', 'nosuch', 'web', 'id'], 1, /^error\[unknown-user\]: .*"nosuch"/],
    [['-u', '0:nosuch', 'web', 'id'], 1, /^error\[unknown-user\]: .*"nosuch"/],
    [['-w', '/nosuch', 'web', 'id'], 127, /^error\[working-directory\]: .*\/nosuch/],
    [['-w', '/etc/passwd', 'web', 'id'], 127, /^error\[working-directory\]: .*\/etc\/passwd/],
    [['--index', '3', 'web', 'id'], 1, /container 3 of "web"/],
    [['off', 'id'], 1, /service "off" is not running/],
    [['nosuch', 'id'], 1, /no such service: nosuch/],
    [['web'], 2, /needs more arguments/],
  ])('-T %j ends with %i', async (args, code, message) => {
    const { stderr, ...outcome } = await stack.run('exec', '-T', ...args);
    expect(outcome.code).toBe(code);
    expect(stderr).toMatch(message);
  });

  it('passes input through, and ends when nobody reads its output', () => {
    const bytes = 'head -c 2000000 /dev/zero';
    expect(shell(stack, `${bytes} | tscompose exec -T web cat | wc -c`).out.trim()).toBe('2000000');
    expect(shell(stack, 'tscompose exec -T web yes | head -1')).toMatchObject({ code: 0, out: 'y\n' });
  });

  it('-d returns at once, says what cannot run, and does not keep the container from ending', async () => {
    await stack.ok('exec', '-d', 'web', 'sh', '-c', 'echo ran > /tmp/ran; sleep infinity');
    await eventually(async () =>
      expect(await stack.ok('exec', '-T', 'web', 'cat', '/tmp/ran')).toBe('ran\n'),
    );
    expect(await stack.run('exec', '-d', 'web', 'nosuch')).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('"nosuch" was not found'),
    });
    await stack.ok('kill', 'web');
    const ended = { State: 'exited', ExitCode: 137 };
    expect(await stack.ps('web')).toMatchObject([ended, ended]);
  });
});

describe.skipIf(!isRoot)(needing('logs', { root: isRoot }), () => {
  let stack: Stack;
  beforeAll(async () => {
    // Two pipes have no order between them but by time.
    const say = (name: string) =>
      `image: host, command: ["sh", "-c", "for i in 1 2 3; do echo ${name} $$i; done; sleep 1; echo ${name} wrong >&2; exec sleep infinity"], init: true`;
    stack = new Stack({ compose: `services:\n  a: { ${say('a')}, scale: 2 }\n  b: { ${say('b')} }\n` });
    await stack.ok('up', '-d');
    await eventually(async () => expect((await stack.run('logs')).stderr.match(/wrong/g)).toHaveLength(3));
  });
  afterAll(() => stack[Symbol.asyncDispose]());

  it.each([
    [['b'], ['b-1  | b 1', 'b-1  | b 2', 'b-1  | b 3'], ['b-1  | b wrong']],
    [['--no-log-prefix', 'b'], ['b 1', 'b 2', 'b 3'], ['b wrong']],
    [['--tail', '2', 'b'], ['b-1  | b 3'], ['b-1  | b wrong']],
    [['-n', '0'], [], []],
    [['--index', '2', '--tail', '1', 'a'], [], ['a-2  | a wrong']],
    [['--since', '2030-01-01T00:00:00Z'], [], []],
    [['--until', '2020-01-01T00:00:00Z'], [], []],
    [['-f', '--until', '2020-01-01T00:00:00Z'], [], []],
    [
      ['--since', '1h', '--until', '0s', '--tail', 'all', 'b'],
      ['b-1  | b 1', 'b-1  | b 2', 'b-1  | b 3'],
      ['b-1  | b wrong'],
    ],
  ])('%j', async (args, out, err) => {
    const { code, stdout, stderr } = await stack.run('logs', ...args);
    const lines = (text: string) => text.split('\n').filter((line) => line !== '');
    expect({ code, out: lines(stdout), err: lines(stderr) }).toEqual({ code: 0, out, err });
  });

  it('-t has times of one width', async () => {
    for (const line of (await stack.ok('logs', '-t', 'b')).trim().split('\n')) {
      expect(line).toMatch(/^b-1 {2}\| \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z b \d$/);
    }
  });

  it('is coloured when told, and not when that is forbidden', async () => {
    const control = String.fromCharCode(27);
    expect((await stack.ok('--ansi', 'always', 'logs', 'b')).startsWith(control)).toBe(true);
    expect(await stack.ok('--ansi', 'always', 'logs', '--no-color', 'b')).not.toContain(control);
    expect(await stack.ok('logs', 'b')).not.toContain(control);
  });

  it.each(['--since', '--until', '--tail'])('%s that makes no sense is a usage error', async (option) => {
    expect(await stack.run('logs', option, 'sometimes')).toMatchObject({ code: 2, stdout: '' });
  });

  it('end quietly when nobody reads them any more', () => {
    for (const command of ['logs', 'logs --no-log-prefix']) {
      const { out, err } = shell(
        stack,
        `tscompose ${command} b 2>/dev/null | head -1; echo \${PIPESTATUS[0]} >&2`,
      );
      expect(out).toMatch(/b 1\n$/);
      expect(['0\n', '141\n']).toContain(err);
    }
  });

  it('-f ends at an interrupt, and when all containers have ended', async () => {
    const followed = stack.start(['logs', '-f', 'b']);
    await eventually(() => expect(followed.stdout()).toContain('b 3'));
    followed.signal('SIGINT');
    expect((await followed.ended).stdout).toContain('b 3');
    const toTheEnd = stack.start(['logs', '-f', 'b']);
    await eventually(() => expect(toTheEnd.stdout()).toContain('b 3'));
    await stack.ok('kill', 'b');
    expect((await toTheEnd.ended).code).toBe(0);
  });
});

describe.skipIf(!isRoot)(needing('ps', { root: isRoot }), () => {
  let stack: Stack;
  beforeAll(async () => {
    stack = new Stack({
      compose: `services:\n  web: { ${idle} }\n  job: { image: host, command: ["sh", "-c", "exit 4"] }\n  never: { ${idle} }\n`,
    });
    await stack.ok('up', '-d', '--no-start');
    await stack.ok('start', 'web', 'job');
    await eventually(async () => expect((await stack.ps('job'))[0]?.State).toBe('exited'));
  });
  afterAll(() => stack[Symbol.asyncDispose]());

  const only = ['--format', '{{.Service}} {{.State}}'];
  it.each([
    [[...only], 'web running\n'],
    [['-a', ...only], 'job exited\nnever created\nweb running\n'],
    [['-a', '--status', 'exited', ...only], 'job exited\n'],
    [['-a', '--filter', 'status=created', ...only], 'never created\n'],
    [['--services'], 'web\n'],
    [['-a', '--services'], 'job\nnever\nweb\n'],
    [['-a', ...only, 'job'], 'job exited\n'],
    [['-a', '--format', '{{.ExitCode}}', 'job'], '4\n'],
  ])('%j', async (args, stdout) => {
    expect(await stack.ok('ps', ...args)).toBe(stdout);
  });

  it('-q prints whole ids, and the others short ones unless told', async () => {
    const [id = ''] = (await stack.ok('ps', '-q')).split('\n');
    expect(id).toMatch(/^[0-9a-f]{64}$/);
    expect(await stack.ok('ps', '--format', '{{.ID}}')).toBe(`${id.slice(0, 12)}\n`);
    expect(await stack.ok('ps', '--no-trunc', '--format', '{{.ID}}')).toBe(`${id}\n`);
  });

  it('prints a table, also one of chosen columns, and a document a line', async () => {
    expect(await stack.ok('ps')).toMatch(/^NAME +IMAGE +COMMAND +SERVICE +CREATED +STATUS +PORTS\n/);
    expect(await stack.ok('ps', '--format', 'table {{.Service}}\\t{{.State}}')).toMatch(
      /^SERVICE +STATE\nweb +running/,
    );
    const rows = (await stack.ok('ps', '-a', '--format', 'json')).trim().split('\n');
    expect(rows.map((row) => JSON.parse(row).Service)).toEqual(['job', 'never', 'web']);
  });

  it.each([
    ['--format', '{{.Nope}}'],
    ['--filter', 'name=x'],
    ['--status', 'odd'],
  ])('%s %s is a usage error', async (...args) => {
    expect((await stack.run('ps', ...args)).code).toBe(2);
  });
});

describe.skipIf(!isRoot)(
  needing('run', { root: isRoot }),
  () => {
    let stack: Stack;
    beforeAll(async () => {
      const port = await freePort();
      stack = new Stack({
        compose: `services:
  db: { ${idle} }
  web: { ${idle}, depends_on: [db], environment: { A: file }, ports: ["127.0.0.1:${port}:80"], volumes: [/anonymous] }
  says: { image: host, entrypoint: [echo, says], command: [this] }
`,
      });
    });
    afterAll(() => stack[Symbol.asyncDispose]());

    it.each([
      [['web', 'sh', '-c', 'echo $A; exit 4'], 4, 'file\n'],
      [['-e', 'A=1', '-e', 'B=2', 'web', 'sh', '-c', 'echo $A$B'], 0, '12\n'],
      [['-u', 'nobody', '-w', '/usr', 'web', 'sh', '-c', 'id -un; pwd'], 0, 'nobody\n/usr\n'],
      [
        ['--cap-drop', 'ALL', '--cap-add', 'NET_ADMIN', 'web', 'grep', 'CapEff', '/proc/self/status'],
        0,
        'CapEff:\t0000000000001000\n',
      ],
      [
        ['-v', '/etc:/there:ro', 'web', 'sh', '-c', 'cd /there && ls hostname; touch x || echo no'],
        0,
        'hostname\nno\n',
      ],
      [['says'], 0, 'says this\n'],
      [['says', 'that'], 0, 'says that\n'],
      [['--entrypoint', 'echo only', 'says', 'that'], 0, 'only that\n'],
    ])('--rm -T --no-deps %j', async (args, code, stdout) => {
      expect(await stack.run('run', '--rm', '-T', '--no-deps', ...args)).toMatchObject({ code, stdout });
      expect(await stack.ps()).toEqual([]);
    });

    it('starts what the service depends on; reads input; leaves its container without --rm', async () => {
      const run = stack.start(['run', '-T', 'web', 'cat'], { input: 'hello' });
      expect(await run.ended).toMatchObject({ code: 0, stdout: 'hello' });
      expect((await stack.ps()).map(({ Service, State }) => [Service, State])).toEqual([
        ['db', 'running'],
        ['web', 'exited'],
      ]);
      await stack.ok('down', '--remove-orphans', '-t', '0');
    });

    it('-d has the name, ports and aliases that are asked for', async () => {
      await stack.ok('run', '-d', '--no-deps', '--name', 'plain', 'web');
      await stack.ok('run', '-d', '--no-deps', '--name', 'ports', '--service-ports', '--use-aliases', 'web');
      await stack.ok('run', '-d', '--no-deps', '--name', 'own', '-p', '80', 'web');
      const published = await stack.ok('ps', '-a', '--format', '{{.Name}} {{.Ports}}');
      expect(published).toMatch(
        /^own 0\.0\.0\.0:\d+->80\/tcp.*\nplain *\nports 127\.0\.0\.1:\d+->80\/tcp\n$/,
      );
      const names = await stack.ok('run', '--rm', '-T', '--no-deps', 'db', 'getent', 'hosts', 'web');
      expect(names).toMatch(/\bports\b/);
      expect(names).not.toMatch(/\bplain\b/);
      await stack.ok('down', '--remove-orphans', '-t', '0');
      expect(await stack.ps()).toEqual([]);
    });

    it('leaves nothing when its program is not there, or what it depends on cannot start', async () => {
      expect(await stack.run('run', '--rm', '-T', '--no-deps', 'web', 'nosuch')).toMatchObject({ code: 1 });
      expect(await stack.ps()).toEqual([]);
    });
  },
  LONG_MS,
);

describe.skipIf(!isRoot)(
  needing('other commands', { root: isRoot }),
  () => {
    let stack: Stack;
    beforeAll(async () => {
      stack = new Stack({
        compose: `services:
  db: { ${idle}, labels: { v: "1" } }
  web: { ${idle}, depends_on: { db: { condition: service_started, restart: true } } }
  aside: { ${idle} }
  again: { image: host, command: ["sh", "-c", "exit 1"], restart: always }
`,
      });
      await stack.ok('up', '-d');
    });
    afterAll(() => stack[Symbol.asyncDispose]());

    it.each([
      [['up', '-d', '--scale', 'nosuch=2'], 1, /no such service: nosuch/],
      [['up', '-d', '--scale', 'web'], 2, /"web" is not SERVICE=NUMBER/],
      [['scale', 'web=x'], 2, /"web=x" is not SERVICE=NUMBER/],
      [['up', '--force-recreate', '--no-recreate'], 2, /cannot be combined/],
      [['up', '-d', '--abort-on-container-exit'], 2, /cannot be combined/],
      [['kill', '-s', 'NOSUCH'], 2, /NOSUCH/],
      [['cp', 'web:/nosuch', '.'], 1, /nosuch/],
      [['port', 'web', '80'], 1, /80/],
    ])('%j ends with %i and says why', async (args, code, message) => {
      const { stderr, ...outcome } = await stack.run(...args);
      expect({ code: outcome.code, stderr }).toEqual({ code, stderr: expect.stringMatching(message) });
    });

    it('cp reads and writes files of containers that run, and of those that do not', async () => {
      for (const state of ['running', 'stopped']) {
        if (state === 'stopped') await stack.ok('stop', 'aside');
        stack.write('there', state);
        await stack.ok('cp', 'there', 'aside:/tmp/there');
        await stack.ok('cp', 'aside:/tmp/there', 'back');
        expect(readFileSync(join(stack.dir, 'back'), 'utf8')).toBe(state);
      }
      await stack.ok('start', 'aside');
      expect(await stack.ok('exec', '-T', 'aside', 'cat', '/tmp/there')).toBe('stopped');
    });

    it('up makes anew what changed, restarts what depends on it, and leaves the rest alone', async () => {
      const ids = async () => Object.fromEntries((await stack.ps()).map(({ Service, ID }) => [Service, ID]));
      const started = async () => JSON.parse(await stack.ok('inspect', 'web'))[0].status.startedAt;
      const before = { ids: await ids(), started: await started() };
      const text = readFileSync(join(stack.dir, 'compose.yaml'), 'utf8');
      stack.write('compose.yaml', text.replace('v: "1"', 'v: "2"'));
      await stack.ok('up', '-d');
      const after = await ids();
      expect(after.db).not.toBe(before.ids.db);
      expect({ ...after, db: '' }).toEqual({ ...before.ids, db: '' });
      expect(await started()).not.toBe(before.started);
    });

    it('down removes what is paused, stopped or about to restart; orphans only when told', async () => {
      await stack.ok('pause', 'db');
      await stack.ok('stop', 'web');
      const text = readFileSync(join(stack.dir, 'compose.yaml'), 'utf8');
      stack.write('compose.yaml', text.replace(/^ {2}aside:.*\n/m, ''));
      expect((await stack.run('down', '-t', '1')).code).toBe(0);
      expect((await stack.ps()).map(({ Service }) => Service)).toEqual(['aside']);
      expect((await stack.run('up', '-d')).stderr).toMatch(/orphan containers \(\S+-aside-1\)/);
      await stack.ok('down', '--remove-orphans', '-t', '1');
      expect(await stack.ps()).toEqual([]);
    });
  },
  LONG_MS,
);

describe.skipIf(!isRoot)(needing('scripts', { root: isRoot }), () => {
  it('read progress as plain lines, documents or not at all, and end with the reader', async () => {
    await using stack = new Stack({ compose: `services:\n  web: { ${idle} }\n` });
    expect(shell(stack, 'tscompose up -d').err).toMatch(/^ Container \S+-web-1 {2}Started$/m);
    const documents = shell(stack, 'tscompose --progress json stop -t 0').err.trim().split('\n');
    expect(documents.map((line) => typeof JSON.parse(line))).toEqual(documents.map(() => 'object'));
    expect(shell(stack, 'tscompose --progress quiet start')).toEqual({ code: 0, out: '', err: '' });
    expect(shell(stack, 'tscompose --progress quiet down -t 0')).toEqual({ code: 0, out: '', err: '' });
    shell(stack, 'tscompose up -d 2>&1 | head -1');
    await stack.ok('up', '-d');
    expect(await stack.ps()).toMatchObject([{ State: 'running' }]);
  });

  it('followers end quietly when nobody reads them any more', async () => {
    const chatty = `image: host, command: ["sh", "-c", "while echo line; do sleep 0.1; done"], stop_grace_period: 0s`;
    await using stack = new Stack({ compose: `services:\n  web: { ${chatty} }\n` });
    await stack.ok('up', '-d');
    for (const command of ['logs -f', 'up']) {
      const { out, err } = shell(stack, `tscompose ${command} | head -1; echo \${PIPESTATUS[0]} >&2`);
      expect(out).not.toBe('');
      expect(err).toMatch(/(^|\n)141\n$/);
      expect(err).not.toContain('at ');
    }
  });
});
