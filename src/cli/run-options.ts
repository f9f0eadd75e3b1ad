// The options of `run` as what the engine is asked for.
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { splitCommand } from '../compose/command.ts';
import { type EnvEntry, parseEnvFile } from '../compose/dotenv.ts';
import type { Mount, PortBinding } from '../compose/project.ts';
import { type Parsed, parsePort, parseVolume } from '../compose/short.ts';
import { plain, text } from '../compose/tree.ts';
import type { RunRequest } from '../engine/engine.ts';
import { ComposeError } from '../errors.ts';
import type { Arguments, OptionSpec } from './command.ts';
import { MAKING, makingGoal } from './options.ts';

export const RUN_OPTIONS: readonly OptionSpec[] = [
  ...MAKING.filter(({ name }) => name !== 'no-build'),
  { name: 'no-build', type: 'boolean', summary: 'never build an image', hidden: true },
  { name: 'cap-add', type: 'list', value: 'CAPABILITY', summary: 'add a capability' },
  { name: 'cap-drop', type: 'list', value: 'CAPABILITY', summary: 'take a capability away' },
  {
    name: 'detach',
    short: 'd',
    type: 'boolean',
    summary: 'return at once and print the name of the container',
  },
  {
    name: 'entrypoint',
    type: 'string',
    value: 'COMMAND',
    summary: 'instead of the entry point of service and image',
  },
  { name: 'env', short: 'e', type: 'list', value: 'NAME[=VALUE]', summary: 'environment variable' },
  { name: 'env-from-file', type: 'list', value: 'FILE', summary: 'environment variables from a file' },
  { name: 'interactive', short: 'i', type: 'boolean', summary: 'keep standard input open (the default)' },
  { name: 'label', short: 'l', type: 'list', value: 'NAME=VALUE', summary: 'label of the container' },
  { name: 'name', type: 'string', value: 'NAME', summary: 'name of the container' },
  { name: 'no-deps', type: 'boolean', summary: 'do not start what the service depends on' },
  { name: 'no-tty', short: 'T', type: 'boolean', summary: 'no terminal, even when there is one' },
  { name: 'no-TTY', type: 'boolean', summary: 'the same as --no-tty', hidden: true },
  { name: 'publish', short: 'p', type: 'list', value: 'PORTS', summary: 'publish a port' },
  { name: 'quiet', short: 'q', type: 'boolean', summary: 'no progress' },
  { name: 'quiet-build', type: 'boolean', summary: 'no output of building' },
  { name: 'rm', type: 'boolean', summary: 'remove the container when it has ended' },
  { name: 'service-ports', short: 'P', type: 'boolean', summary: "publish the service's ports too" },
  { name: 'tty', short: 't', type: 'boolean', summary: 'a terminal, even when there is none', hidden: true },
  { name: 'use-aliases', type: 'boolean', summary: "answer to the service's names" },
  { name: 'user', short: 'u', type: 'string', value: 'USER[:GROUP]', summary: 'run as this user' },
  { name: 'volume', short: 'v', type: 'list', value: 'VOLUME', summary: 'mount a volume or a directory' },
  { name: 'workdir', short: 'w', type: 'string', value: 'DIR', summary: 'directory to run in' },
];

/** What the engine is asked for, but for terminal and standard input. */
export function runRequest(args: Arguments): Omit<RunRequest, 'tty' | 'stdinOpen' | 'attached'> {
  const [service = '', ...command] = args.positionals;
  const { ...making } = makingGoal(args, process.env);
  const entrypoint = args.text('entrypoint');
  const user = args.text('user');
  const workingDir = args.text('workdir');
  const name = args.text('name');
  return {
    service,
    ...making,
    ...(command.length > 0 && { command }),
    ...(entrypoint !== undefined && { entrypoint: wordsOf(entrypoint) }),
    ...(user !== undefined && { user }),
    ...(workingDir !== undefined && { workingDir }),
    ...(name !== undefined && { name }),
    environment: { ...fromFiles(args.list('env-from-file')), ...fromEntries(args.list('env')) },
    labels: labelsOf(args.list('label')),
    ports: args
      .list('publish')
      .flatMap((spec) => decoded<PortBinding>('--publish', parsePort(spec, text(spec)))),
    servicePorts: args.flag('service-ports'),
    volumes: args.list('volume').flatMap((spec) => volumesOf(spec)),
    capAdd: args.list('cap-add'),
    capDrop: args.list('cap-drop'),
    noDeps: args.flag('no-deps'),
    autoRemove: args.flag('rm'),
    useAliases: args.flag('use-aliases'),
  };
}

function wordsOf(line: string): readonly string[] {
  const words = splitCommand(line);
  if (words !== undefined) return words;
  throw new ComposeError('usage', `--entrypoint: a quote is not closed in ${line}`);
}

function fromEntries(entries: readonly string[]): Record<string, string | null> {
  return Object.fromEntries(
    entries.map((entry) => {
      const sign = entry.indexOf('=');
      return sign < 0 ? [entry, process.env[entry] ?? null] : [entry.slice(0, sign), entry.slice(sign + 1)];
    }),
  );
}

function fromFiles(files: readonly string[]): Record<string, string> {
  const entries = new Map<string, EnvEntry>();
  const lookup = (name: string) => process.env[name];
  for (const file of files)
    parseEnvFile(file, readEnvFile(file), entries, { lookup, onUnset: () => undefined });
  return Object.fromEntries([...entries].map(([name, { value }]) => [name, value]));
}

function readEnvFile(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (cause) {
    throw new ComposeError('env-file', `cannot read ${file}`, { cause });
  }
}

function labelsOf(entries: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    entries.map((entry) => {
      const [name = '', ...value] = entry.split('=');
      return [name, value.join('=')];
    }),
  );
}

function volumesOf(spec: string): readonly Mount[] {
  return decoded<Mount>('--volume', parseVolume(spec, text(spec))).map((mount) => {
    if (mount.type !== 'bind' || mount.source === undefined) return mount;
    const home = mount.source.replace(/^~(?=\/|$)/, process.env.HOME ?? '~');
    return { ...mount, source: resolve(home) };
  });
}

/** The short syntaxes of the file; their parser makes exactly this shape. */
function decoded<T>(option: string, parsed: Parsed): readonly T[] {
  if ('problem' in parsed) throw new ComposeError('usage', `${option}: ${parsed.problem}`);
  return parsed.nodes.map((node) => plain(node) as T);
}
