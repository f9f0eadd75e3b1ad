// The house rules that can be read off the sources: who imports whom, and one importer per package.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { COMMANDS } from '../src/cli/commands.ts';
import { ROOT } from './support/stack.ts';

interface Import {
  /** Relative to the repository, for example `src/plan/graph.ts`. */
  readonly from: string;
  /** The same for files, the bare name for packages. */
  readonly to: string;
  readonly typesOnly: boolean;
  /** Loaded when it is asked for. */
  readonly isDynamic: boolean;
}

/** What a room may import at run time; types may come from further rooms. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  main: ['cli', 'errors'],
  index: ['compose', 'plan', 'engine', 'events', 'state', 'core', 'errors'],
  cli: [
    'compose',
    'plan',
    'engine',
    'events',
    'images',
    'networks',
    'volumes',
    'containers',
    'state',
    'core',
    'errors',
  ],
  engine: [
    'compose',
    'plan',
    'events',
    'builds',
    'images',
    'networks',
    'volumes',
    'containers',
    'state',
    'core',
    'errors',
  ],
  builds: ['images', 'containers', 'state', 'core', 'errors'],
  plan: ['errors'],
  compose: ['errors'],
  images: ['state', 'core', 'errors'],
  networks: ['state', 'core', 'errors'],
  volumes: ['state', 'core', 'errors'],
  containers: ['state', 'core', 'errors'],
  state: ['core', 'errors'],
  core: ['errors'],
  events: ['errors'],
  errors: [],
};

/** Further rooms whose types a room may name. */
const MAY_NAME: Readonly<Record<string, readonly string[]>> = {
  plan: ['compose'],
  containers: ['compose', 'images'],
  state: [],
  events: ['plan', 'compose', 'containers', 'images'],
  networks: ['compose'],
  volumes: ['compose'],
  images: ['compose'],
  engine: [],
};

/** Pure functions of one room that others may use, each with its reason. */
const SHARED: Readonly<Record<string, string>> = {
  'src/compose/units.ts': 'durations and sizes are strings in the Project',
  'src/images/policy.ts': 'whether to pull is decided by a plan',
};

const ONE_IMPORTER: Readonly<Record<string, string>> = {
  fzstd: 'src/images/zstd.ts',
  koffi: 'core/index.ts',
  listr2: 'src/cli/progress.ts',
  toposort: 'src/plan/graph.ts',
  yaml: 'src/compose/source.ts',
};

const imports = sources().flatMap(importsOf);

function sources(): readonly string[] {
  const below = (dir: string) =>
    readdirSync(join(ROOT, dir), { recursive: true, encoding: 'utf8' }).map((name) => join(dir, name));
  return [...below('src'), 'core/index.ts'].filter((file) => file.endsWith('.ts'));
}

function importsOf(file: string): readonly Import[] {
  const text = readFileSync(join(ROOT, file), 'utf8').replace(/\/\*[\s\S]*?\*\/|^\s*\/\/.*$/gm, '');
  const statement =
    /\b(?:import|export)\s+(type\s+)?(\{[^}]*\}|[^'"();]*?)\s*from\s*['"]([^'"]+)['"]|\b(?:import|require)\(\s*['"]([^'"]+)['"]/g;
  return [...text.matchAll(statement)].map(([, type, names = '', fixed, dynamic]) => ({
    from: file,
    to: targetOf(file, fixed ?? dynamic ?? ''),
    isDynamic: dynamic !== undefined,
    typesOnly: type !== undefined || (names.startsWith('{') && everyNameIsAType(names)),
  }));
}

function everyNameIsAType(names: string): boolean {
  const list = names
    .slice(1, -1)
    .split(',')
    .map((name) => name.trim());
  return list.filter((name) => name !== '').every((name) => name.startsWith('type '));
}

function targetOf(file: string, specifier: string): string {
  if (!specifier.startsWith('.')) return specifier;
  return relative(ROOT, resolve(join(ROOT, dirname(file)), specifier));
}

/** The room that a file belongs to, or undefined for a package. */
function roomOf(path: string): string | undefined {
  if (path.startsWith('core/')) return 'core';
  return /^src\/(\w+)/.exec(path)?.[1];
}

