// The log: Docker's json-file lines, rotation, and the streams that attached clients get.
import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { step } from '../../src/containers/steps.ts';
import { isRoot } from '../support/machine.ts';
import { attach } from './support/attachment.ts';
import { Container } from './support/container.ts';

const entries = (text: string) => text.split('\n').filter(Boolean);

async function logOf(script: string): Promise<string> {
  const container = new Container(['sh', '-c', script]);
  try {
    await container.run();
    return readFileSync(container.path('log'), 'utf8');
  } finally {
    await container.remove();
  }
}

describe.skipIf(!isRoot)('the log (needs root)', () => {
  it('has a line for each line, with stream and time, in the order of Docker', async () => {
    const log = await logOf('echo one; echo two >&2');
    const time = '"time":"\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d(\\.\\d{1,8}[1-9])?Z"';
    expect(entries(log).sort()).toEqual([
      expect.stringMatching(new RegExp(`^{"log":"one\\\\n","stream":"stdout",${time}}$`)),
      expect.stringMatching(new RegExp(`^{"log":"two\\\\n","stream":"stderr",${time}}$`)),
    ]);
  });

  it.each([
    ['tab\\tquote"', 'tab\\u0009quote\\"'],
    ['<a>&', '\\u003ca\\u003e\\u0026'],
    ['\\001\\r', '\\u0001\\r'],
    ['\\\\', '\\\\'],
    ['\\303\\244\\342\\202\\254\\360\\237\\230\\200', 'ä€😀'],
    ['a\\377b\\303', 'a\\ufffdb\\ufffd'],
    ['\\355\\240\\200', '\\ufffd\\ufffd\\ufffd'],
    ['\\342\\200\\250\\342\\200\\251', '\\u2028\\u2029'],
  ])('escapes %j as Docker does', async (printed, escaped) => {
    expect(await logOf(`printf '${printed.replaceAll("'", "'\\''")}\\n'`)).toContain(
      `{"log":"${escaped}\\n",`,
    );
  });

  it('cuts long lines at 16 KiB, and keeps the end of a last line without one', async () => {
    const container = new Container(['sh', '-c', 'head -c 40000 /dev/zero | tr "\\0" x; echo; printf end']);
    try {
      await container.run();
      expect(container.log().map(({ log }) => log.length)).toEqual([16384, 16384, 40000 - 2 * 16384 + 1, 3]);
      expect(container.output()).toBe(`${'x'.repeat(40000)}\nend`);
    } finally {
      await container.remove();
    }
  });

  it('rotates by size and keeps as many files as it should, losing no line in between', async () => {
    const container = new Container(
      ['sh', '-c', 'i=0; while [ $i -lt 300 ]; do echo line $i; i=$((i+1)); done'],
      {
        steps: [],
        log: { maxSize: 4096, maxFiles: 3 },
      },
    );
    try {
      await container.run();
      const files = ['log.2', 'log.1', 'log'].map((name) => readFileSync(container.path(name), 'utf8'));
      const lines = files.flatMap(entries).map((line) => (JSON.parse(line) as { log: string }).log);
      const first = 300 - lines.length;
      expect(lines).toEqual(Array.from({ length: lines.length }, (_, index) => `line ${first + index}\n`));
      expect(existsSync(container.path('log.3'))).toBe(false);
      for (const file of files) expect(Buffer.byteLength(file)).toBeLessThan(4096 + 200);
    } finally {
      await container.remove();
    }
  });

  it('loses nothing of much output', async () => {
    const container = new Container(['sh', '-c', 'seq 1 300000']);
    try {
      await container.run();
      const lines = container.log();
      expect(lines.length).toBe(300_000);
      expect(lines.every(({ log }, index) => log === `${index + 1}\n`)).toBe(true);
    } finally {
      await container.remove();
    }
  });

  it('fails to launch when the log cannot be opened', async () => {
    const container = new Container(['true'], { steps: [step('LOG', 'json-file', '/no/such/log', 0, 1, 0)] });
    try {
      expect((await container.run()).error).toMatchObject({ step: 'LOG', path: '/no/such/log', errno: 2 });
    } finally {
      await container.remove();
    }
  });
});

describe.skipIf(!isRoot)('an attached client (needs root)', () => {
  it('gets all output and the exit code, and gives input until its end', async () => {
    const container = new Container(['sh', '-c', 'echo begin; cat; echo problem >&2; exit 4'], {
      steps: [step('STANDARD_INPUT', 2)],
    });
    try {
      await container.until(({ state }) => state === 'created');
      const client = await attach(container, { input: true });
      container.send('start');
      client.input('typed\n');
      client.end();
      expect(await client.exitCode).toBe(4);
      expect(client.output).toBe('begin\ntyped\n');
      expect(client.errors).toBe('problem\n');
    } finally {
      await container.remove();
    }
  });

  it('gets all output although it writes to a container that has ended before it reads', async () => {
    const container = new Container(['sh', '-c', 'echo all; exit 3'], { steps: [step('STANDARD_INPUT', 2)] });
    try {
      await container.until(({ state }) => state === 'created');
      const client = await attach(container, { input: true });
      client.pause();
      container.send('start');
      await container.until(({ state }) => state === 'stopped');
      client.end();
      client.unpause();
      expect(await client.exitCode).toBe(3);
      expect(client.output).toBe('all\n');
    } finally {
      await container.remove();
    }
  });

  it('shares a terminal of the size that it says', async () => {
    const script =
      'read go; stty size; tty; [ /dev/console -ef "$(tty)" ] || stat -c %t:%T /dev/console; id -u';
    const container = new Container(['sh', '-c', script], {
      steps: [step('TERMINAL', 24, 80), step('STANDARD_INPUT', 1)],
    });
    try {
      await container.until(({ state }) => state === 'created');
      const client = await attach(container, { input: true });
      const other = await attach(container, { input: false });
      container.send('start');
      client.resize(33, 99);
      client.input('\n');
      expect(await client.exitCode).toBe(0);
      expect(await other.exitCode).toBe(0);
      expect(client.output).toContain('33 99\r\n/dev/pts/0\r\n');
      expect(other.output).toBe(client.output);
    } finally {
      await container.remove();
    }
  });

  it('cannot hold up the container by not reading', async () => {
    const container = new Container(['sh', '-c', 'head -c 20000000 /dev/zero | tr "\\0" x']);
    try {
      await container.until(({ state }) => state === 'created');
      const client = await attach(container, { input: false });
      client.pause();
      container.send('start');
      expect(await container.ended()).toMatchObject({ state: 'stopped', exitCode: 0 });
      expect(container.log().reduce((sum, { log }) => sum + log.length, 0)).toBe(20_000_000);
    } finally {
      await container.remove();
    }
  });
});
