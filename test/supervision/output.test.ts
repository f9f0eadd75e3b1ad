// What a container prints: nothing is lost, nobody else is held up, and where it goes to.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream, readdirSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { isImpossible, serviceOf, titled } from '../attributes/inside.ts';
import { compile, FOREVER, place } from '../security/place.ts';
import { eventually } from '../support/eventually.ts';
import { CLI, type Stack } from '../support/stack.ts';

const LINE_BYTES = 8192;
const LINES = 131_072; // 1 GiB

/** Prints numbered lines of LINE_BYTES, as fast as it can. */
const FLOOD = `
  #include <stdio.h>
  #include <stdlib.h>
  #include <string.h>
  #include <unistd.h>
  int main(int argc, char *argv[]) {
    static char line[${LINE_BYTES} + 1];
    memset(line, 'x', ${LINE_BYTES});
    for (long i = 0; i < atol(argv[1]); i++) {
      char number[16];
      snprintf(number, sizeof number, "%010ld", i);
      memcpy(line, number, 10);
      line[${LINE_BYTES} - 1] = '\\n';
      for (long done = 0; done < ${LINE_BYTES};) {
        ssize_t count = write(1, line + done, ${LINE_BYTES} - done);
        if (count < 0) return 1;
        done += count;
      }
    }
    return 0;
  }`;

/** Binds a datagram socket and prints what comes, a line each; reads nothing before its standard input has ended. */
const RECEIVER = `
  #include <stdio.h>
  #include <string.h>
  #include <sys/socket.h>
  #include <sys/un.h>
  #include <unistd.h>
  int main(int argc, char *argv[]) {
    static char bytes[65536];
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strncpy(address.sun_path, argv[1], sizeof address.sun_path - 1);
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) < 0) return 1;
    puts("bound");
    fflush(stdout);
    while (read(0, bytes, sizeof bytes) > 0) ;
    for (ssize_t count; (count = recv(fd, bytes, sizeof bytes, 0)) >= 0;) {
      for (ssize_t i = 0; i < count; i++) bytes[i] = bytes[i] == '\\n' ? '|' : bytes[i] < ' ' ? '.' : bytes[i];
      printf("%.*s\\n", (int)count, bytes);
      fflush(stdout);
    }
    return 2;
  }`;

/** Makes the machine's sockets of journald and syslog ours, in a mount namespace that goes with the command. */
const WITH_SOCKET = `set -e
  mkdir -p "$1/dev" "$1/run"
  mount -n -t tmpfs tmpfs "$1/dev"
  cp -a /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty "$1/dev"
  mkdir "$1/dev/pts" "$1/dev/shm"
  touch "$1/dev/log"
  mount -n --bind "$1/socket" "$1/dev/log"
  mount -n --move "$1/dev" /dev
  mount -n -t tmpfs tmpfs "$1/run"
  mkdir -p "$1/run/systemd/journal"
  touch "$1/run/systemd/journal/socket"
  mount -n --bind "$1/socket" "$1/run/systemd/journal/socket"
  mount -n --move "$1/run" /run
  shift
  exec "$@"`;

class Receiver implements Disposable {
  readonly #process: ChildProcess;
  #text = '';

  private constructor(child: ChildProcess) {
    this.#process = child;
    child.stdout?.on('data', (chunk: Buffer) => {
      this.#text += chunk.toString('latin1');
    });
  }

  static async at(stack: Stack): Promise<Receiver> {
    const program = join(stack.root, 'receiver');
    compile(RECEIVER, program);
    const child = spawn(program, [join(stack.root, 'socket')], { stdio: ['pipe', 'pipe', 'inherit'] });
    await once(child.stdout, 'data');
    return new Receiver(child);
  }

  /** Reads from now on. */
  read(): void {
    this.#process.stdin?.end();
  }

  lines(): readonly string[] {
    return this.#text.split('\n').filter((line) => line !== '');
  }

  [Symbol.dispose](): void {
    this.#process.kill('SIGKILL');
  }
}

function upWithSocket(stack: Stack): void {
  execFileSync(
    'unshare',
    ['-m', 'sh', '-c', WITH_SOCKET, 'sh', stack.root, process.execPath, CLI, 'up', '-d'],
    {
      cwd: stack.dir,
      env: stack.env,
      stdio: 'ignore',
    },
  );
}

/** Numbers of the lines in the container's log, in their order. */
async function numbersOf(stack: Stack): Promise<{ count: number; inOrder: boolean; bytes: number }> {
  const id = (await stack.ps('app'))[0]?.ID ?? '';
  const head = '{"log":"';
  let count = 0;
  let bytes = 0;
  let inOrder = true;
  let rest = '';
  for await (const chunk of createReadStream(join(stack.stateDir, 'containers', id, 'log'), {
    encoding: 'latin1',
    highWaterMark: 1 << 22,
  })) {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) {
      inOrder &&= Number(line.slice(head.length, head.length + 10)) === count;
      bytes += line.indexOf('","stream"') - head.length - 1;
      count++;
    }
  }
  return { count, inOrder, bytes };
}

