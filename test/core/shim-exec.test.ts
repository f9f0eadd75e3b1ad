// One more process in a running container, by `tscompose-shim exec`, and health checks, which enter the same way.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { step } from '../../src/containers/steps.ts';
import { eventually } from '../support/eventually.ts';
import { isRoot } from '../support/machine.ts';
import { Container, shimPath } from './support/container.ts';

describe.skipIf(!isRoot)('exec (needs root)', () => {
  let container: Container;
  beforeAll(async () => {
    container = new Container(['sleep', '600']);
    await container.start();
  });
  afterAll(() => container.remove());

  it('is in the namespaces of the container, with three descriptors and nothing of ours', () => {
    const { stdout } = container.exec([
      'sh',
      '-c',
      'hostname; cat /proc/1/comm; ls /proc/self/fd | tr "\\n" " "; echo $PPID',
    ]);
    expect(stdout).toBe('box\nsleep\n0 1 2 3 0\n');
  });

  it.each([
    [['sh', '-c', 'exit 9'], 9],
    [['sh', '-c', 'kill -15 $$'], 143],
    [['no-such-command'], 127],
    [['/etc/passwd'], 126],
  ])('ends with the code of %j', (command, code) => {
    expect(container.exec(command).status).toBe(code);
  });

  it('names the step that failed', () => {
    const { status, stderr } = container.exec(['true'], { steps: [step('USER', 'nobody-has-this-name')] });
    expect(status).toBe(1);
    expect(stderr).toContain('"nobody-has-this-name" does not exist in the container');
  });

  it('takes input, and keeps both outputs apart', () => {
    const input = 'line\n'.repeat(100_000);
    const { stdout, stderr } = container.exec(['sh', '-c', 'wc -c; echo problem >&2'], {
      input,
      steps: [step('STANDARD_INPUT', 1)],
    });
    expect(stdout.trim()).toBe(`${input.length}`);
    expect(stderr).toBe('problem\n');
  });

  it('has user, directory, umask and limits of its program', () => {
    const steps = [
      step('RLIMIT', 7, 50, 60),
      step('UMASK', 0o077),
      step('WORKING_DIRECTORY', '/usr', 0),
      step('USER', 'daemon'),
      step('CAPABILITIES', 0, 0, 0, 0, 0),
    ];
    const { stdout } = container.exec(
      ['sh', '-c', 'id -un; pwd; umask; ulimit -n; grep CapBnd /proc/self/status'],
      { steps },
    );
    expect(stdout).toBe('daemon\n/usr\n0077\n50\nCapBnd:\t0000000000000000\n');
  });

  it('has a terminal of the container', () => {
    const { stdout } = container.exec(['sh', '-c', 'tty; stty size; test -t 0 && echo yes'], {
      steps: [step('TERMINAL', 11, 22)],
    });
    expect(stdout).toMatch(/^\/dev\/pts\/\d+\r\n11 22\r\nyes\r\n$/);
  });

  it('passes signals on', async () => {
    const { pid, pidStart } = container.status();
    const script = 'trap "exit 33" TERM; echo ready; while :; do sleep 0.01; done';
    container.writeExec(['sh', '-c', script]);
    const child = spawn(
      shimPath,
      ['exec', '--program', container.path('exec'), '--pid', `${pid}`, '--start', `${pidStart}`],
      { stdio: ['ignore', 'pipe', 'inherit'] },
    );
    await once(child.stdout, 'data');
    child.kill('SIGTERM');
    const [code] = (await once(child, 'exit')) as [number];
    expect(code).toBe(33);
  });

  it('leaves a detached process running', async () => {
    expect(
      container.exec(['sh', '-c', 'sleep 0.05; echo done > /tmp/detached'], { detach: true }).status,
    ).toBe(0);
    await eventually(() => expect(readFileSync(container.path('upper/tmp/detached'), 'utf8')).toBe('done\n'));
  });

  it('refuses a process that only has the same pid', () => {
    const { status, stderr } = container.exec(['true'], { start: 1 });
    expect(status).toBe(1);
    expect(stderr).toMatch(/find process \d+: No such process/);
  });
});

describe.skipIf(!isRoot)('a health check (needs root)', () => {
  const health = (retries: number, ...argv: string[]) => step('HEALTH', 30, 20_000, 0, 0, retries, ...argv);

  async function watch(steps: ReturnType<typeof step>[], wanted: string) {
    const container = new Container(['sleep', '600'], { steps });
    try {
      const running = await container.start();
      expect(running.health).toMatchObject({ status: 'starting', failing: 0, log: [] });
      return (await container.until(({ health: now }) => now?.status === wanted)).health;
    } finally {
      await container.remove();
    }
  }

  it('finds a container healthy at the first success, in the container and as its user', async () => {
    const result = await watch(
      [step('USER', 'daemon'), health(3, 'sh', '-c', 'hostname; id -un; pwd')],
      'healthy',
    );
    expect(result).toMatchObject({ failing: 0, log: [{ exitCode: 0, output: 'box\ndaemon\n/\n' }] });
  });

  it('needs as many failures as it says, and keeps the last five outputs', async () => {
    const result = await watch([health(7, 'sh', '-c', 'echo broken; exit 3')], 'unhealthy');
    expect(result?.failing).toBe(7);
    expect(result?.log).toHaveLength(5);
    expect(result?.log[4]).toMatchObject({ exitCode: 3, output: 'broken\n' });
  });

  it('kills a probe that takes too long, with all it started', async () => {
    const result = await watch(
      [step('HEALTH', 30, 200, 0, 0, 1, 'sh', '-c', 'sleep 100 & sleep 100')],
      'unhealthy',
    );
    expect(result?.log[0]).toMatchObject({ exitCode: -1, output: 'Health check exceeded timeout (0.2 s)' });
  });

  it('says what is wrong with a command that does not exist, and cuts long output', async () => {
    const missing = await watch([health(1, 'no-such-command')], 'unhealthy');
    expect(missing?.log[0]?.output).toBe('EXEC no-such-command: No such file or directory');
    const long = await watch([health(1, 'sh', '-c', 'head -c 9000 /dev/zero | tr "\\0" x')], 'healthy');
    expect(long?.log[0]?.output).toBe(`${'x'.repeat(4096)}...`);
  });

  it('does not count failures within the start period', async () => {
    const hour = 3_600_000;
    const container = new Container(['sh', '-c', 'while [ ! -e /tmp/go ]; do sleep 0.01; done; sleep 600'], {
      steps: [step('HEALTH', hour, 20_000, hour, 20, 1, 'sh', '-c', 'test -e /tmp/well')],
    });
    try {
      await container.start();
      const failed = await container.until(({ health: now }) => (now?.log.length ?? 0) >= 2);
      expect(failed.health).toMatchObject({ status: 'starting', failing: 0 });
      container.exec(['touch', '/tmp/well']);
      expect((await container.until(({ health: now }) => now?.status === 'healthy')).health?.failing).toBe(0);
    } finally {
      await container.remove();
    }
  });
});
