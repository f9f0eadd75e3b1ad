// An attached `up`: what it shows, when it ends, what an interrupt does, and its exit codes.
import { describe, expect, it } from 'vitest';
import { eventually } from '../support/eventually.ts';
import { isRoot, needing } from '../support/machine.ts';
import { Stack } from '../support/stack.ts';

/** Ends at once with 0 when it is asked to stop. */
const IDLE = `["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.1; done"]`;
/** Does not care for being asked. */
const DEAF = `["sh", "-c", "trap '' TERM; while :; do sleep 0.1; done"]`;

describe.skipIf(!isRoot)(needing('an attached up', { root: isRoot }), () => {
  it('shows both streams apart, names aligned, and the end of each container', async () => {
    await using stack = new Stack({
      compose: `services:
  a:
    image: host
    command: ["sh", "-c", "echo one; echo two >&2"]
  longer:
    image: host
    command: ["sh", "-c", "printf 'no end'; exit 3"]
`,
    });
    const { code, stdout, stderr } = await stack.run('up');
    expect(code).toBe(0);
    expect(stdout).toMatch(/^Attaching to a-1, longer-1$/m);
    expect(stdout).toMatch(/^a-1 {7}\| one$/m);
    expect(stdout).toMatch(/^longer-1 {2}\| no end$/m);
    expect(stdout).toMatch(/^a-1 exited with code 0$/m);
    expect(stdout).toMatch(/^longer-1 exited with code 3$/m);
    expect(stderr).toMatch(/^a-1 {7}\| two$/m);
  });

  it('shows all of what is logged nowhere, each run of it told once', async () => {
    await using stack = new Stack({
      compose: `services:
  a:
    image: host
    network_mode: none
    command: ["sh", "-c", "seq 1 20000; printf 'no '; sleep 0.2; printf end; exit 3"]
    restart: on-failure:2
    logging: { driver: none }
`,
    });
    const { code, stdout } = await stack.run('up', '--no-log-prefix');
    const one = Array.from({ length: 20000 }, (_, index) => String(index + 1));
    expect(code).toBe(0);
    expect(stdout.split('\n').filter((line) => /^\d+$/.test(line))).toEqual([...one, ...one, ...one]);
    expect(stdout.match(/^no end$/gm)).toHaveLength(3);
    expect(stdout.match(/exited with code 3 \(restarting\)$/gm)).toHaveLength(2);
    expect(stdout.match(/exited with code 3$/gm)).toHaveLength(1);
  });

  it('stops at an interrupt, and ends with 130', async () => {
    await using stack = new Stack({ compose: `services:\n  web:\n    image: host\n    command: ${IDLE}\n` });
    const up = stack.start(['up']);
    await eventually(async () => expect((await stack.ps())[0]?.State).toBe('running'));
    up.signal('SIGINT');
    expect((await up.ended).code).toBe(130);
    expect(await stack.ps()).toMatchObject([{ State: 'exited', ExitCode: 0 }]);
  });

  it('kills at the second interrupt what does not stop', async () => {
    await using stack = new Stack({ compose: `services:\n  web:\n    image: host\n    command: ${DEAF}\n` });
    const up = stack.start(['up', '-t', '60']);
    await eventually(async () => expect((await stack.ps())[0]?.State).toBe('running'));
    up.signal('SIGINT');
    await eventually(() => expect(up.stderr()).toMatch(/Stopping/));
    up.signal('SIGINT');
    expect((await up.ended).code).toBe(130);
    expect(await stack.ps()).toMatchObject([{ State: 'exited', ExitCode: 137 }]);
  });

  it('kills at once, whatever the pre_stop hook, the restart policy and the order say', async () => {
    const deaf = `image: host, command: ${DEAF}, restart: always, stop_grace_period: 60s`;
    await using stack = new Stack({
      compose: `services:
  db: { ${deaf} }
  web: { ${deaf}, depends_on: [db], pre_stop: [{ command: ["sleep", "60"] }] }
`,
    });
    const up = stack.start(['up']);
    await eventually(async () => expect((await stack.ps('web'))[0]?.State).toBe('running'));
    up.signal('SIGINT');
    await eventually(() => expect(up.stderr()).toMatch(/web-1 {2}Stopping/));
    up.signal('SIGINT');
    expect((await up.ended).code).toBe(130);
    expect((await stack.ps()).map(({ State, ExitCode }) => [State, ExitCode])).toEqual([
      ['exited', 137],
      ['exited', 137],
    ]);
  });

  it('leaves running what it was not told of, when services are named', async () => {
    const idle = `image: host\n    command: ${IDLE}`;
    await using stack = new Stack({
      compose: `services:\n  web:\n    ${idle}\n    depends_on: [db]\n  db:\n    ${idle}\n`,
    });
    const up = stack.start(['up', 'web']);
    await eventually(async () => expect((await stack.ps('web'))[0]?.State).toBe('running'));
    up.signal('SIGTERM');
    expect((await up.ended).code).toBe(130);
    expect((await stack.ps()).map(({ Service, State }) => [Service, State])).toEqual([
      ['db', 'running'],
      ['web', 'exited'],
    ]);
  });

  it.each([
    [['--abort-on-container-exit'], 0],
    [['--abort-on-container-failure'], 7],
    [['--exit-code-from', 'fails'], 7],
    [['--exit-code-from', 'server'], 0],
  ])('%j ends with %i', async (options, code) => {
    await using stack = new Stack({
      compose: `services:
  job:
    image: host
    command: ["sh", "-c", "sleep 0.5"]
  fails:
    image: host
    command: ["sh", "-c", "trap 'exit 7' TERM; i=0; while [ $$i -lt 15 ]; do sleep 0.1; i=$$((i+1)); done; exit 7"]
  server:
    image: host
    command: ${IDLE}
`,
    });
    expect(await stack.run('up', ...options)).toMatchObject({ code });
    expect((await stack.ps()).map(({ State }) => State)).toEqual(['exited', 'exited', 'exited']);
  });

  it('shows only what it is told to show', async () => {
    const say = (word: string) => `{ image: host, command: ["echo", "${word}"] }`;
    await using stack = new Stack({
      compose: `services:\n  a: ${say('from a')}\n  b: ${say('from b')}\n  c: { image: host, command: [echo, from c], attach: false }\n`,
    });
    const { stdout } = await stack.run('up', '--no-attach', 'b', '--no-log-prefix');
    expect(stdout.split('\n').filter((line) => line.startsWith('from'))).toEqual(['from a']);
  });

  it('shows nothing of an earlier run', async () => {
    await using stack = new Stack({ compose: 'services:\n  a: { image: host, command: [echo, once] }\n' });
    await stack.ok('up');
    expect((await stack.ok('up')).match(/once/g)).toHaveLength(1);
  });
});
