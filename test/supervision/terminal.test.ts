// Terminals and standard input as a person uses them: run, exec and attach on a real pseudo-terminal.
import { describe, expect, test } from 'vitest';
import { isImpossible, titled } from '../attributes/inside.ts';
import { FOREVER, logged, place, saying } from '../security/place.ts';
import { eventually } from '../support/eventually.ts';
import type { Stack } from '../support/stack.ts';
import { Terminal } from './terminal.ts';

const CTRL_P = '\x10';
const CTRL_Q = '\x11';
const CTRL_C = '\x03';
const CTRL_X = '\x18';
/** Shows each key as it comes, control characters as letters. */
const REPEATER = `
  #include <termios.h>
  #include <unistd.h>
  int main(void) {
    struct termios settings;
    unsigned char key;
    tcgetattr(0, &settings);
    cfmakeraw(&settings);
    tcsetattr(0, TCSANOW, &settings);
    if (write(1, "ready\\r\\n", 7) != 7) return 1;
    while (read(0, &key, 1) == 1) {
      char shown[2] = {'^', key + '@'};
      if (write(1, key < ' ' ? shown : (char *)&key, key < ' ' ? 2 : 1) < 0) return 1;
    }
    return 2;
  }`;

const shows = (terminal: Terminal, text: string) => eventually(() => expect(terminal.screen).toContain(text));

async function stateOf(stack: Stack): Promise<string | undefined> {
  return (await stack.ps('app'))[0]?.State;
}

async function repeating(): Promise<Stack> {
  const stack = place('tty: true\nstdin_open: true\ncommand: [repeater]', '', {
    programs: { repeater: REPEATER },
  });
  await stack.ok('up', '-d');
  await eventually(async () => expect((await logged(stack)).join('\n')).toContain('ready'));
  return stack;
}

describe.skipIf(isImpossible)(titled('run and exec on a terminal'), () => {
  test('run has a terminal of this size, follows its changes, and ends with the code of the command', async () => {
    await using stack = place('', FOREVER);
    using terminal = new Terminal(stack, [
      'run',
      '--rm',
      'app',
      'sh',
      '-c',
      'tty; while stty size; do read -t 1 end && exit $end; done',
    ]);
    await shows(terminal, '/dev/pts/0');
    await shows(terminal, '24 80');
    terminal.resize(50, 132);
    await shows(terminal, '50 132');
    terminal.type('7\r');
    expect(await terminal.ended).toBe(7);
    expect(terminal.isRestored).toBe(true);
  });

  test('exec has one too, and the program is told of a new size', async () => {
    await using stack = place('', FOREVER);
    await stack.ok('up', '-d');
    const script = 'trap "stty size" WINCH; echo ready; while :; do read -t 1 end && exit $end; done';
    using terminal = new Terminal(stack, ['exec', 'app', 'sh', '-c', script]);
    await shows(terminal, 'ready');
    terminal.resize(33, 99);
    await shows(terminal, '33 99');
    terminal.type('5\r');
    expect(await terminal.ended).toBe(5);
    expect(terminal.isRestored).toBe(true);
  });

  test('Ctrl-C is a key for the program, not the end of the command', async () => {
    await using stack = place('', FOREVER);
    await stack.ok('up', '-d');
    using terminal = new Terminal(stack, [
      'exec',
      'app',
      'sh',
      '-c',
      'trap "echo caught; exit 3" INT; echo ready; while :; do sleep 1; done',
    ]);
    await shows(terminal, 'ready');
    terminal.type(CTRL_C);
    expect(await terminal.ended).toBe(3);
    expect(terminal.screen).toContain('caught');
  });

  test('several at once do not disturb each other', async () => {
    await using stack = place('', FOREVER);
    await stack.ok('up', '-d');
    const shells = [1, 2, 3].map(() => new Terminal(stack, ['exec', 'app', 'sh']));
    try {
      for (const [index, shell] of shells.entries())
        shell.type(`echo "I am $((${index} + 40))"; exit ${index}\r`);
      expect(await Promise.all(shells.map(({ ended }) => ended))).toEqual([0, 1, 2]);
      for (const [index, shell] of shells.entries()) expect(shell.screen).toContain(`I am ${index + 40}`);
    } finally {
      for (const shell of shells) shell[Symbol.dispose]();
    }
  });
});

