// A person at a terminal: the command on a pseudo-terminal of its own, typed to and resized.
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { compile } from '../security/place.ts';
import { eventually } from '../support/eventually.ts';
import { CLI, type Stack } from '../support/stack.ts';

/** Runs a command on a new terminal. On standard input: `i`, a length and that many keys, or `r`, rows and columns; or `w`, 0: says when the terminal is raw. */
const PROGRAM = `
  #include <poll.h>
  #include <pty.h>
  #include <stdio.h>
  #include <stdlib.h>
  #include <sys/ioctl.h>
  #include <sys/wait.h>
  #include <termios.h>
  #include <unistd.h>
  static void obey(int master) {
    unsigned char head[2], keys[256];
    if (read(0, head, 2) != 2) exit(3);
    if (head[0] == 'w') {
      struct termios settings;
      while (tcgetattr(master, &settings) == 0 && settings.c_lflag & ICANON) usleep(10000);
      fputs("raw\\n", stderr);
    } else if (head[0] == 'r') {
      unsigned char columns;
      if (read(0, &columns, 1) != 1) exit(3);
      struct winsize size = {.ws_row = head[1], .ws_col = columns};
      ioctl(master, TIOCSWINSZ, &size);
    } else if (read(0, keys, head[1]) != head[1] || write(master, keys, head[1]) != head[1]) {
      exit(3);
    }
  }
  int main(int argc, char *argv[]) {
    int master, status;
    char bytes[4096];
    struct winsize size = {.ws_row = 24, .ws_col = 80};
    pid_t pid = forkpty(&master, NULL, NULL, &size);
    if (pid == 0) { execvp(argv[1], argv + 1); _exit(127); }
    fprintf(stderr, "pid %d\\n", pid);
    for (;;) {
      struct pollfd entries[] = {{.fd = 0, .events = POLLIN}, {.fd = master, .events = POLLIN}};
      poll(entries, 2, -1);
      if (entries[1].revents) {
        ssize_t count = read(master, bytes, sizeof bytes);
        if (count <= 0) break;
        if (write(1, bytes, count) != count) exit(4);
      }
      if (entries[0].revents) obey(master);
    }
    waitpid(pid, &status, 0);
    struct termios settings;
    tcgetattr(master, &settings);
    fprintf(stderr, settings.c_lflag & ICANON && settings.c_lflag & ECHO ? "as before\\n" : "left raw\\n");
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  }`;

export class Terminal implements Disposable {
  readonly #process: ChildProcess;
  #screen = '';
  #errors = '';
  /** The exit code of the command. */
  readonly ended: Promise<number>;

  constructor(stack: Stack, args: readonly string[]) {
    const program = join(stack.root, 'terminal');
    if (!existsSync(program)) compile(PROGRAM, program);
    const child = spawn(program, [process.execPath, CLI, ...args], { cwd: stack.dir, env: stack.env });
    this.#process = child;
    child.stdout.on('data', (bytes: Buffer) => {
      this.#screen += bytes.toString('latin1');
    });
    child.stderr.on('data', (bytes: Buffer) => {
      this.#errors += bytes.toString();
    });
    child.stdin.on('error', () => undefined);
    this.ended = new Promise((resolve) => child.on('close', (code) => resolve(code ?? -1)));
  }

  /** Everything that was shown so far. */
  get screen(): string {
    return this.#screen;
  }

  /** Whether the command left the terminal as it found it; known once it has ended. */
  get isRestored(): boolean {
    return this.#errors.includes('as before');
  }

  get pid(): number {
    return Number(/^pid (\d+)$/m.exec(this.#errors)?.[1]);
  }

  /** Resolves when the command takes each key as it comes: what is typed before is the terminal's own matter. */
  async ready(): Promise<void> {
    this.#process.stdin?.write(Buffer.from(['w'.charCodeAt(0), 0]));
    await eventually(() => {
      if (!/^raw$/m.test(this.#errors)) throw new Error('the terminal never became raw');
    });
  }

  type(keys: string): void {
    this.#process.stdin?.write(
      Buffer.concat([Buffer.from(['i'.charCodeAt(0), keys.length]), Buffer.from(keys, 'latin1')]),
    );
  }

  resize(rows: number, columns: number): void {
    this.#process.stdin?.write(Buffer.from(['r'.charCodeAt(0), rows, columns]));
  }

  [Symbol.dispose](): void {
    this.#process.kill('SIGKILL');
  }
}
