// Guesses at what the author of a file meant, from the mistakes that people make.

/** Attributes that go by another name elsewhere. */
const SYNONYMS: Readonly<Record<string, readonly string[]>> = {
  args: ['command'],
  arguments: ['command', 'args'],
  autorestart: ['restart'],
  build_args: ['args'],
  capabilities: ['cap_add'],
  cmd: ['command'],
  conditions: ['depends_on'],
  cpu: ['cpus'],
  cpu_limit: ['cpus'],
  cwd: ['working_dir'],
  default_env: ['environment'],
  dependencies: ['depends_on'],
  depends: ['depends_on'],
  directory: ['context', 'working_dir'],
  dockerfile_path: ['dockerfile'],
  domain_name: ['domainname'],
  env: ['environment'],
  envfile: ['env_file'],
  env_vars: ['environment'],
  envs: ['environment'],
  exec: ['command'],
  from: ['extends', 'image', 'source'],
  group: ['group_add', 'gid'],
  groups: ['group_add'],
  health: ['healthcheck'],
  health_check: ['healthcheck'],
  host: ['hostname', 'host_ip'],
  host_name: ['hostname'],
  host_port: ['published'],
  hosts: ['extra_hosts'],
  inherit: ['extends'],
  instances: ['scale', 'replicas'],
  ip: ['ipv4_address', 'host_ip'],
  ip_address: ['ipv4_address'],
  log: ['logging'],
  log_driver: ['logging'],
  log_opt: ['logging'],
  logs: ['logging'],
  max_retries: ['retries', 'max_attempts'],
  mem: ['mem_limit', 'memory'],
  memory: ['mem_limit'],
  memory_limit: ['mem_limit', 'memory'],
  mounts: ['volumes'],
  name: ['container_name'],
  needs: ['depends_on'],
  net: ['network_mode'],
  options: ['driver_opts'],
  password: ['secrets'],
  port: ['ports', 'target'],
  publish: ['published', 'ports'],
  pull: ['pull_policy'],
  ram: ['mem_limit', 'memory'],
  ref: ['source'],
  readonly: ['read_only'],
  repository: ['image'],
  requires: ['depends_on'],
  restart_policy: ['restart'],
  ro: ['read_only'],
  run: ['command'],
  shell: ['entrypoint'],
  stop_timeout: ['stop_grace_period'],
  terminal: ['tty'],
  ulimit: ['ulimits'],
  uid: ['user'],
  variables: ['environment'],
  vols: ['volumes'],
  when: ['profiles'],
  workdir: ['working_dir'],
  working_directory: ['working_dir'],
};

/**
 * The known word that is closest to a misspelt one, handed to `word`; undefined when none is close.
 * `within` limits the distance; by default a third of the letters may be wrong, and at most three.
 */
export function nearest(
  text: string,
  known: readonly string[],
  word: (nearest: string) => string = (name) => name,
  within = Math.min(3, Math.max(1, Math.floor(text.length / 3))),
): string | undefined {
  const wanted = plain(text);
  let best: string | undefined;
  let bestDistance = within + 1;
  for (const candidate of known) {
    if (candidate === text) continue;
    const distance = plain(candidate) === wanted ? 0 : editDistance(wanted, plain(candidate), bestDistance);
    if (distance >= bestDistance || distance >= candidate.length) continue;
    best = candidate;
    bestDistance = distance;
  }
  return best === undefined ? undefined : word(best);
}

/** Letters to insert, drop, replace or swap to make one word of the other (Damerau-Levenshtein), up to a limit. */
export function editDistance(from: string, to: string, limit = Number.POSITIVE_INFINITY): number {
  if (Math.abs(from.length - to.length) >= limit) return limit;
  let beforeLast: number[] = [];
  let last = Array.from({ length: to.length + 1 }, (_, column) => column);
  for (let row = 1; row <= from.length; row++) {
    const current = [row];
    for (let column = 1; column <= to.length; column++) {
      const same = from[row - 1] === to[column - 1];
      const cost = Math.min(
        at(last, column) + 1,
        at(current, column - 1) + 1,
        at(last, column - 1) + (same ? 0 : 1),
      );
      const swapped = from[row - 1] === to[column - 2] && from[row - 2] === to[column - 1];
      current.push(row > 1 && column > 1 && swapped ? Math.min(cost, at(beforeLast, column - 2) + 1) : cost);
    }
    beforeLast = last;
    last = current;
  }
  return at(last, to.length);
}

function at(row: readonly number[], column: number): number {
  return row[column] ?? Number.POSITIVE_INFINITY;
}

/** A word without the things in which naming habits differ, the plural among them. */
function plain(text: string): string {
  return text.toLowerCase().replaceAll(/[-_ .]|s$/g, '');
}

