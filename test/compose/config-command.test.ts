// `config`: its facets, its formats, and where a value came from.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import { parseArguments } from '../../src/cli/arguments.ts';
import type { CliContext } from '../../src/cli/command.ts';
import { command, type ResolveDigest, runConfig } from '../../src/cli/commands/config.ts';
import { GLOBAL_OPTIONS, globalFlags } from '../../src/cli/globals.ts';
import { directory } from './fixture.ts';

const digest: ResolveDigest = async (image) => `sha256:${image.length}`;

/** Runs `config` in a directory with these files. */
async function run(files: string | Record<string, string>, argv: string[], global: string[] = []) {
  const cwd = directory(files);
  vi.spyOn(process, 'cwd').mockReturnValue(cwd);
  const written = { out: '', err: '' };
  const flags = parseArguments(global, { owner: 'tscompose', options: GLOBAL_OPTIONS }).args;
  const context = {
    global: globalFlags(flags, {}),
    signal: new AbortController().signal,
    out: (text: string) => (written.out += text),
    err: (text: string) => (written.err += text),
    colours: () => false,
  } as unknown as CliContext;
  const { args } = parseArguments(argv, { owner: 'tscompose config', options: command.options });
  try {
    const code = await runConfig(context, args, digest);
    return { ...written, code, cwd };
  } finally {
    vi.restoreAllMocks();
  }
}

const project = `
services:
  web: { image: "nginx:\${TAG:-1}", depends_on: [api], profiles: [p], networks: [n] }
  api: { build: ., volumes: ["vol:/v"], environment: { COST: "5$$" } }
networks: { n: }
volumes: { vol: }
`;

describe('config', () => {
  it.each<[string[], string]>([
    [['--services'], 'api\n'],
    [['--volumes'], 'vol\n'],
    [['--networks'], 'default\n'],
    [['--profiles'], 'p\n'],
    [['--images'], 'proj-api\n'],
    [['--images', 'web'], 'proj-api\nnginx:1\n'],
    [['-q'], ''],
    [['-q', '--services'], 'api\n'],
  ])('%j', async (argv, expected) => {
    expect(await run(project, argv)).toMatchObject({ out: expected, err: '', code: 0 });
  });

  it('prints dependencies before what depends on them', async () => {
    expect((await run(project, ['--services'], ['--profile', 'p'])).out).toBe('api\nweb\n');
  });

  it('prints YAML in the order of the reference, with dollar signs doubled', async () => {
    const { out, cwd } = await run(project, []);
    expect(out).toBe(`name: proj
services:
  api:
    build:
      context: ${cwd}
      dockerfile: Dockerfile
    environment:
      COST: 5$$
    networks:
      default: null
    volumes:
      - type: volume
        source: vol
        target: /v
        volume: {}
networks:
  default:
    name: proj_default
volumes:
  vol:
    name: proj_vol
`);
  });

  it('prints JSON with the null defaults', async () => {
    const { out } = await run(project, ['--format', 'json']);
    expect(JSON.parse(out).services.api).toMatchObject({ command: null, entrypoint: null });
  });

  it('writes to a file', async () => {
    const target = join(directory({}), 'out.yaml');
    expect((await run(project, ['-o', target])).out).toBe('');
    expect(readFileSync(target, 'utf8')).toMatch(/^name: proj/);
  });

  it('keeps variables, which it lists too', async () => {
    expect((await run(project, ['--no-interpolate'])).out).toContain('image: nginx:${TAG:-1}');
    expect((await run(project, ['--variables'])).out).toMatch(
      /^NAME +REQUIRED +DEFAULT VALUE +ALTERNATE VALUE\nTAG +false +1 /,
    );
  });

  it('prints the environment', async () => {
    expect((await run({ 'compose.yaml': project, '.env': 'FROM_FILE=1' }, ['--environment'])).out).toContain(
      'FROM_FILE=1\n',
    );
  });

  it('prints one hash for each service, which the definition decides', async () => {
    const first = await run(project, ['--hash', '*']);
    expect(first.out).toMatch(/^api [0-9a-f]{64}\n$/);
    expect((await run(project.replace('5$$', '6'), ['--hash', 'api'])).out).not.toBe(first.out);
  });

  it('pins images', async () => {
    const file = 'services: { web: { image: nginx, tty: true }, own: { build: . } }';
    expect((await run(file, ['--resolve-image-digests'])).out).toContain('image: nginx@sha256:5');
    expect((await run(file, ['--lock-image-digests'])).out).toBe(
      'services:\n  own: {}\n  web:\n    image: nginx@sha256:5\n',
    );
  });

  it('keeps relative paths and leaves out what is implied when asked', async () => {
    const { out } = await run(project, ['--no-path-resolution', '--no-normalize', '--no-consistency']);
    expect(out).toContain('context: .\n');
    expect(out).not.toContain('Dockerfile');
  });

  it('checks references only when it should', async () => {
    const file = 'services: { a: { image: x, networks: [gone] } }';
    await expect(run(file, ['-q'])).rejects.toMatchObject({ code: 'undefined-reference' });
    expect((await run(file, ['-q', '--no-consistency'])).code).toBe(0);
  });
});

describe('config --explain', () => {
  const files = {
    'compose.yaml':
      'services:\n  web:\n    image: a\n    env_file: e.env\n    environment:\n      PORT: "80"\n',
    'compose.override.yaml': 'services:\n  web:\n    environment:\n      PORT: "${P:-1}"\n      HOME:\n',
    'e.env': 'ONLY=1\nPORT=70\n',
    '.env': 'A=1\nP=90\n',
  };

  it('tells every source in order, the variables in it, which one won and why', async () => {
    const { out, cwd } = await run(files, ['--explain', 'services.web.environment.PORT']);
    expect(out.replaceAll(cwd, '')).toBe(`services.web.environment.PORT = "90"
  1. /e.env:2:1: "70"
  2. /compose.yaml:6:13: "80"
  3. /compose.override.yaml:4:13: "90"   <- wins: the later file wins
     P=90 from /.env:2:1
`);
  });

  it('knows values that no file of the project has', async () => {
    const only = await run(files, ['--explain', 'services.web.environment.ONLY']);
    expect(only.out).toContain('e.env:1:1: "1"   <- wins: the only source');
    const implied = await run(files, ['--explain', 'networks.default.name']);
    expect(implied.out).toContain('1. default: "proj_default"   <- wins: nothing else is written');
  });

  it('refuses a path that is not there', async () => {
    await expect(run(files, ['--explain', 'services.web.nope'])).rejects.toMatchObject({
      code: 'invalid-value',
    });
  });
});
