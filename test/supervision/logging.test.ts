// Log drivers as a receiver sees them, and what a full disk, a slow receiver and one that went away do to a container.
import { execFileSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { isImpossible, titled } from '../attributes/inside.ts';
import { FOREVER, logged, place, saying } from '../security/place.ts';
import { eventually } from '../support/eventually.ts';
import { needing } from '../support/machine.ts';
import { CLI, type Stack } from '../support/stack.ts';

interface Listener extends AsyncDisposable {
  readonly address: string;
  lines(): readonly string[];
}

async function udpListener(): Promise<Listener> {
  const socket = createSocket('udp4');
  const lines: string[] = [];
  socket.on('message', (bytes) => lines.push(bytes.toString()));
  socket.bind(0, '127.0.0.1');
  await once(socket, 'listening');
  return {
    address: `udp://127.0.0.1:${socket.address().port}`,
    lines: () => lines,
    [Symbol.asyncDispose]: async () => void socket.close(),
  };
}

/** Reads nothing while `paused`. */
class StreamListener implements Listener {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #scheme: string;
  #text = '';
  #isPaused: boolean;

  private constructor(scheme: string, paused: boolean) {
    this.#scheme = scheme;
    this.#isPaused = paused;
    this.#server = createServer({ pauseOnConnect: paused }, (socket) => {
      this.#sockets.add(socket);
      socket.on('data', (bytes) => {
        this.#text += bytes.toString();
      });
      socket.on('error', () => {});
      if (!this.#isPaused) socket.resume();
    });
  }

  static async at(where: { readonly port: number } | string, paused = false): Promise<StreamListener> {
    const listener = new StreamListener(typeof where === 'string' ? `unix://${where}` : 'tcp', paused);
    if (typeof where === 'string') listener.#server.listen(where);
    else listener.#server.listen(where.port, '127.0.0.1');
    await once(listener.#server, 'listening');
    return listener;
  }

  get port(): number {
    const address = this.#server.address();
    return address !== null && typeof address === 'object' ? address.port : 0;
  }

  get address(): string {
    return this.#scheme === 'tcp' ? `tcp://127.0.0.1:${this.port}` : this.#scheme;
  }

  lines(): readonly string[] {
    return this.#text.split('\n').slice(0, -1);
  }

  read(): void {
    this.#isPaused = false;
    for (const socket of this.#sockets) socket.resume();
  }

  /** Breaks every connection and listens no more. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.resetAndDestroy();
    const closed = once(this.#server, 'close');
    this.#server.close();
    await closed;
  }
}

const syslogTo = (address: string, more = ''): string =>
  `logging: { driver: syslog, options: { syslog-address: "${address}", tag: web${more} } }`;

const messages = (lines: readonly string[]): string[] =>
  lines.map((line) => line.replace(/^.*?(]: | - )/, ''));

async function stateOf(stack: Stack): Promise<string | undefined> {
  return (await stack.ps('app'))[0]?.State;
}

const DATE = '[A-Z][a-z]{2} [ \\d]\\d \\d\\d:\\d\\d:\\d\\d';
const STAMP = '\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d';
const ZONE = '[+-]\\d\\d:\\d\\d';

describe.skipIf(isImpossible)(titled('syslog'), () => {
  test.each([
    ['', `<30>${DATE} web\\[\\d+\\]: hello`],
    [', syslog-format: rfc3164', `<30>${DATE} ${hostname()} web\\[\\d+\\]: hello`],
    [', syslog-format: rfc5424', `<30>1 ${STAMP}${ZONE} ${hostname()} web \\d+ web - hello`],
    [', syslog-format: rfc5424micro', `<30>1 ${STAMP}\\.\\d{6}${ZONE} ${hostname()} web \\d+ web - hello`],
    [', syslog-facility: local3', `<158>${DATE} web\\[\\d+\\]: hello`],
  ])('over udp%s', async (more, line) => {
    await using listener = await udpListener();
    await using stack = place(syslogTo(listener.address, more), 'echo hello');
    await stack.ok('up');
    await eventually(() =>
      expect(listener.lines()).toEqual([expect.stringMatching(new RegExp(`^${line}$`))]),
    );
  });

  test('over tcp, a line each, from a container without the machine’s network', async () => {
    await using listener = await StreamListener.at({ port: 0 });
    await using stack = place(`network_mode: none\n${syslogTo(listener.address)}`, 'seq 1 500; echo bad >&2');
    await stack.ok('up');
    await eventually(() => expect(listener.lines()).toHaveLength(501));
    const numbers = messages(listener.lines().filter((line) => line.startsWith('<30>')));
    expect(numbers).toEqual(Array.from({ length: 500 }, (_, index) => String(index + 1)));
    expect(listener.lines().filter((line) => line.startsWith('<27>'))).toHaveLength(1);
  });

  test('over a socket file', async () => {
    await using stack = place('', '');
    await using listener = await StreamListener.at(join(stack.dir, 'syslog.sock'));
    await using user = place(syslogTo(listener.address), 'echo hello');
    await user.ok('up');
    await eventually(() => expect(messages(listener.lines())).toEqual(['hello']));
  });

  test('leaves the last of it to logs, unless that is not wanted', async () => {
    await using listener = await udpListener();
    await using stack = place(syslogTo(listener.address), 'echo hello');
    expect(await stack.ok('up')).toContain('hello');
    expect(await logged(stack)).toEqual(['hello']);
    await using other = place(syslogTo(listener.address, ', cache-disabled: "true"'), 'echo hello');
    expect(await other.ok('up')).toContain('hello');
    expect(await logged(other)).toEqual([]);
    await eventually(() => expect(listener.lines()).toHaveLength(2));
  });

  test('is refused when nobody listens, with the address', async () => {
    const listener = await StreamListener.at({ port: 0 });
    const { address, port } = listener;
    await listener[Symbol.asyncDispose]();
    await using stack = place(syslogTo(address), 'echo hello');
    const { code, stderr } = await stack.run('up', '-d');
    expect(code).toBe(1);
    expect(stderr).toContain(`127.0.0.1 ${port}`);
    expect(stderr).toMatch(/connection refused/i);
  });

  test('is called again when it comes back, and gets what was printed meanwhile', async () => {
    const first = await StreamListener.at({ port: 0 });
    await using stack = place(
      `stdin_open: true\n${syslogTo(first.address)}`,
      'echo one; while read line; do echo $line; done',
    );
    await stack.ok('up', '-d');
    await eventually(() => expect(messages(first.lines())).toEqual(['one']));
    const { port } = first;
    await first[Symbol.asyncDispose]();
    execFileSync('sh', ['-c', `echo two > /proc/${await pidOf(stack)}/fd/0`]);
    await using second = await StreamListener.at({ port });
    await eventually(() => expect(messages(second.lines())).toEqual(['two']), 10_000);
  });

  test('that takes nothing holds up the container, which can be stopped all the same', async () => {
    await using listener = await StreamListener.at({ port: 0 }, true);
    await using stack = place(
      `stop_signal: SIGKILL\n${syslogTo(listener.address)}`,
      `seq 1 2000000; echo end; ${FOREVER}`,
    );
    await stack.ok('up', '-d');
    expect(await stack.ok('exec', '-T', 'app', 'echo', 'alive')).toBe('alive\n');
    await stack.ok('stop', '-t', '1');
    expect(await stateOf(stack)).toBe('exited');
  });

  test('that is slow loses nothing', async () => {
    await using listener = await StreamListener.at({ port: 0 }, true);
    await using stack = place(syslogTo(listener.address), 'seq 1 200000');
    await stack.ok('up', '-d');
    expect(await stateOf(stack)).toBe('running');
    listener.read();
    await eventually(async () => expect(await stateOf(stack)).toBe('exited'), 30_000);
    await eventually(() => expect(listener.lines()).toHaveLength(200_000));
    expect(messages(listener.lines()).at(-1)).toBe('200000');
  });

  test('in non-blocking mode keeps as much as max-buffer-size, and the container goes on', async () => {
    await using listener = await StreamListener.at({ port: 0 }, true);
    await using stack = place(
      syslogTo(listener.address, ', mode: non-blocking, max-buffer-size: 64k'),
      `seq 1 400000; echo done > /tmp/done; ${FOREVER}`,
    );
    await stack.ok('up', '-d');
    await eventually(async () =>
      expect(await stack.ok('exec', '-T', 'app', 'cat', '/tmp/done')).toBe('done\n'),
    );
    listener.read();
    await eventually(() => expect(listener.lines().length).toBeGreaterThan(1000));
    expect(listener.lines().length).toBeLessThan(400_000);
    const numbers = messages(listener.lines()).map(Number);
    expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
  });
});

async function pidOf(stack: Stack): Promise<number> {
  return Number(/"pid": (\d+)/.exec(await stack.ok('inspect', 'app'))?.[1]);
}

async function logFile(stack: Stack): Promise<string> {
  return join(stack.stateDir, 'containers', (await stack.ps('app'))[0]?.ID ?? '', 'log');
}

describe.skipIf(isImpossible)(titled('json-file'), () => {
  test('has labels, variables and the tag in each line', async () => {
    await using stack = place(
      `labels: { tier: front }
environment: { STAGE: test, OTHER: x }
logging: { options: { labels: tier, env: STAGE, tag: "{{.Name}}" } }`,
      'echo hello',
    );
    await stack.ok('up');
    const [{ Name = '' } = {}] = await stack.ps('app');
    const line = readFileSync(await logFile(stack), 'utf8').trimEnd();
    expect(line).toMatch(/^\{"log":"hello\\n","stream":"stdout","attrs":\{.*\},"time":"[^"]+"\}$/);
    expect(JSON.parse(line).attrs).toEqual({ STAGE: 'test', tag: Name, tier: 'front' });
    expect(await logged(stack)).toEqual(['hello']);
  });

  test.each([
    ['driver: fluffy', 'there is no log driver "fluffy"', 'driver: fluffy'],
    ['options: { max-sise: 1m }', 'has no option "max-sise"', 'max-sise'],
  ])('is asked for %s: refused with its place', async (logging, message, marked) => {
    await using stack = place(`logging:\n  ${logging}`, 'echo hello');
    const { code, stderr } = await stack.run('up', '-d');
    expect(code).not.toBe(0);
    expect(stderr).toContain(message);
    const [, line = ''] = /compose\.yaml:(\d+)/.exec(stderr) ?? [];
    const file = readFileSync(join(stack.dir, 'compose.yaml'), 'utf8').split('\n');
    expect(file[Number(line) - 1]).toContain(marked);
  });

  test('is followed over rotations and through a burst', { timeout: 60_000 }, async () => {
    await using stack = place(
      'logging: { options: { max-size: 1m, max-file: "50" } }\nstdin_open: true',
      'echo up; read go; seq 1 300000; echo end',
    );
    await stack.ok('up', '-d');
    await saying(stack, 'up');
    const following = stack.run('logs', '-f', '--no-log-prefix', '--no-color');
    execFileSync('sh', ['-c', `echo go > /proc/${await pidOf(stack)}/fd/0`]);
    const { stdout } = await following;
    const lines = stdout.split('\n').filter((line) => /^\d+$/.test(line));
    expect(lines).toHaveLength(300_000);
    expect(existsSync(`${await logFile(stack)}.2`)).toBe(true);
  });

  test('with one file begins it anew when it is full, and is followed', async () => {
    await using stack = place(
      'logging: { options: { max-size: 64k } }\nstdin_open: true',
      'echo up; read go; seq 1 5000; echo end',
    );
    await stack.ok('up', '-d');
    await saying(stack, 'up');
    const following = stack.run('logs', '-f', '--no-log-prefix', '--no-color');
    execFileSync('sh', ['-c', `echo go > /proc/${await pidOf(stack)}/fd/0`]);
    expect((await following).stdout.split('\n')).toContain('end');
    expect(readFileSync(await logFile(stack)).length).toBeLessThan(140_000);
  });

  test('on a full disk loses lines, the container goes on, and later lines are there', async () => {
    await using stack = place(
      'stdin_open: true',
      `echo up; read go; seq 1 20000; read go; echo later; ${FOREVER}`,
    );
    await stack.ok('create');
    const path = await logFile(stack);
    const disk = join(stack.dir, 'disk');
    execFileSync('sh', [
      '-c',
      `mkdir "$1" && mount -t tmpfs -o size=64k tmpfs "$1" && ln -s "$1/log" "$2"`,
      'sh',
      disk,
      path,
    ]);
    try {
      await stack.ok('up', '-d');
      await saying(stack, 'up');
      const pid = await pidOf(stack);
      execFileSync('sh', ['-c', `echo go > /proc/${pid}/fd/0`]);
      await eventually(() => expect(readFileSync(path).length).toBeGreaterThan(60_000));
      expect(await stateOf(stack)).toBe('running');
      execFileSync('mount', ['-o', 'remount,size=16m', disk]);
      execFileSync('sh', ['-c', `echo go > /proc/${pid}/fd/0`]);
      await saying(stack, 'later');
      for (const line of await logged(stack)) expect(line).toMatch(/^(up|\d+|later)$/);
      await stack.ok('down', '-t', '0');
    } finally {
      execFileSync('umount', ['-l', disk]);
    }
  });
});

const JOURNALD = '/lib/systemd/systemd-journald';
const hasJournald = existsSync(JOURNALD);

/** A journal of its own, in a mount namespace that goes with the command; $1 is a scratch directory. */
const WITH_JOURNAL = `set -e
  mount --make-rprivate /
  mkdir -p /run/systemd "$1/journal"
  mount -t tmpfs tmpfs /run/systemd
  mkdir -p /run/log
  mount -t tmpfs tmpfs /run/log
  mount -t tmpfs tmpfs /var/log
  mkdir -p /run/systemd/journal /run/log/journal
  ${JOURNALD} 2>/dev/null &
  trap 'kill %1; wait' EXIT
  until [ -S /run/systemd/journal/socket ]; do sleep 0.05; done
  shift
  "$@" >&2
  journalctl --sync 2>/dev/null || sleep 1
  journalctl --all -D /run/log/journal -o json --output-fields=MESSAGE,PRIORITY,CONTAINER_TAG,CONTAINER_PARTIAL_MESSAGE,ORG_TIER,FOO \\
    CONTAINER_NAME="$NAME"`;

describe.skipIf(isImpossible || !hasJournald)(needing(titled('journald'), { systemd: hasJournald }), () => {
  test('has every line, whatever is in it, with priority, tag and the attributes that were asked for', async () => {
    await using stack = place(
      `labels: { org.tier: "front" }
environment: { FOO: "a b", OTHER: "1" }
logging: { driver: journald, options: { tag: "{{.Name}}", labels: org.tier, env: FOO } }`,
      "echo hello; echo bad >&2; sleep 0.1; printf 'a\\001b\\n'; head -c 20000 /dev/zero | tr '\\0' x; echo; seq 1 500",
    );
    const NAME = `${stack.project}-app-1`;
    const text = execFileSync(
      'unshare',
      ['-m', 'bash', '-c', WITH_JOURNAL, 'bash', stack.root, process.execPath, CLI, 'up'],
      { cwd: stack.dir, env: { ...stack.env, NAME }, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] },
    );
    const entries = text
      .trim()
      .split('\n')
      .map((line): Record<string, unknown> => JSON.parse(line));
    const find = (message: unknown) =>
      entries.find(({ MESSAGE }) => JSON.stringify(MESSAGE) === JSON.stringify(message));
    const details = { CONTAINER_TAG: NAME, ORG_TIER: 'front', FOO: 'a b' };
    expect(find('hello')).toMatchObject({ ...details, PRIORITY: '6' });
    expect(find('bad')).toMatchObject({ ...details, PRIORITY: '3' });
    expect(find([...Buffer.from('a\u0001b')])).toMatchObject(details);
    const long = entries.filter(({ MESSAGE }) => /^x+$/.test(String(MESSAGE)));
    expect(long.map(({ MESSAGE }) => String(MESSAGE)).join('')).toHaveLength(20_000);
    expect(long.map((entry) => entry.CONTAINER_PARTIAL_MESSAGE)).toEqual(['true', undefined]);
    const numbers = entries.map(({ MESSAGE }) => Number(MESSAGE)).filter((number) => number > 0);
    expect(numbers).toEqual(Array.from({ length: 500 }, (_, index) => index + 1));
  });
});