describe.skipIf(isImpossible)(titled('output'), () => {
  test('of 1 GiB is all there, while a neighbour goes on', { timeout: 300_000 }, async () => {
    await using stack = place(`command: [flood, "${LINES}"]`, '', {
      programs: { flood: FLOOD },
      top: serviceOf('', `echo up; ${FOREVER}`, 'neighbour'),
    });
    await stack.ok('up', '-d');
    expect(await stack.ok('exec', '-T', 'neighbour', 'echo', 'here')).toBe('here\n');
    await eventually(async () => expect((await stack.ps('app'))[0]?.State).toBe('exited'), 240_000);
    expect(await numbersOf(stack)).toEqual({ count: LINES, inOrder: true, bytes: LINES * LINE_BYTES });
  });

  test.each([
    ['journald', /^MESSAGE\|.{8}hello\|PRIORITY=6\|.*CONTAINER_TAG=mytag\|.*CONTAINER_NAME=\w+-app-1\|/],
    ['syslog', /^<30>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d mytag(\[\d+\])?: hello$/],
  ])('goes to %s', async (driver, line) => {
    await using stack = place(
      `logging: { driver: ${driver}, options: { tag: mytag } }`,
      'echo hello; echo problem >&2',
    );
    using receiver = await Receiver.at(stack);
    receiver.read();
    upWithSocket(stack);
    await eventually(() => expect(receiver.lines().length).toBe(2));
    expect(receiver.lines().find((text) => text.includes('hello'))).toMatch(line);
    expect(receiver.lines().find((text) => text.includes('problem'))).toMatch(/PRIORITY=3|^<27>/);
  });

  test('waits for a driver that does not read, and loses nothing', async () => {
    await using stack = place('logging: { driver: syslog }', 'seq 1 3000; echo end');
    using receiver = await Receiver.at(stack);
    upWithSocket(stack);
    expect((await stack.ps())[0]?.State).toBe('running');
    receiver.read();
    await eventually(() => expect(receiver.lines().at(-1)).toMatch(/: end$/));
    expect(receiver.lines()).toHaveLength(3001);
  });

  test('in non-blocking mode does not wait, and loses what nobody read', async () => {
    await using stack = place(
      'logging: { driver: syslog, options: { mode: non-blocking } }',
      'seq 1 3000; echo end',
    );
    using receiver = await Receiver.at(stack);
    upWithSocket(stack);
    await eventually(async () => expect((await stack.ps())[0]?.State).toBe('exited'));
    receiver.read();
    await eventually(() => expect(receiver.lines().length).toBeGreaterThan(0));
    expect(receiver.lines().length).toBeLessThan(3001);
  });

  test('rotates by max-size and max-file, and logs reads all files in order', async () => {
    await using stack = place(
      'logging: { driver: json-file, options: { max-size: 64k, max-file: "3" } }',
      'seq 1 5000; echo end',
    );
    await stack.ok('up');
    const lines = (await stack.ok('logs', '--no-log-prefix', '--no-color')).trim().split('\n');
    expect(lines.at(-1)).toBe('end');
    const numbers = lines.slice(0, -1).map(Number);
    expect(numbers).toEqual(numbers.map((_, index) => 5001 - numbers.length + index));
    const [id = ''] = readdirSync(join(stack.stateDir, 'containers'));
    const files = readdirSync(join(stack.stateDir, 'containers', id)).filter((name) => /^log/.test(name));
    expect(files.sort()).toEqual(['log', 'log.1', 'log.2']);
  });

  test('driver none keeps nothing', async () => {
    await using stack = place('logging: { driver: none }', 'echo hello');
    await stack.run('up', '-d');
    expect(await stack.run('logs')).toEqual({
      code: 0,
      stdout: '',
      stderr: `warning: container ${stack.project}-app-1 has no log here: its output is not kept\n`,
    });
  });
});

describe.skipIf(isImpossible)(titled('restarts'), () => {
  test('come after 100 ms, then twice as long each time, as in Docker', async () => {
    await using stack = place('restart: always', 'cut -d " " -f 1 /proc/uptime; exit 1');
    await stack.ok('up', '-d');
    const times = await eventually(async () => {
      const lines = (await stack.ok('logs', '--no-log-prefix', '--no-color')).trim().split('\n').map(Number);
      expect(lines.length).toBeGreaterThanOrEqual(6);
      return lines;
    });
    const pauses = times.slice(1, 6).map((time, index) => (time - (times[index] ?? 0)) * 1000);
    // Never less than Docker's pause: how much more depends on the machine.
    for (const [index, least] of [100, 200, 400, 800, 1600].entries())
      expect(pauses[index]).toBeGreaterThanOrEqual(least - 20);
    const inspected = await stack.ok('inspect', 'app');
    expect(Number(/"restarts": (\d+)/.exec(inspected)?.[1])).toBeGreaterThanOrEqual(5);
  });
});

describe.skipIf(isImpossible)(titled('health'), () => {
  test('is told at the end of the first good probe, not at the next tick of somebody', async () => {
    await using stack = place(
      'healthcheck: { test: [CMD, "true"], interval: 1h, start_period: 1h, start_interval: 50ms }',
      FOREVER,
      { top: serviceOf('depends_on: { app: { condition: service_healthy } }', 'echo after', 'next') },
    );
    await stack.ok('up', '-d', '--wait', 'app');
    await stack.ok('up', '-d', 'next');
    expect(await stack.ps('app')).toMatchObject([{ Health: 'healthy' }]);
  });
});

describe.skipIf(isImpossible)(titled('image: host in a user namespace'), () => {
  test('runs as its own root, which cannot read the passwords', async () => {
    const script =
      'id -u; readlink /proc/self/ns/user; cat /etc/shadow | wc -c; echo x > /etc/written && cat /etc/written';
    await using stack = place('image: host\nuserns_mode: private', script);
    await stack.ok('up');
    const lines = (await stack.ok('logs', '--no-log-prefix', '--no-color')).split('\n');
    expect(lines[0]).toBe('0');
    expect(lines[1]).toMatch(/^user:/);
    expect(lines[1]).not.toBe(readlinkSync('/proc/self/ns/user'));
    expect(lines.slice(2)).toEqual(['0', 'x', '']);
  });
});
