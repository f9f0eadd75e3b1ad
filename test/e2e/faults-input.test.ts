// Bad input: a clear error with its cure, and neither a container nor anything else is made of the part that is wrong.
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { isRoot, needing } from '../support/machine.ts';
import { Stack } from '../support/stack.ts';

const SLEEP = 'image: host, init: true, command: [sleep, "300"]';

/** What is made on disk for a project; a command that was refused made nothing. */
function made(stack: Stack): readonly string[] {
  return ['containers', 'networks', 'volumes'].flatMap((kind) => {
    const dir = join(stack.stateDir, kind);
    return existsSync(dir) ? readdirSync(dir).map((name) => `${kind}/${name}`) : [];
  });
}

describe('a file that is wrong', () => {
  it.each([
    ['malformed YAML', 'services:\n  a: [\n', 'yaml-syntax', /compose\.yaml:/],
    ['a tab', 'services:\n\ta:\n', 'yaml-syntax', /compose\.yaml:2:1[\s\S]*spaces/],
    ['not YAML at all', '\0\x01\x02', 'yaml-syntax', /compose\.yaml:1:1/],
    ['no mapping', '- a\n', 'wrong-type', /compose\.yaml:1:1/],
    [
      'an unknown key',
      'services:\n  a:\n    image: host\n    prots: [80]\n',
      'unknown-key',
      /:4:5[\s\S]*ports/,
    ],
    ['a wrong type', 'services:\n  a:\n    image: host\n    ports: 80\n', 'wrong-type', /:4:12[\s\S]*ports/],
    [
      'a value outside of its range',
      'services:\n  a: { image: host, ports: ["99999:1"] }\n',
      'invalid-value',
      /99999/,
    ],
    [
      'a cycle',
      'services:\n  a: { image: host, depends_on: [b] }\n  b: { image: host, depends_on: [c] }\n  c: { image: host, depends_on: [a] }\n',
      'dependency-cycle',
      /a -> b -> c -> a/,
    ],
    [
      'an undefined network',
      'services:\n  a: { image: host, networks: [nets] }\n',
      'undefined-reference',
      /:2:\d+[\s\S]*nets/,
    ],
    [
      'an undefined volume',
      'services:\n  a: { image: host, volumes: ["data:/x"] }\n',
      'undefined-reference',
      /data/,
    ],
    [
      'an undefined service',
      'services:\n  a: { image: host, depends_on: [b] }\n',
      'undefined-reference',
      /"b"/,
    ],
    [
      'an undefined secret',
      'services:\n  a: { image: host, secrets: [key] }\n',
      'undefined-reference',
      /key/,
    ],
    [
      'a required variable',
      `services:\n  a: { image: "\${NOT_SET_AT_ALL:?say which}" }\n`,
      'required-variable',
      /say which/,
    ],
  ])('%s', async (_, compose, code, said) => {
    await using stack = new Stack({ compose });
    const { code: exitCode, stdout, stderr } = await stack.run('up', '-d');
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: '' });
    expect(stderr).toMatch(new RegExp(`^error\\[${code}\\]: `));
    expect(stderr).toMatch(said);
    expect(made(stack)).toEqual([]);
    stack.write('compose.yaml', 'services: {}\n');
  });

  it('a service that is not there, on the command line', async () => {
    await using stack = new Stack({ compose: `services:\n  web: { ${SLEEP} }\n` });
    const { code, stderr } = await stack.run('up', '-d', 'wbe');
    expect(code).not.toBe(0);
    expect(stderr).toMatch(/^error\[unknown-service\]: .*wbe/);
    expect(made(stack)).toEqual([]);
  });
});

/** A service `bad` that cannot start, beside one that can. */
const UNSTARTABLE: readonly (readonly [string, string, string, RegExp])[] = [
  [
    'command',
    'image: host, command: [no-such-program]',
    'command-not-found',
    /no-such-program[\s\S]*hint: .*command/,
  ],
  ['executable command', 'image: host, command: [/etc/passwd]', 'command-not-executable', /\/etc\/passwd/],
  ['user', `${SLEEP}, user: nobody-knows`, 'unknown-user', /nobody-knows[\s\S]*hint: /],
  ['group', `${SLEEP}, user: "0:nobody-knows"`, 'unknown-user', /nobody-knows/],
  ['working directory', `${SLEEP}, working_dir: /etc/passwd`, 'working-directory', /\/etc\/passwd/],
];