describe.skipIf(isImpossible)(titled('attach'), () => {
  test('is left with Ctrl-P Ctrl-Q, of which the container sees nothing', async () => {
    await using stack = await repeating();
    using looking = new Terminal(stack, ['attach', '--no-stdin', 'app']);
    using terminal = new Terminal(stack, ['attach', 'app']);
    await terminal.ready();
    await eventually(() => {
      terminal.type('one.');
      expect(looking.screen).toContain('one.');
    });
    terminal.type(CTRL_P);
    terminal.type('two.');
    await shows(terminal, '^Ptwo.');
    terminal.type(CTRL_P);
    terminal.type(CTRL_Q);
    expect(await terminal.ended).toBe(0);
    expect(terminal.isRestored).toBe(true);
    expect(await stateOf(stack)).toBe('running');
    expect(looking.screen).toMatch(/^(one\.)+\^Ptwo\.$/);
  });

  test('takes other keys to leave', async () => {
    await using stack = await repeating();
    using looking = new Terminal(stack, ['attach', '--no-stdin', 'app']);
    using terminal = new Terminal(stack, ['attach', '--detach-keys', 'ctrl-x,q', 'app']);
    await terminal.ready();
    await eventually(() => {
      terminal.type(`${CTRL_P}${CTRL_Q}.`);
      expect(looking.screen).toContain('^P^Q.');
    });
    terminal.type(`last.${CTRL_X}q`);
    expect(await terminal.ended).toBe(0);
    await shows(looking, 'last.');
    expect(await stateOf(stack)).toBe('running');
  });

  test('by several at once: all see all, and each can type', async () => {
    await using stack = await repeating();
    using first = new Terminal(stack, ['attach', 'app']);
    using second = new Terminal(stack, ['attach', 'app']);
    await Promise.all([first.ready(), second.ready()]);
    first.type('from-first.');
    await shows(first, 'from-first');
    await shows(second, 'from-first');
    second.type('from-second.');
    await shows(first, 'from-second');
    first.type(`${CTRL_P}${CTRL_Q}`);
    expect(await first.ended).toBe(0);
    second.type('alone.');
    await shows(second, 'alone');
  });

  test('with --no-stdin only looks on, and is left with Ctrl-C', async () => {
    await using stack = await repeating();
    using looking = new Terminal(stack, ['attach', '--no-stdin', 'app']);
    using typing = new Terminal(stack, ['attach', 'app']);
    await typing.ready();
    looking.type('nothing\r');
    await eventually(() => {
      typing.type('seen.');
      expect(looking.screen).toContain('seen.');
    });
    expect(typing.screen).not.toContain('nothing');
    looking.type(CTRL_C);
    expect(await looking.ended).toBe(130);
    expect(await stateOf(stack)).toBe('running');
  });

  test('ends with the container, and its exit code', async () => {
    await using stack = place('tty: true\nstdin_open: true', 'echo ready; read code; exit $code');
    await stack.ok('up', '-d');
    await eventually(async () => expect((await logged(stack)).join('')).toContain('ready'));
    using terminal = new Terminal(stack, ['attach', 'app']);
    await terminal.ready();
    terminal.type('9\r');
    expect(await terminal.ended).toBe(9);
    expect(terminal.isRestored).toBe(true);
  });

  test('passes signals on, unless it is not to', async () => {
    await using stack = place('', 'trap "echo caught" INT; while :; do echo tick; sleep 0.1; done');
    await stack.ok('up', '-d');
    const silent = stack.start(['attach', '--sig-proxy=false', 'app']);
    await eventually(() => expect(silent.stdout()).toContain('tick'));
    silent.signal('SIGINT');
    expect((await silent.ended).code).toBe(130);
    expect(await logged(stack)).not.toContain('caught');
    const passing = stack.start(['attach', 'app']);
    await eventually(() => expect(passing.stdout()).toContain('tick'));
    passing.signal('SIGINT');
    await eventually(() => expect(passing.stdout()).toContain('caught'));
    expect(await stateOf(stack)).toBe('running');
  });

  test('without a terminal passes input on to a container that reads it', async () => {
    await using stack = place('stdin_open: true', 'echo ready; read line; echo "got $line"; exit 4');
    await stack.ok('up', '-d');
    await saying(stack, 'ready');
    const attached = stack.start(['attach', 'app'], { input: 'hello\n' });
    const { code, stdout } = await attached.ended;
    expect([code, stdout]).toEqual([4, 'got hello\n']);
  });
});