function isAllowed({ from, to, typesOnly }: Import): boolean {
  const source = roomOf(from);
  const target = roomOf(to);
  if (source === undefined || target === undefined || source === target || to in SHARED) return true;
  if (MAY_IMPORT[source]?.includes(target)) return true;
  return typesOnly && MAY_NAME[source]?.includes(target) === true;
}

describe('rooms', () => {
  it('import in one direction only', () => {
    const wrong = imports.filter((one) => !isAllowed(one));
    expect(wrong.map(({ from, to, typesOnly }) => `${from} → ${to}${typesOnly ? ' (types)' : ''}`)).toEqual(
      [],
    );
  });

  it('are all in the table', () => {
    const rooms = new Set(sources().map(roomOf));
    expect([...rooms].filter((room) => room === undefined || !(room in MAY_IMPORT))).toEqual([]);
  });
});

describe('packages', () => {
  const packages = imports.filter(({ to }) => !/^(src\/|core\/|node:)/.test(to) && !to.endsWith('.json'));

  it('are those that the project is committed to', () => {
    expect([...new Set(packages.map(({ to }) => to))].sort()).toEqual(
      Object.keys(ONE_IMPORTER).filter((name) => packages.some(({ to }) => to === name)),
    );
  });

  it.each(Object.entries(ONE_IMPORTER))('%s is imported by %s alone', (name, importer) => {
    const importers = new Set(packages.filter(({ to }) => to === name).map(({ from }) => from));
    expect([...importers].filter((file) => file !== importer)).toEqual([]);
  });
});

describe('commands', () => {
  const files = readdirSync(join(ROOT, 'src/cli/commands')).filter((name) => name.endsWith('.ts'));

  it('are all in the table', () => {
    const registered = imports.filter(({ from }) => from === 'src/cli/commands.ts').map(({ to }) => to);
    expect(files.filter((name) => !registered.includes(`src/cli/commands/${name}`))).toEqual([]);
  });

  it.each(Object.entries(COMMANDS))(
    '%s has help, and options that do not contradict each other',
    async (name, load) => {
      const { command } = await load();
      expect(command.name).toBe(name);
      expect(command.summary).toMatch(/^[a-z].*[^.]$/);
      const names = command.options.map((option) => option.name);
      const letters = command.options.flatMap((option) => option.short ?? []);
      expect(new Set(names).size).toBe(names.length);
      expect(new Set(letters).size).toBe(letters.length);
      for (const option of command.options) {
        expect(option.excludes?.filter((other) => !names.includes(other)) ?? []).toEqual([]);
      }
    },
  );
});

describe('start-up', () => {
  /** Everything that is loaded before the command's own module. */
  function reachable(start: string, followDynamic: boolean): ReadonlySet<string> {
    const seen = new Set<string>();
    const visit = (file: string): void => {
      if (seen.has(file)) return;
      seen.add(file);
      for (const { from, to, typesOnly, isDynamic } of imports) {
        if (from === file && !typesOnly && (followDynamic || !isDynamic)) visit(to);
      }
    };
    visit(start);
    return seen;
  }

  it('loads no package and no room but the command line', () => {
    const rooms = new Set([...reachable('src/main.ts', false)].map((file) => roomOf(file) ?? file));
    expect([...rooms].filter((room) => !room.startsWith('node:')).sort()).toEqual(['cli', 'errors', 'main']);
  });

  it.each(['version', 'config', 'lint'])(
    '%s loads neither the binding nor the drawing of progress',
    (name) => {
      const loaded = reachable(`src/cli/commands/${name}.ts`, true);
      expect([...loaded].filter((file) => file === 'koffi' || file === 'listr2')).toEqual([]);
    },
  );
});

describe('sources', () => {
  it('begin with a line that says what lives in them', () => {
    const silent = sources().filter(
      (file) => !/^(#!.*\n)?(\/\/|\/\*)/.test(readFileSync(join(ROOT, file), 'utf8')),
    );
    expect(silent).toEqual([]);
  });

  it('are never the place for what belongs nowhere', () => {
    expect(sources().filter((file) => /utils|helpers|misc/.test(file))).toEqual([]);
  });
});