/** The known key, handed to `word`, for something that other tools call by another name. */
export function synonymOf(
  key: string,
  known: readonly string[],
  word: (name: string) => string = (name) => name,
): string | undefined {
  const snake = key
    .replaceAll(/([a-z])([A-Z])/g, '$1_$2')
    .toLowerCase()
    .replaceAll(/[- ]/g, '_');
  const meant = Object.hasOwn(SYNONYMS, snake) ? SYNONYMS[snake] : undefined;
  const name = meant?.find((candidate) => known.includes(candidate));
  return name === undefined ? undefined : word(name);
}

/** What is wrong with the name of a service, network, volume or variable. */
export function nameHint(name: string): { readonly message: string; readonly hint: string } {
  if (name === '') return { message: 'has an empty name', hint: 'remove the entry, or give it a name' };
  return {
    message: 'is not a valid name',
    hint: 'names consist of letters, digits, `.`, `_` and `-`',
  };
}

/** What a place in the file takes, for typeHint. */
export interface Wanted {
  /** The innermost key above the value. */
  readonly key: string | undefined;
  /** The value is an entry of a list. */
  readonly inList: boolean;
  readonly string: boolean;
  readonly boolean: boolean;
  readonly list: boolean;
  readonly mapping: boolean;
  /** A good value in YAML. */
  readonly example: string | undefined;
}

/** The likely cure for a value of the wrong type. */
export function typeHint(value: unknown, wanted: Wanted): string | undefined {
  if (value === null) return emptyHint(wanted);
  if (wanted.boolean && typeof value === 'number')
    return `write ${keyPrefix(wanted)}${value === 0 ? 'false' : 'true'}`;
  if (wanted.string && (typeof value === 'number' || typeof value === 'boolean')) {
    return unitHint(value, wanted) ?? `quote it: ${wanted.inList ? '- ' : keyPrefix(wanted)}"${value}"`;
  }
  if (isMapping(value) && wanted.inList && wanted.string) return mappingEntryHint(value);
  if (typeof value === 'string' && wanted.list && !wanted.string) return listHint(value, wanted);
  if (typeof value === 'string' && wanted.mapping && !wanted.list) {
    return textForMappingHint(value) ?? exampleHint(wanted);
  }
  return exampleHint(wanted);
}

function textForMappingHint(value: string): string | undefined {
  if (value.includes(':')) return 'a space is missing after the colon, or the lines below are not indented';
  const [, key] = /^([a-z_]+) +\S/.exec(value) ?? [];
  return key === undefined ? undefined : `a colon is missing after \`${key}\``;
}

function emptyHint(wanted: Wanted): string {
  const cure = wanted.inList
    ? 'remove the lone dash, or write its value'
    : 'remove the key, or indent what belongs to it';
  return wanted.example === undefined ? cure : `${cure}; ${exampleHint(wanted)}`;
}

/** Durations are strings because they have units; a bare number of them means nothing. */
function unitHint(value: number | boolean, wanted: Wanted): string | undefined {
  const unit = /^"?\d+([mu]?s|h)"?$/.exec(wanted.example ?? '')?.[1];
  if (unit === undefined || typeof value === 'boolean') return undefined;
  return `write it with a unit, for example ${keyPrefix(wanted)}${value}${unit}`;
}

function mappingEntryHint(value: Readonly<Record<string, unknown>>): string {
  const [key, inner] = Object.entries(value)[0] ?? [];
  if (key === undefined) return 'an entry of this list is a plain string';
  if (typeof inner === 'object') {
    return `leave out the dash, so that \`${key}\` becomes a key of a mapping, or write only its name`;
  }
  return `a colon and a space make a mapping of it; write - "${key}: ${inner}", - ${key}=${inner}, or leave out the dashes`;
}

function listHint(value: string, wanted: Wanted): string {
  if (wanted.inList) return 'put a list here';
  if (/^-\S/.test(value)) return 'a space is missing after the dash';
  const entry = value.length > 40 ? '…' : value;
  return `start each entry with a dash, or write ${keyPrefix(wanted)}[${JSON.stringify(entry)}]`;
}

function exampleHint({ key, inList, example }: Wanted): string | undefined {
  if (example === undefined) return undefined;
  return inList || key === undefined ? `for example ${example}` : `for example \`${key}: ${example}\``;
}

function keyPrefix({ key }: Wanted): string {
  return key === undefined ? '' : `${key}: `;
}

/** What an env file that only a container sees gives it. */
export interface ContainerFile {
  readonly service: string;
  readonly file: string;
  readonly names: ReadonlySet<string>;
}

/** Why a variable is not set: it is in a file for the container, misspelt, or was never meant as one. */
export function unsetVariableHint(
  name: string,
  known: readonly string[],
  containerFiles: readonly ContainerFile[] = [],
  otherwise = `set it in .env or in the shell, or give a default: \${${name}:-…}; a literal dollar sign is written $$`,
): string {
  const file = containerFiles.find(({ names }) => names.has(name));
  if (file !== undefined) {
    return `${name} is set in ${file.file}, which only the containers of ${file.service} get; put it into .env, or give --env-file ${file.file}`;
  }
  const similar = name.length > 3 ? nearest(name, known, (word) => `did you mean ${word}?`, 2) : undefined;
  return similar ?? otherwise;
}

function isMapping(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