/** A service `bad` of which no container can be made. */
const UNMAKEABLE: readonly (readonly [string, string, string, RegExp])[] = [
  [
    'bind source, with create_host_path: false',
    `${SLEEP}, volumes: [{ type: bind, source: ./missing, target: /x, bind: { create_host_path: false } }]`,
    'bind-source-missing',
    /missing/,
  ],
  ['directory of a root file system', 'image: "rootfs:./missing"', 'image-not-found', /missing/],
  [
    'image that may not be pulled',
    'image: example.invalid/nothing, pull_policy: never',
    'image-not-found',
    /nothing[\s\S]*hint: /,
  ],
  ['registry', 'image: "127.0.0.1:1/nothing:1"', 'registry', /127\.0\.0\.1:1/],
];

describe.skipIf(!isRoot)(needing('what is missing on the machine', { root: isRoot }), () => {
  it.each(UNSTARTABLE)('%s', async (_, bad, code, said) => {
    await using stack = new Stack({ compose: `services:\n  bad: { ${bad} }\n  good: { ${SLEEP} }\n` });
    const { code: exitCode, stderr } = await stack.run('up', '-d');
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(new RegExp(`^error\\[${code}\\]: .*bad`, 'm'));
    expect(stderr).toMatch(said);
    expect(stderr).toMatch(/left running: \S*good-1/);
    expect((await stack.ps()).map(({ Service, State }) => [Service, State])).toEqual([
      ['bad', 'created'],
      ['good', 'running'],
    ]);
    stack.write('compose.yaml', `services:\n  bad: { ${SLEEP} }\n  good: { ${SLEEP} }\n`);
    await stack.ok('up', '-d');
    expect((await stack.ps()).map(({ State }) => State)).toEqual(['running', 'running']);
  });

  it.each(['a b', 'a\nb', '-a', 'a', ''])('a container that cannot be called %j', async (name) => {
    await using stack = new Stack({ compose: `services:\n  good: { ${SLEEP} }\n` });
    const { code, stderr } = await stack.run('run', '--rm', '--name', name, 'good', 'true');
    expect(code).toBe(1);
    expect(stderr).toContain(`${JSON.stringify(name)} is no name of a container`);
    expect(await stack.ps()).toEqual([]);
  });

  it('a container that cannot be made leaves no anonymous volume', async () => {
    await using stack = new Stack({
      compose: `services:\n  bad: { ${SLEEP}, network_mode: none, volumes: [/one, /two, /proc/three] }\n`,
    });
    const { code, stderr } = await stack.run('up', '-d');
    expect(code).toBe(1);
    expect(stderr).toContain('nothing can be mounted on "/proc/three"');
    expect(made(stack)).toEqual([]);
  });

  it('an image that would have to be built: nothing at all is made', async () => {
    await using stack = new Stack({
      compose: `services:\n  bad:\n    build: .\n  good: { ${SLEEP}, volumes: ["data:/data"] }\nvolumes: { data: {} }\n`,
    });
    const { code, stderr } = await stack.run('up', '-d');
    expect(code).toBe(1);
    expect(stderr).toMatch(/^error\[unsupported\]: .*building is not supported yet\n --> compose.yaml:3:12/);
    expect(made(stack)).toEqual([]);
  });

  it.each(UNMAKEABLE)('%s', async (_, bad, code, said) => {
    await using stack = new Stack({ compose: `services:\n  bad: { ${bad} }\n` });
    const { code: exitCode, stderr } = await stack.run('up', '-d');
    expect(exitCode).toBe(1);
    expect(stderr).toMatch(new RegExp(`^error\\[${code}\\]: `, 'm'));
    expect(stderr).toMatch(said);
    expect(await stack.ps()).toEqual([]);
    expect(existsSync(join(stack.dir, 'missing'))).toBe(false);
  });
});
