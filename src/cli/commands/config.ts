// `config`: the compose files as one checked, canonical model, or one facet of it.
import { writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { LoadOptions } from '../../compose/load.ts';
import type { Project, Service } from '../../compose/project.ts';
import { ComposeError, type Diagnostic } from '../../errors.ts';
import type { Arguments, CliContext, CommandSpec, OptionSpec } from '../command.ts';
import { loadOptions } from '../load.ts';

/** Resolves the name of an image to its digest, `sha256:...`. */
export type ResolveDigest = (image: string, signal: AbortSignal) => Promise<string>;

const flag = (name: string, summary: string): OptionSpec => ({ name, type: 'boolean', summary });
const text = (name: string, value: string, summary: string): OptionSpec => ({
  name,
  type: 'string',
  value,
  summary,
});

const OPTIONS: readonly OptionSpec[] = [
  flag('environment', 'print the variables used for interpolation'),
  text('explain', 'PATH', 'print every source of a value, for example services.web.environment.PORT'),
  { ...text('format', 'FORMAT', 'yaml (default) or json'), choices: ['yaml', 'json'] },
  text('hash', 'SERVICES', 'print the hash of the named services, or of all with "*"'),
  flag('images', 'print the names of the images'),
  flag('lock-image-digests', 'print an override file with the digests of the images'),
  flag('models', 'print the names of the models'),
  flag('networks', 'print the names of the networks'),
  flag('no-consistency', 'do not check references between services and resources'),
  flag('no-env-resolution', 'accepted; the env files of services are read, as Docker Compose does'),
  flag('no-interpolate', 'keep variables as they are written'),
  flag('no-normalize', 'do not add what is implied'),
  flag('no-path-resolution', 'keep relative paths'),
  { ...text('output', 'FILE', 'write to a file'), short: 'o' },
  flag('profiles', 'print the names of the profiles'),
  { ...flag('quiet', 'only check the files'), short: 'q' },
  flag('resolve-image-digests', 'print images with their digests'),
  flag('services', 'print the names of the services'),
  flag('variables', 'print the variables that the files use, and their defaults'),
  flag('volumes', 'print the names of the volumes'),
];

export const command: CommandSpec = {
  name: 'config',
  usage: '[OPTIONS] [SERVICE...]',
  summary: 'check the compose files and print what they mean',
  options: OPTIONS,
  run: (context, args) => runConfig(context, args, (image) => lookUpDigest(image, context)),
};

/** Asks the registry. */
async function lookUpDigest(image: string, context: CliContext): Promise<string> {
  const [{ remoteDigest }, { openRegistries }] = await Promise.all([
    import('../../images/pull.ts'),
    import('../../images/registry.ts'),
  ]);
  const registries = openRegistries({ environment: process.env });
  try {
    return await remoteDigest(image, { registries, offline: context.global.offline, signal: context.signal });
  } finally {
    registries.close();
  }
}

/** Prints what the flags ask for; `resolveDigest` is only called for the digest flags. */
export async function runConfig(
  context: CliContext,
  args: Arguments,
  resolveDigest: ResolveDigest,
): Promise<number> {
  const options = optionsOf(context, args);
  const facet = FACETS.find(({ name }) => wanted(args, name));
  const output = facet
    ? await facet.print({ context, args, options: { ...options, resolveEnv: facet.readsEnv === true } })
    : await printWhole({ context, args, options }, resolveDigest);
  if (facet === undefined && args.flag('quiet')) return 0;
  const file = args.text('output');
  if (file === undefined) context.out(output);
  else writeFileSync(resolve(file), output);
  return 0;
}

function wanted(args: Arguments, name: string): boolean {
  return name === 'hash' || name === 'explain' ? Boolean(args.text(name)) : args.flag(name);
}

function optionsOf(context: CliContext, args: Arguments): LoadOptions {
  const { global } = context;
  return {
    ...loadOptions(global),
    interpolate: !args.flag('no-interpolate'),
    // The flag goes with the model of Compose 1, which knew no implied parts; the variable only with its names.
    normalize:
      !args.flag('no-normalize') && (!global.compatibility || Boolean(process.env.COMPOSE_COMPATIBILITY)),
    resolvePaths: !args.flag('no-path-resolution'),
    consistency: !args.flag('no-consistency'),
  };
}

interface Request {
  readonly context: CliContext;
  readonly args: Arguments;
  readonly options: LoadOptions;
}

interface Facet {
  readonly name: string;
  readonly print: (request: Request) => Promise<string>;
  /** Whether the env files of services matter. */
  readonly readsEnv?: true;
}

const lines = (names: readonly string[]): string => names.map((name) => `${name}\n`).join('');

const keysOf =
  (section: 'volumes' | 'networks'): ((request: Request) => Promise<string>) =>
  async (request) =>
    lines(Object.keys((await load(request, [])).project[section]).sort());

/** In the order in which they win over each other. */
const FACETS: readonly Facet[] = [
  { name: 'explain', print: printExplanation, readsEnv: true },
  { name: 'services', print: printServices },
  { name: 'volumes', print: keysOf('volumes') },
  { name: 'networks', print: keysOf('networks') },
  {
    name: 'models',
    print: async (request) => {
      const { project } = await load(request, []);
      return lines(Object.values(project.models).map(({ model }) => model));
    },
  },
  { name: 'hash', print: printHashes, readsEnv: true },
  { name: 'profiles', print: printProfiles },
  { name: 'images', print: printImages },
  { name: 'variables', print: printVariables },
  {
    name: 'environment',
    print: async (request) => {
      const { project } = await load(request, request.args.positionals);
      const entries = Object.entries(project.environment).map(([name, value]) => `${name}=${value}`);
      return lines(entries.sort());
    },
  },
];

async function load(request: Request, services: readonly string[]): Promise<{ project: Project }> {
  const [{ loadProject }, { selectServices }] = await Promise.all([
    import('../../compose/load.ts'),
    import('../../compose/select.ts'),
  ]);
  const { project, warnings } = loadProject({ ...request.options, services });
  await warn(request.context, warnings);
  return { project: selectServices(project, services, { includeDependencies: true }) };
}

async function warn(context: CliContext, warnings: readonly Diagnostic[]): Promise<void> {
  if (warnings.length === 0) return;
  const { renderFindings } = await import('../failure.ts');
  context.err(await renderFindings(warnings, context.colours('stderr')));
}

async function printWhole(request: Request, resolveDigest: ResolveDigest): Promise<string> {
  const { args } = request;
  const format = args.text('format') === 'json' ? 'json' : 'yaml';
  const isLocked = args.flag('lock-image-digests');
  const { printDocument, printProject } = await import('../../compose/print.ts');
  if (args.flag('no-interpolate')) return printDocument(await rawDocument(request), format);
  const { project } = await load(request, args.positionals);
  if (args.flag('quiet')) return '';
  if (!isLocked && !args.flag('resolve-image-digests')) return printProject(project, format);
  const pinned = await pinImages(project, resolveDigest, request.context.signal);
  return isLocked ? printDocument({ services: onlyImages(pinned) }, format) : printProject(pinned, format);
}

/** The merged files with their variables. */
async function rawDocument({ options, context }: Request): Promise<unknown> {
  const [{ loadModel }, { asWritten }] = await Promise.all([
    import('../../compose/load.ts'),
    import('../../compose/written.ts'),
  ]);
  const { name, model, warnings } = loadModel(options);
  await warn(context, warnings);
  const document = asWritten(model) as Record<string, unknown>;
  return options.normalize === false ? document : { ...document, name };
}

async function pinImages(
  project: Project,
  resolveDigest: ResolveDigest,
  signal: AbortSignal,
): Promise<Project> {
  const pinned = Object.entries(project.services).map(async ([name, service]) => {
    const { image } = service;
    const isLocal = image === 'host' || image?.startsWith('rootfs:');
    if (image === undefined || isLocal || image.includes('@')) return [name, service] as const;
    return [name, { ...service, image: `${image}@${await resolveDigest(image, signal)}` }] as const;
  });
  return { ...project, services: Object.fromEntries(await Promise.all(pinned)) };
}

function onlyImages(project: Project): Record<string, { image?: string }> {
  const entries = Object.entries(project.services).map(
    ([name, { image }]) => [name, image ? { image } : {}] as const,
  );
  return Object.fromEntries(entries);
}

async function printExplanation(request: Request): Promise<string> {
  const path = request.args.text('explain') ?? '';
  const { explainValue, pathHint } = await import('../../compose/provenance.ts');
  const { project } = await load(request, []);
  const explanation = explainValue(project, path);
  if (explanation !== undefined) return explanation;
  throw new ComposeError('invalid-value', `there is no value at ${path}`, { hint: pathHint(project, path) });
}

async function printServices(request: Request): Promise<string> {
  if (request.args.flag('no-interpolate')) {
    const document = (await rawDocument(request)) as { readonly services?: object };
    return lines(Object.keys(document.services ?? {}));
  }
  const { project } = await load(request, []);
  return lines(inOrder(project));
}

/** Names with dependencies before what depends on them. */
function inOrder(project: Project): string[] {
  const ordered = new Set<string>();
  const visit = (name: string): void => {
    if (ordered.has(name)) return;
    for (const other of Object.keys(project.services[name]?.depends_on ?? {}).sort()) {
      if (Object.hasOwn(project.services, other)) visit(other);
    }
    ordered.add(name);
  };
  for (const name of Object.keys(project.services).sort()) visit(name);
  return [...ordered];
}

async function printHashes(request: Request): Promise<string> {
  const { serviceHash } = await import('../../plan/hash.ts');
  const { project } = await load(request, []);
  const asked = request.args.text('hash') ?? '*';
  const names = asked === '*' ? Object.keys(project.services) : asked.split(',');
  return lines(names.sort().map((name) => `${name} ${serviceHash(serviceNamed(project, name))}`));
}

function serviceNamed(project: Project, name: string): Service {
  const service = Object.hasOwn(project.services, name) ? project.services[name] : undefined;
  if (service === undefined) throw new ComposeError('unknown-service', `no such service: ${name}`);
  return service;
}

async function printProfiles(request: Request): Promise<string> {
  const { project } = await load(request, request.args.positionals);
  const services = [...Object.values(project.services), ...Object.values(project.disabledServices)];
  return lines([...new Set(services.flatMap(({ profiles = [] }) => profiles))].sort());
}

async function printImages(request: Request): Promise<string> {
  const { project } = await load(request, request.args.positionals);
  const separator = request.context.global.compatibility ? '_' : '-';
  return lines(
    Object.entries(project.services).map(
      ([name, { image }]) => image ?? `${project.name}${separator}${name}`,
    ),
  );
}

async function printVariables(request: Request): Promise<string> {
  const options = { ...request.options, interpolate: false };
  const [{ collectVariables, printedVariable }, { printDocument }, { table }, document] = await Promise.all([
    import('../../compose/variables.ts'),
    import('../../compose/print.ts'),
    import('../output.ts'),
    rawDocument({ ...request, options }),
  ]);
  const variables = collectVariables(document);
  const format = request.args.text('format');
  if (format !== undefined) {
    const kind = format === 'json' ? 'json' : 'yaml';
    const entries = variables.map((variable) => [variable.name, printedVariable(variable, kind)]);
    return printDocument(Object.fromEntries(entries), kind);
  }
  const rows = variables.map(({ name, required, defaultValue, presenceValue }) => [
    name,
    String(required),
    defaultValue,
    presenceValue,
  ]);
  return table(['NAME', 'REQUIRED', 'DEFAULT VALUE', 'ALTERNATE VALUE'], rows);
}
